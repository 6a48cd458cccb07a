"""Kafka and PostgreSQL in containers (`up --stack containers`): testcontainers starts them, on this home's ports."""

from typing import Any
from urllib.parse import quote

from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.ports import HOST

KAFKA_IMAGE = "apache/kafka:4.3.1"
POSTGRES_IMAGE = "postgres:18"


class Containers:
    """The containers of one run; what they hold goes with them."""

    def __init__(self, home: Home, *, with_kafka: bool, with_postgres: bool) -> None:
        ports = home.ports("kafka", "postgres")
        self._kafka_port, self._postgres_port = ports["kafka"], ports["postgres"]
        self._with_kafka, self._with_postgres = with_kafka, with_postgres
        self._password = home.secret("postgres")
        self._running: list[Any] = []

    @property
    def admin_dsn(self) -> str:
        return f"postgresql://postgres:{quote(self._password)}@{HOST}:{self._postgres_port}/postgres"

    def start(self) -> None:
        """Start them. Raises StackError where no container engine answers."""
        try:
            wanted = [*self._kafka()] * self._with_kafka + [*self._postgres()] * self._with_postgres
            for container in wanted:
                container.start()
                self._running.append(container)
        except Exception as error:  # whatever docker's client raises: to a person it means one thing
            self.stop()
            raise StackError(
                f"No container engine answers ({type(error).__name__}): start Docker or Podman, or leave out"
                " --stack containers."
            ) from error

    def stop(self) -> None:
        while self._running:
            self._running.pop().stop()

    def _kafka(self) -> list[Any]:
        from testcontainers.core.container import DockerContainer

        port = self._kafka_port
        settings = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        }
        container = DockerContainer(KAFKA_IMAGE)
        container.ports["9092/tcp"] = (HOST, port)
        for name, value in settings.items():
            container = container.with_env(name, value)
        return [container]

    def _postgres(self) -> list[Any]:
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", self._password)
        container.ports["5432/tcp"] = (HOST, self._postgres_port)
        return [container]
