"""What a connection may cost: a client that sends or reads too slowly, or a head without an end, loses it."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from youai_runtime import logs, problems
from youai_runtime.problems import Problem

log = logs.get(__name__)

MOST_CONNECTIONS = 5_000
"""Connections of one process at a time; who comes beyond them is told 503 and leaves."""
MOST_AROUND = 64 * 1024
"""Bytes of a request that are not its body: the head, what separates the pieces of a body, and what follows it."""
_A_PIECE = 16
"""Bytes around a piece of a body that count for nothing: its length, and the two ends of line."""


class Patience:
    """How long a connection may take, in seconds: for a request's head, for all of it, and for reading answers."""

    def __init__(self, head_s: float = 15.0, whole_s: float = 60.0, reading_s: float = 30.0) -> None:
        self.head_s = head_s
        self.whole_s = whole_s
        self.reading_s = reading_s


class _Nowhere(list[tuple[bytes, bytes]]):
    """What stands after a body is no header, though the parser says so: it would come after all checks."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Forget it."""


class Connection(HttpToolsProtocol):
    """One client's connection, with what the watch looks at. Times are the loop's; None where nothing is waited for."""

    idle_since: float | None = None
    head_since: float | None = None
    request_since: float | None = None
    unread_since: float | None = None
    closing_since: float | None = None
    _around = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it where there are too many."""
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(problems.unavailable(5))

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is refused already."""
        if self.transport.is_closing():
            return
        self._around += len(data)
        super().data_received(data)
        if self.request_since is None:
            if self.timeout_keep_alive_task is None and self.cycle is not None and self.cycle.response_complete:
                self.idle_since = self.idle_since or self.loop.time()  # an end of line and no more
        elif self._around > MOST_AROUND:
            self.refuse(
                Problem(
                    431,
                    "head-too-large",
                    f"请求头超过 {MOST_AROUND} 字节。",
                    f"The request's head is larger than {MOST_AROUND} bytes.",
                )
            )

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.idle_since = None
        self.head_since = self.request_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Its head is there; what would be added to it later is not."""
        super().on_headers_complete()
        self.head_since = None
        self._around = 0
        self.headers = _Nowhere()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._around -= len(body) + _A_PIECE
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is there whole."""
        self.request_since = None
        self._around = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self.unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.refuse(Problem(400, "malformed", "这不是有效的 HTTP 请求。", msg))

    def refuse(self, problem: Problem) -> None:
        """Close, with an answer unless one is on its way; whoever serves the request sees a client that has gone."""
        if self._may_answer() and not self.transport.is_closing():
            answer = problems.response(problem, "", getattr(self, "url", b"").decode("ascii", "replace")[:200])
            head = [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
            line = STATUS_LINE[problem.status]
            self.transport.write(b"".join((line, *head, b"connection: close\r\n\r\n", bytes(answer.body))))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.request_since = self.head_since = None
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether an answer that is written now would be taken for that of the request at hand, and of no other."""
        if self.pipeline:
            return False
        if self.request_since is not None and self.head_since is None:
            return not self.cycle.response_started
        return self.cycle is None or self.cycle.response_complete

    def look(self, now: float, patience: Patience) -> None:
        """Close if the client takes too long."""
        if self.transport.is_closing():
            self.closing_since = self.closing_since or now
            if now - self.closing_since > patience.reading_s:
                self.transport.abort()
        elif _over(self.unread_since, now, patience.reading_s):
            self.transport.abort()
        elif _over(self.idle_since, now, patience.head_s):
            self.transport.close()
        elif not self.pipeline and (  # what is behind another request waits for that, and not for its client
            _over(self.head_since, now, patience.head_s) or _over(self.request_since, now, patience.whole_s)
        ):
            self.refuse(Problem(408, "too-slow", "请求发送得太慢。", "The request came too slowly."))


def _over(since: float | None, now: float, most_s: float) -> bool:
    return since is not None and now - since > most_s


class Server(uvicorn.Server):
    """A server that looks at its connections once a second."""

    def __init__(self, config: uvicorn.Config, patience: Patience | None = None) -> None:
        super().__init__(config)
        self._patience = patience or Patience()

    async def on_tick(self, counter: int) -> bool:
        """The server's own heartbeat, ten a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            connections: list[Any] = list(self.server_state.connections)
            for connection in connections:
                connection.look(now, self._patience)
        return await super().on_tick(counter)
