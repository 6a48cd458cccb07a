"""Catalog's settings: those of every service, and how long keys are remembered."""

from pydantic import Field
from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""

    keys_days: int = Field(default=30, ge=1, le=3_650, description="for how long an Idempotency-Key's answer is kept")
