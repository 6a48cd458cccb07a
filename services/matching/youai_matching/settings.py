"""Matching's settings: those of every service, the rule version for new slots, and how much one may write."""

from pydantic import DirectoryPath, Field
from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""

    rules: str = Field(default="2027-01", description="name of the rule version that new slots come under")
    rules_folder: DirectoryPath | None = Field(default=None, description="folder of the city's own rule versions")
    rate_limit: str = Field(
        default="1200/minute",
        pattern=r"^[1-9][0-9]*/(second|minute|hour)$",
        description="most writes of one organization in one process of the API; the guidance center has ten times that",
    )
