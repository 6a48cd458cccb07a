"""HTTP/1.1 as a crowd's clients speak it: connections that stay open, one call at a time on each, little work a call.

On two cores clients share them with what they measure: a general client costs more a call than the door does.
"""

import asyncio
from collections import defaultdict, deque
from typing import NamedTuple, cast

import httptools

CONNECT_S = 10.0
ANSWER_S = 30.0
MOST_CONNECTIONS = 2_000

Address = tuple[str, int]
"""Host and port."""


class Answer(NamedTuple):
    """An answer; names of headers are in small letters."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Wire:
    """Sends calls as they are; of the connections the one that was used last is taken first."""

    def __init__(self) -> None:
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: dict[Address, list[_Connection]] = defaultdict(list)

    async def ask(self, address: Address, call: bytes) -> Answer:
        """Send a whole request, head and body, and return the answer.

        Raises OSError or TimeoutError where no whole answer came within ANSWER_S; whether the call did is not known.
        """
        if self._busy < MOST_CONNECTIONS:
            self._busy += 1
        else:
            await self._turn()
        try:
            connection = self._idle_one(address) or await _connect(address)
            answer = await connection.ask(call)
            if connection.is_open:
                self._idle[address].append(connection)
            return answer
        finally:
            self._pass_on()

    async def _turn(self) -> None:
        """Wait for the place of somebody who has their answer."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1

    def _idle_one(self, address: Address) -> "_Connection | None":
        idle = self._idle[address]
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    def close(self) -> None:
        """Close what is open; nothing may be on its way."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()


async def _connect(address: Address) -> "_Connection":
    async with asyncio.timeout(CONNECT_S):
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, *address)
    return connection


class _Connection(asyncio.Protocol):
    """One connection; after an answer that is not whole, or says so, it is closed."""

    def __init__(self) -> None:
        self.is_open = False
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    async def ask(self, call: bytes) -> Answer:
        """The answer to a call."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        late = loop.call_later(ANSWER_S, self._end, TimeoutError("no answer in time"))
        try:
            self._transport.write(call)
            return await self._answer
        except BaseException:
            self._end(ConnectionError("the call was given up"))
            raise
        finally:
            late.cancel()

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._transport.close()

    def _end(self, error: Exception) -> None:
        self.is_open = False
        self._transport.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(ConnectionError(f"that is no HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error if isinstance(error, OSError) else ConnectionResetError("closed before the answer was whole"))

    # What the parser calls

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, b"".join(self._body)))
