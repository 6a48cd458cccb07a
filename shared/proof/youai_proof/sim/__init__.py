"""The simulator: the real code of matching under a seeded scheduler, on a fake broker and a fake database."""
