"""What every request gets, whichever way it goes: an id and a trace, a place among those served, a count and a line."""

import random
import re
from collections.abc import Mapping
from functools import cache
from types import TracebackType

from prometheus_client import Counter, Histogram

from youai_runtime import logs, metrics
from youai_runtime.returns import Returns

log = logs.get("youai_runtime.http")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_chance = random.Random()  # ids to find lines by, no secrets: the system's source costs ten times as much


class Room:
    """How many requests are served at a time. Beyond it the honest answer is 503, and when to come back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        self._returns = Returns()

    @property
    def is_full(self) -> bool:
        """True where another one would only wait in a queue that grows."""
        return self._in_flight >= self._most

    def when_free(self) -> int:
        """In how many seconds the one who is refused now shall come back."""
        return self._returns.seconds()

    def __enter__(self) -> None:
        self._in_flight += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight -= 1
        self._returns.answered()


def begin(headers: Mapping[bytes, bytes]) -> str:
    """Bind the request's id and trace, its own where they are sound, for its log lines; returns the id."""
    request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:64]
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = f"{_chance.getrandbits(64):016x}"
    traceparent = headers.get(b"traceparent", b"").decode("latin-1")
    if not _TRACEPARENT.match(traceparent):
        traceparent = f"00-{_chance.getrandbits(128):032x}-{_chance.getrandbits(64):016x}-01"
    logs.served.set({"request_id": request_id, "traceparent": traceparent})
    return request_id


def current_traceparent() -> str | None:
    """The trace context of the request at hand, to be handed on in events."""
    return (logs.served.get() or {}).get("traceparent")


def note(method: str, route: str, status: int, took_s: float, *, tell: bool, path: str | None = None) -> None:
    """Count an answer by its route, and write a line of it where `tell` says so."""
    named = method if method in _METHODS else "other"  # a label for each that is made up: no
    count, seconds = _counted(named, route, str(status))
    count.inc()
    seconds.observe(took_s)
    if tell:
        log.info("answered", method=method, path=path or route, status=status, ms=round(took_s * 1000, 1))


@cache
def _counted(method: str, route: str, status: str) -> tuple[Counter, Histogram]:
    """The metrics of one kind of answer: looking them up by their labels costs more than counting."""
    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_SECONDS.labels(method, route)
