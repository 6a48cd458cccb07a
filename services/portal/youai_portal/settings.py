"""Portal's settings: those of every service, where the other services are, and how people sign in."""

from pathlib import Path

from pydantic import Field
from youai_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, prefix YOUAI_."""

    demand_url: str = Field(default="", description="base URL of demand's API")
    catalog_url: str = Field(default="", description="base URL of catalog's API")
    matching_url: str = Field(default="", description="base URL of matching's API")
    notify_url: str = Field(default="", description="base URL of notify's API")
    dev_private_key_file: Path | None = Field(
        default=None, description="PEM of the development key, for the development sign-in; refused beside oidc_issuer"
    )
    oidc_client_id: str = Field(default="youai-portal", description="this portal at the OIDC issuer")
    oidc_client_secret: str | None = Field(default=None, description="if the issuer gave one")
    public_url: str = Field(default="", description="where people reach the portal; needed for OIDC's way back")
    secure_cookies: bool = Field(default=False, description="send cookies over HTTPS alone; set it in production")
    session_hours: float = Field(default=10.0, gt=0, le=24 * 7, description="how long a sign-in lasts")
    most_streams: int = Field(default=500, ge=1, le=100_000, description="live connections of one process")
