"""Notify: every organization's inbox, written from what the others say in their topics."""

SOURCE = "/youai/notify"
"""`ce_source` of all that this service writes."""
