"""Demand: what residents need, who claims it, and what became of it."""

SERVICE = "demand"
SOURCE = "/youai/demand"
