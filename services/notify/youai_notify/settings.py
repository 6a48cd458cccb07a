"""Notify's settings: those of every service, and how many may listen for their badge at a time."""

from pydantic import Field
from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""

    listeners: int = Field(default=300, ge=1, le=900, description="most open event streams of one API process")
