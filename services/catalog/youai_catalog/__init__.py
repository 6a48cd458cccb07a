"""Catalog: organizations, offers and sessions, what the city has."""
