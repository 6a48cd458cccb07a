"""Plumbing of every service, with no business word in it: lanes, outbox, settings, tokens, logs, health, metrics."""
