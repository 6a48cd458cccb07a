"""What tests over the real broker and database share: the stack, a market in it, clients, loads and checks."""
