"""Chaos: faults on the real broker, database and processes in mid-rush, and what must hold after each."""
