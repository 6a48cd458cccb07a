"""The client as a process of its own: `python -m youai_bench.systems.redis_lua.client`, told by BENCH_* variables.

It sends what was encoded before the go, so that the clock sees the server, the wire and the reading of answers, and
nothing of Python's way of making commands.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from youai_bench.gate import wait_for_go

OUTCOMES = {b"confirmed": "confirmed", b"waitlisted": "waitlisted", b"rejected": "rejected"}


def command(*words: bytes) -> bytes:
    """A command as it goes over the wire (RESP)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Line(asyncio.Protocol):
    """A connection that sends one pipeline after the other, each when the last is answered."""

    def __init__(self, pipelines: Sequence[tuple[bytes, int]], answers: list[bytes]) -> None:
        self._pipelines = iter(pipelines)
        self._answers = answers
        self._left = 0
        self._rest = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def itself(self) -> "Line":
        """What a connection asks for as its protocol."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one but is not derived from it

    def go(self) -> None:
        """Send the next pipeline, if there is one."""
        following = next(self._pipelines, None)
        if following is None:
            self.done.set_result(None)
            return
        self._left = following[1]
        self._transport.write(following[0])

    def data_received(self, data: bytes) -> None:
        # Every answer is a bulk string: a line with its length, a line with its bytes.
        *words, self._rest = (self._rest + data).split(b"\r\n")
        if len(words) % 2:
            self._rest = words.pop() + b"\r\n" + self._rest
        if data[:1] == b"-" or b"\n-" in data:
            self.done.set_exception(RuntimeError(data[data.index(b"-") :][:200].decode(errors="replace")))
            return
        self._answers += words[1::2]
        self._left -= len(words) // 2
        if not self._left:
            self.go()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server closed the connection"))


async def run(port: int, lines: Sequence[Sequence[tuple[bytes, int]]]) -> tuple[float, list[list[bytes]]]:
    """Send all lines side by side after the go; the seconds to the last answer, and the answers by line."""
    answers: list[list[bytes]] = [[] for _ in lines]
    loop = asyncio.get_running_loop()
    made = [Line(line, own) for line, own in zip(lines, answers, strict=True)]
    for one in made:
        await loop.create_connection(one.itself, "127.0.0.1", port)
    await wait_for_go()
    begun = time.perf_counter()
    for one in made:
        one.go()
    await asyncio.gather(*(one.done for one in made))
    return time.perf_counter() - begun, answers


def main() -> None:
    """Read the commands, send them, and write the seconds and every answer beside them."""
    folder = Path(os.environ["BENCH_FOLDER"])
    size = int(os.environ["BENCH_PIPELINE"])
    lines = []
    for name in sorted(folder.glob("line-*.bin")):
        commands = name.read_bytes().split(b"\0")
        lines.append([(b"".join(some := commands[i : i + size]), len(some)) for i in range(0, len(commands), size)])
    seconds, answers = uvloop.run(run(int(os.environ["BENCH_PORT"]), lines))
    told = {"seconds": seconds, "answers": [[OUTCOMES[one] for one in line] for line in answers]}
    (folder / "answers.json").write_text(json.dumps(told), encoding="ascii")


if __name__ == "__main__":
    main()
