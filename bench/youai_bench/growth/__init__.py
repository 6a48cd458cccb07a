"""`youai bench growth`: whether a decision costs the same however much there is, and how a killed worker comes back."""
