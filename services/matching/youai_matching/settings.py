"""Matching's settings: those of every service, and the rule version for new slots."""

from pydantic import DirectoryPath, Field
from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""

    rules: str = Field(default="2026-12", description="name of the rule version that new slots come under")
    rules_folder: DirectoryPath | None = Field(default=None, description="folder of the city's own rule versions")
