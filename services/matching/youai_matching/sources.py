"""Who matching is, in records and dead letters."""

SERVICE = "matching"
SOURCE = "/youai/matching"
