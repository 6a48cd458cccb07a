"""Demand's settings: those of every service."""

from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""
