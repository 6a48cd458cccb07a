"""What every service is told by its environment (prefix YOUAI_), read once, in a service's `__main__`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from youai_runtime.kafka import Broker
from youai_runtime.way import Way


class KafkaSettings(BaseSettings):
    """Where the brokers are and how to talk to them."""

    model_config = SettingsConfigDict(env_prefix="YOUAI_", frozen=True)

    kafka: str = Field(description="bootstrap servers, host:port[,host:port]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = Field(default=None, description="PEM of whom TLS trusts; default: the machine's own")

    @model_validator(mode="after")
    def _kafka_is_whole(self) -> Self:
        """A half-set connection would only show as a broker that never answers."""
        by_password = self.kafka_security_protocol.startswith("SASL_")
        if by_password and not (self.kafka_sasl_mechanism and self.kafka_username and self.kafka_password):
            raise ValueError(
                f"{self.kafka_security_protocol} needs YOUAI_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD as well"
            )
        if not by_password and (self.kafka_sasl_mechanism or self.kafka_username or self.kafka_password):
            raise ValueError("YOUAI_KAFKA_SASL_MECHANISM, _USERNAME, _PASSWORD need a SASL security protocol")
        if self.kafka_ca_file is not None and not self.kafka_ca_file.is_file():
            raise ValueError(f"YOUAI_KAFKA_CA_FILE names no file: {self.kafka_ca_file}")
        return self

    @property
    def broker(self) -> Broker:
        """How every Kafka client of this process connects."""
        return Broker(
            bootstrap=self.kafka,
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=None if self.kafka_password is None else self.kafka_password.get_secret_value(),
            ca_file=self.kafka_ca_file,
        )


class ServiceSettings(KafkaSettings):
    """Base of a service's settings. A missing or wrong variable raises pydantic's ValidationError, which names it."""

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
    gives_way: bool = Field(
        default=False,
        description="what a worker tells of bookings waits some seconds where others of the machine are busy",
    )
    pool_size: int = Field(default=10, ge=1, le=100, description="most database connections of this process")

    @property
    def way(self) -> Way | None:
        """How a lane of a projection looks after others of its machine; None where it need not."""
        return Way() if self.gives_way else None
