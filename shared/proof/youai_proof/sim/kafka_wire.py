"""The wire between aiokafka's real clients and the fake broker: a connection, and the hooks that let clients use it.

Everything above a connection is aiokafka's own: producers, batches, sequences, fetchers, buffers, group members. What
runs in a client's process runs in the context in which the connection was made; the broker runs in its own.
"""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiokafka.client
import aiokafka.consumer.fetcher
import aiokafka.consumer.group_coordinator
import aiokafka.consumer.subscription_state
import aiokafka.producer.message_accumulator
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.util import wait_for
from youai_runtime.kafka import closing_unless_answered

from youai_proof.sim.loop import PROCESS

_VERSIONS = dict.fromkeys(range(64), (0, 64))
"""The fake speaks the newest version of everything that aiokafka speaks, as a current broker does."""

_MOMENT_S = 1e-6


class Far(Protocol):
    """What a connection needs of the broker at its other end."""

    park_s: float

    def enter(self, connection: "Connection") -> Awaitable[None]: ...
    def take(self, connection: "Connection", request: Any, answer: "Answer") -> None: ...
    def delay(self) -> float: ...


class Answer:
    """What a client awaits, and whether the broker may still give it."""

    __slots__ = ("future", "request")

    def __init__(self, request: Any, future: "asyncio.Future[Any]") -> None:
        self.request = request
        self.future = future


class Connection:
    """What aiokafka has of a connection; answers come in the order of the requests, as on a socket."""

    def __init__(self, far: Far, host: str, port: int, settings: dict[str, Any], process: str) -> None:
        self.host = host
        self.port = port
        self.process = process
        self.client_id: str = settings["client_id"]
        self.timeout_s: float = settings["request_timeout_ms"] / 1000
        self.context = contextvars.copy_context()
        self.arrived: deque[Answer] = deque()
        self.parked: Any = None
        self.hasty = False
        """The client wants another fetch than the one that is on its way, or parked."""
        self.busy = False
        self.lost_there = False
        """What the client sends from now on is lost, and nothing says so."""
        self.lost_back = False
        """What the broker answers from now on is lost, and nothing says so."""
        self._far = far
        self._loop = asyncio.get_running_loop()
        self._on_close: Callable[[Any, Any], None] | None = settings.get("on_close")
        self._open = True
        self._awaited: dict[Answer, None] = {}
        self._there_at = self._back_at = 0.0

    def connected(self) -> bool:
        """True until it is closed."""
        return self._open

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        """Send; what is returned raises TimeoutError after the client's request timeout."""
        if not self._open:
            raise KafkaConnectionError(f"No connection to broker at {self.host}:{self.port}")
        answer = Answer(request.prepare(_VERSIONS), self._loop.create_future())
        self._awaited[answer] = None
        self._far.take(self, answer.request, answer)
        if not expect_response:
            return asyncio.sleep(0)
        return closing_unless_answered(self, wait_for(answer.future, self.timeout_s))

    def close(self, reason: Any = None, exc: BaseException | None = None) -> "asyncio.Future[None]":
        """Close at the client's end; who awaits an answer gets KafkaConnectionError. What was sent still arrives."""
        closed = self._loop.create_future()
        closed.set_result(None)
        if not self._open:
            return closed
        self._open = False
        for answer in self._awaited:
            if not answer.future.done():
                error = KafkaConnectionError(f"Connection at {self.host}:{self.port} closed")
                error.__cause__ = exc
                answer.future.set_exception(error)
        self._awaited.clear()
        if self._on_close is not None:
            told, self._on_close = self._on_close, None
            told(self, reason)
        return closed

    # The broker's end

    def there_at(self, delay_s: float) -> float:
        """When a request that is sent now arrives: not before those that were sent earlier."""
        self._there_at = max(self._there_at, self._loop.time() + delay_s)
        return self._there_at

    def deliver(self, answer: Answer, response: Any, delay_s: float) -> None:
        """Bring an answer to the client's process, which takes it when it runs."""
        if self.lost_back:
            return
        self._back_at = max(self._back_at, self._loop.time() + delay_s)
        self._loop.call_at(self._back_at, self._delivered, answer, response, context=self.context)

    def snap(self, delay_s: float) -> None:
        """The connection breaks; the client's process learns of it when it runs."""
        self.lost_there = self.lost_back = True
        at = max(self._back_at, self._loop.time() + delay_s)
        self._loop.call_at(at, self._snapped, context=self.context)

    def abandon(self) -> None:
        """The client's process is gone: none of its code runs any more."""
        self._open, self._on_close = False, None
        self.lost_back = True
        self._awaited.clear()

    def _delivered(self, answer: Answer, response: Any) -> None:
        if answer in self._awaited:
            del self._awaited[answer]
            if not answer.future.done():
                answer.future.set_result(response)

    def _snapped(self) -> None:
        self.close(CloseReason.CONNECTION_BROKEN, ConnectionResetError("connection reset by peer"))


class _LoopTime:
    """The module `time` for aiokafka's clients: what is monotonic is the running loop's time."""

    time = staticmethod(time.time)

    @staticmethod
    def monotonic() -> float:
        """The running loop's time; outside of a loop the machine's."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()


FARS: dict[str, Far] = {}
"""The fake brokers of this process by host."""
_installed = False


def install() -> None:
    """Let aiokafka's clients reach the hosts in FARS; clients of all other hosts go on as they did."""
    global _installed
    if _installed:
        return
    _installed = True
    clock = _LoopTime()
    for module in (
        aiokafka.client,
        aiokafka.consumer.fetcher,
        aiokafka.consumer.group_coordinator,
        aiokafka.consumer.subscription_state,
        aiokafka.producer.message_accumulator,
    ):
        module.time = clock
    aiokafka.client.create_conn = _connecting(aiokafka.client.create_conn)
    fetcher = aiokafka.consumer.fetcher.Fetcher
    fetcher.__init__ = _patient(fetcher.__init__)
    fetcher._notify = _hastening(fetcher._notify)
    fetcher.request_offset_reset = _in_order(fetcher.request_offset_reset)
    for waits in (aiokafka.consumer.fetcher.FetchResult, aiokafka.consumer.fetcher.FetchError):
        waits.calculate_backoff = _over(waits.calculate_backoff, 0)
    batch = aiokafka.producer.message_accumulator.MessageBatch
    batch.remaining_linger = _over(batch.remaining_linger, None)
    for client, name in ((AIOKafkaConsumer, "_client"), (AIOKafkaProducer, "client")):
        client.__del__ = _silent(client.__del__, name)


def _connecting(real: Any) -> Any:
    async def create_conn(host: str, port: int, **settings: Any) -> Any:
        far = FARS.get(host)
        if far is None:
            return await real(host, port, **settings)
        connection = Connection(far, host, port, settings, PROCESS.get().name)
        await far.enter(connection)
        return connection

    return create_conn


def _far_of(client: Any) -> Far | None:
    hosts = {str(server).partition(":")[0] for server in str(client._bootstrap_servers).split(",")}
    return next((FARS[host] for host in hosts if host in FARS), None)


def _patient(real: Any) -> Any:
    """A fetcher of a fake that parks looks around as seldom as its fetches end."""

    def init(self: Any, client: Any, *args: Any, **settings: Any) -> None:
        far = _far_of(client)
        if far is not None and far.park_s:
            settings["fetcher_timeout"] = far.park_s
        real(self, client, *args, **settings)

    return init


def _hastening(real: Any) -> Any:
    """Whatever makes a fetcher want another fetch ends the one that is parked, when the real one would have ended."""

    def notify(self: Any, future: Any) -> None:
        real(self, future)
        if future is not None and future is self._wait_consume_future:
            for connection in list(self._client._conns.values()):
                if isinstance(connection, Connection):
                    connection.hasty = True  # the fetch may be on its way still
                    if connection.parked is not None:
                        connection.parked.hasten()

    return notify


def _over(real: Any, nothing: Any) -> Any:
    """What is left to wait, unless it is less than a moment: where time is virtual it would never pass."""

    def left(self: Any) -> Any:
        seconds = real(self)
        return nothing if seconds is None or seconds < _MOMENT_S else seconds

    return left


def _in_order(real: Any) -> Any:
    def request_offset_reset(self: Any, tps: Any, strategy: Any) -> Any:
        return real(self, sorted(tps), strategy)  # of a set, in whatever order it was made

    return request_offset_reset


def _silent(real: Any, name: str) -> Any:
    """A client of a fake that was dropped in a crash of its process warns nobody."""

    def drop(self: Any, *args: Any) -> None:
        client = getattr(self, name, None)
        if client is None or not str(client._bootstrap_servers).startswith("kafka-fake"):
            real(self, *args)

    return drop
