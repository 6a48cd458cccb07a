"""The pure core: state and records in, decisions out. No clock, no chance, no I/O."""
