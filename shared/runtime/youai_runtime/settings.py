"""What every service is told by its environment (prefix YOUAI_), read once, in a service's `__main__`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Base of a service's settings. A missing or wrong variable raises pydantic's ValidationError, which names it."""

    model_config = SettingsConfigDict(env_prefix="YOUAI_", frozen=True)

    kafka: str = Field(description="bootstrap servers, host:port[,host:port]")
    database: str = Field(description="DSN of the service's own PostgreSQL database")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=1, le=65535)
    instance: str = Field(default="local", description="name of this process in logs and client ids")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    dev_public_key_file: Path | None = Field(
        default=None, description="PEM of the development key; refused where oidc_issuer is set"
    )
    oidc_issuer: str | None = None
    oidc_audience: str = "youai"
    oidc_jwks_url: str | None = None
    pool_size: int = Field(default=10, ge=1, le=100, description="most database connections of this process")
