"""What proves matching: seeds in a simulator, mutants that must be caught, faults on the real broker and database."""
