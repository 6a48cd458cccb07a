"""The parts of a stack as the supervisor runs them: the two stores, and each service's migration, API and workers."""

import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from youai_stack import jars, probes, processes
from youai_stack.child import Spec, run_once
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.kafka import STOP_SECONDS as KAFKA_STOP_SECONDS
from youai_stack.kafka import Kafka
from youai_stack.ports import HOST, is_free
from youai_stack.postgres import STOP_SECONDS as POSTGRES_STOP_SECONDS
from youai_stack.postgres import STOP_SIGNAL as POSTGRES_STOP_SIGNAL
from youai_stack.postgres import Postgres
from youai_stack.services import SERVICES, Service
from youai_stack.tokens import private_key_file, public_key_file

if TYPE_CHECKING:
    from youai_stack.containers import Containers

MIGRATION_TRIES = 3
NOT_FOR_SERVICES = ("YOUAI_POSTGRES", "YOUAI_ROOT", "YOUAI_HOME", "YOUAI_CACHE", "YOUAI_DOWNLOAD_SECONDS")


@dataclass
class Stores:
    """Where Kafka and PostgreSQL are, and whether they are ours to start."""

    bootstrap: str
    admin_dsn: str
    own_kafka: bool
    own_postgres: bool
    containers: "Containers | None" = None

    @classmethod
    def choose(cls, home: Home, stack: str) -> "Stores":
        """The environment's where it names one, else containers or the embedded ones."""
        named_kafka, named_postgres = os.environ.get("YOUAI_KAFKA"), os.environ.get("YOUAI_POSTGRES")
        containers = None
        if stack == "containers" and not (named_kafka and named_postgres):
            from youai_stack import containers as engine

            containers = engine.Containers(home, with_kafka=not named_kafka, with_postgres=not named_postgres)
        embedded = containers is None
        stored_dsn = containers.admin_dsn if containers else _dsn(home)
        stored_bootstrap = f"{HOST}:{home.ports('kafka')['kafka']}"
        return cls(
            bootstrap=named_kafka or stored_bootstrap,
            admin_dsn=named_postgres or stored_dsn,
            own_kafka=embedded and not named_kafka,
            own_postgres=embedded and not named_postgres,
            containers=containers,
        )


def _dsn(home: Home) -> str:
    return f"postgresql://postgres:{home.secret('postgres')}@{HOST}:{home.ports('postgres')['postgres']}/postgres"


async def embedded_kafka(home: Home) -> Spec:
    """The broker, its data folder made where there is none yet. Raises StackError."""
    libs = jars.cached()
    if libs is None:
        raise StackError("Kafka's jars are not downloaded yet: start the stack with `youai up`.")
    kafka = Kafka(home, libs)
    kafka.prepare()
    log = home.log("kafka")
    if not kafka.is_formatted:
        code = await run_once(kafka.format_argv(), log=log, env=kafka.environment(), cwd=kafka.folder)
        if code != 0:
            raise StackError(f"Kafka's data folder could not be made (exit code {code}): see {log}.")
        kafka.formatted()
    return Spec(
        name="kafka",
        service="kafka",
        role="store",
        argv=kafka.server_argv(),
        env=kafka.environment(),
        cwd=kafka.folder,
        log=log,
        ask=lambda: probes.kafka(kafka.bootstrap),
        port=kafka.port,
        stop_seconds=KAFKA_STOP_SECONDS,
        watched=False,
    )


async def embedded_postgres(home: Home) -> Spec:
    """The database server, its data folder made where there is none yet. Raises StackError."""
    postgres = Postgres(home)
    postgres.prepare()
    log = home.log("postgres")
    enter = postgres.identity.enter
    if not postgres.is_initialized:
        env = postgres.environment()
        code = await run_once(postgres.init_argv(), log=log, env=env, cwd=home.postgres, enter=enter)
        if code != 0:
            said = processes.tail(log, 1)
            raise StackError(f"PostgreSQL's data could not be made ({said[0] if said else code}): see {log}.")
        postgres.initialized()
    return Spec(
        name="postgres",
        service="postgres",
        role="store",
        argv=postgres.server_argv(),
        env=postgres.environment(),
        cwd=home.postgres,
        log=log,
        ask=lambda: probes.postgres(postgres.dsn),
        port=postgres.port,
        stop_signal=POSTGRES_STOP_SIGNAL,
        stop_seconds=POSTGRES_STOP_SECONDS,
        watched=False,
        enter=enter,
        before=postgres.before_start,
    )


@dataclass
class ServiceParts:
    """What a service's processes are started with."""

    home: Home
    stores: Stores
    dsns: dict[str, str] = field(default_factory=dict)

    def environment(self, service: Service, instance: str, port: int | None) -> dict[str, str]:
        """The environment of one process: ours, less what is not a service's business, plus its settings."""
        kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_SERVICES}
        settings = {
            "YOUAI_KAFKA": self.stores.bootstrap,
            "YOUAI_DATABASE": self.dsns[service.name],
            "YOUAI_HTTP_HOST": HOST,
            "YOUAI_INSTANCE": instance,
            "YOUAI_DEV_PUBLIC_KEY_FILE": str(public_key_file(self.home.keys)),
            "PYTHONUNBUFFERED": "1",
        }
        if port is not None:
            settings["YOUAI_HTTP_PORT"] = str(port)
        if service.name == "portal":
            settings |= self._for_portal()
        if os.environ.get("YOUAI_OIDC_ISSUER"):
            settings.pop("YOUAI_DEV_PUBLIC_KEY_FILE")
            settings.pop("YOUAI_DEV_PRIVATE_KEY_FILE", None)
        return kept | settings

    def _for_portal(self) -> dict[str, str]:
        """Where the other services are, and the key by which its development sign-in signs: it alone is given that."""
        names = [service.name for service in SERVICES if service.name != "portal" and service.name in self.dsns]
        ports = self.home.ports(*(f"{name}-api" for name in names))
        urls = {f"YOUAI_{name.upper()}_URL": f"http://{HOST}:{ports[f'{name}-api']}" for name in names}
        return urls | {"YOUAI_DEV_PRIVATE_KEY_FILE": str(private_key_file(self.home.keys))}

    def argv(self, service: Service, command: str) -> list[str]:
        return [sys.executable, "-P", "-m", service.module, command]

    def api(self, service: Service) -> Spec:
        return self._process(service, "api", f"{service.name}-api")

    def worker(self, service: Service, number: int) -> Spec:
        """A worker; its port is nobody's address, so one that is taken is changed."""
        name = f"{service.name}-worker-{number}"
        if not is_free(self.home.ports(name)[name]):
            self.home.forget_ports(name)
        return self._process(service, "worker", name)

    def _process(self, service: Service, role: str, name: str) -> Spec:
        port = self.home.ports(name)[name]
        yields = service.yields and role == "worker"
        env = self.environment(service, name, port) | ({"YOUAI_GIVES_WAY": "true"} if yields else {})
        return Spec(
            name=name,
            service=service.name,
            role=role,
            argv=self.argv(service, role),
            env=env,
            cwd=self.home.run,
            log=self.home.log(name),
            ask=lambda: probes.http(port),
            port=port,
            stop_signal=signal.SIGTERM,
            enter=_give_way if yields else None,
        )


def _give_way() -> None:
    """Take the processor that others leave."""
    os.nice(10)


async def migrate(parts: ServiceParts, service: Service) -> None:
    """Run the service's migrations; again where they fail. Raises StackError with the last thing they said."""
    name = f"{service.name}-migrate"
    log = parts.home.log(name)
    for _ in range(MIGRATION_TRIES):
        code = await run_once(
            parts.argv(service, "migrate"),
            log=log,
            env=parts.environment(service, name, None),
            cwd=parts.home.run,
        )
        if code == 0:
            return
    raise StackError(f"The migrations of {service.name} failed ({processes.complaint(log)}): see {log}.")
