"""Matching: contested booking slots, decided strictly in order."""
