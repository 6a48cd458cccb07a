"""How Kafka clients connect: what every one of them is given, plain, encrypted, by password."""

import ssl
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import ValidationError
from youai_runtime import kafka, live, worker
from youai_runtime.kafka import Broker
from youai_runtime.lane import Lane
from youai_runtime.settings import ServiceSettings

from tests.architecture.workspace import PACKAGES, SERVICES, python_files
from tests.unit.runtime.fakes import TOPIC, Noting


def settings(**given: Any) -> ServiceSettings:
    return ServiceSettings(kafka="a:1,b:2", database="postgresql://x@y/z", **given)


def by_password(protocol: str, **more: Any) -> ServiceSettings:
    return settings(
        kafka_security_protocol=protocol,
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_username="demand",
        kafka_password="secret-word",
        **more,
    )


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    """A PEM of a certificate authority: the machine's own first one."""
    default = ssl.create_default_context()
    certificates = default.get_ca_certs(binary_form=True)
    if not certificates:
        pytest.skip("this machine trusts nobody")
    file = tmp_path / "ca.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(certificates[0]))
    return file


def test_plain_is_what_it_was() -> None:
    assert settings().broker.options() == {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}


def test_a_password_is_passed_on_and_never_shown() -> None:
    told = by_password("SASL_PLAINTEXT")
    assert told.broker.options() == {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "demand",
        "sasl_plain_password": "secret-word",
    }
    assert "secret-word" not in f"{told!r} {told} {told.broker!r} {told.model_dump_json()}"


def test_tls_checks_the_brokers_name_against_the_ca_that_is_named(ca_file: Path) -> None:
    options = by_password("SASL_SSL", kafka_ca_file=ca_file).broker.options()
    context = options["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1
    assert options["sasl_plain_password"] == "secret-word"
    assert "ssl_context" in settings(kafka_security_protocol="SSL").broker.options()


@pytest.mark.parametrize(
    "given",
    [
        {"kafka_security_protocol": "SASL_SSL"},
        {"kafka_security_protocol": "SASL_SSL", "kafka_username": "demand", "kafka_password": "x"},
        {"kafka_password": "x"},
        {"kafka_security_protocol": "SSL", "kafka_username": "demand"},
        {"kafka_security_protocol": "SSL", "kafka_ca_file": "/nowhere/ca.pem"},
        {"kafka_security_protocol": "TLS"},
        {"kafka_sasl_mechanism": "GSSAPI"},
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**given)


class Made:
    """Notes the arguments that a client is made with, and makes none."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    def __call__(self, **arguments: Any) -> Any:
        self.arguments = arguments
        raise _Enough


class _Enough(Exception):
    pass


async def test_producers_lanes_and_feeds_are_made_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, listeners = by_password("SASL_PLAINTEXT").broker, live.Listeners(1, 1)
    listeners.join("somebody")
    made = Made()
    monkeypatch.setattr(kafka, "Producer", made)
    monkeypatch.setattr(live, "AIOKafkaConsumer", made)
    with pytest.raises(_Enough):
        kafka.make_producer(broker, "it")
    assert broker.options().items() <= made.arguments.items()
    made.arguments = {}
    with pytest.raises(_Enough):
        await live.Feed(TOPIC, listeners, broker=broker, client_id="it").run()
    assert broker.options().items() <= made.arguments.items()
    made.arguments = {}
    lane = Lane(Noting(), pool=Any, broker=broker, client_id="it", consumer_factory=made)  # type: ignore[arg-type]
    with pytest.raises(_Enough):
        await lane.run()
    assert broker.options().items() <= made.arguments.items()


async def test_the_clients_themselves_take_it(ca_file: Path) -> None:
    broker = by_password("SASL_SSL", kafka_ca_file=ca_file).broker
    for client in (AIOKafkaProducer(**broker.options()), AIOKafkaConsumer(**broker.options())):
        client._closed = True  # never started: it has nothing to close


def test_faust_is_told_the_same(ca_file: Path) -> None:
    told = worker._credentials(by_password("SASL_SSL", kafka_ca_file=ca_file).broker)
    assert isinstance(told, faust.SASLCredentials)
    assert (told.username, told.password, str(told.protocol.value)) == ("demand", "secret-word", "SASL_SSL")
    assert isinstance(worker._credentials(settings(kafka_security_protocol="SSL").broker), faust.SSLCredentials)
    assert worker._credentials(Broker("a:1")) is None


def test_no_client_is_made_past_it() -> None:
    packages = (PACKAGES["youai_runtime"], *(PACKAGES[f"youai_{service}"] for service in SERVICES))
    past = [path.name for path in python_files(*packages) if "bootstrap_servers" in path.read_text()]
    assert past == ["kafka.py"]  # where Broker is
