"""The bench: the same work for this project's engine and its peers, checked alike, and what each takes for it."""
