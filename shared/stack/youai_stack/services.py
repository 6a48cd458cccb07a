"""Which services there are, how many workers each starts with, and which of them are installed here."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from youai_stack.errors import StackError

MAX_WORKERS = 32
"""Most workers of a service on one machine."""


@dataclass(frozen=True)
class Service:
    """A service: its name (module `youai_{name}`, database, role) and its number of workers at a first `up`.

    `yields` are the workers that let others of this machine go first: in a rush what is told of bookings may wait some
    seconds, and what is asked may not.
    """

    name: str
    workers: int = 1
    yields: bool = False

    @property
    def module(self) -> str:
        return f"youai_{self.name}"


SERVICES: tuple[Service, ...] = (
    Service("catalog", workers=1),
    Service("matching", workers=2),
    Service("demand", workers=1),
    Service("notify", workers=1, yields=True),
    Service("portal", workers=1, yields=True),
)


def installed(names: Iterable[str] | None = None) -> tuple[Service, ...]:
    """The services to run: those of SERVICES that are installed, or exactly `names`.

    Raises StackError where a name was given whose package is not there.
    """
    known = {service.name: service for service in SERVICES}
    if names is None:
        return tuple(service for service in SERVICES if _runs(service))
    chosen = tuple(known.get(name, Service(name)) for name in names)
    for service in chosen:
        if not _runs(service):
            raise StackError(f"There is no service `{service.name}` here: {service.module} is not installed.")
    return chosen


def _runs(service: Service) -> bool:
    """Whether the service's package has an entry point: an empty folder of that name does not count."""
    return find_spec(service.module) is not None and find_spec(f"{service.module}.__main__") is not None
