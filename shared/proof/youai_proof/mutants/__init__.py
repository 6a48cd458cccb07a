"""Mutants: the real code with one mechanism or rule broken. Each must be caught by some seed of the simulator."""
