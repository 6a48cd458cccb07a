"""Catalog: organizations, offers and sessions, what the city has."""

SOURCE = "/youai/catalog"
"""`ce_source` of all that this service writes."""
