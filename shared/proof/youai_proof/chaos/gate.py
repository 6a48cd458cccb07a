"""A wall around one process, with two gates in it: all that it says to broker and database goes through here.

The process lives in a network namespace of its own, where the stores' own addresses are our listening sockets. So its
settings stay as they are, and what a network does to it can be done: hold back either direction, delay, cut, refuse,
take the link down, and cut in the very moment of a COMMIT. Needs root (a network namespace).
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from youai_stack.errors import StackError

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_libc = ctypes.CDLL(None, use_errno=True)
COMMIT = b"COMMIT;\x00"
"""How the end of a transaction looks on its way to PostgreSQL."""
CHUNK = 64 * 1024

Direction = Literal["up", "down"]
"""`up`: from the process to the store; `down`: back."""


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "the network namespace cannot be entered")


class Wall:
    """A network namespace in which the loopback is up. Raises StackError where we may not make one."""

    def __init__(self) -> None:
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if _libc.unshare(_CLONE_NEWNET) != 0:
            os.close(self._outside)
            raise StackError("needs root: a process is walled in by a network namespace of its own.")
        try:
            self._inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self._link(up=True)
        finally:
            _enter(self._outside)

    @property
    def enter(self) -> Callable[[], None]:
        """What a child calls before exec to live behind the wall."""
        inside = self._inside
        return lambda: _enter(inside)

    def listen(self, port: int) -> socket.socket:
        """A socket that listens on the loopback behind the wall."""
        _enter(self._inside)
        try:
            listening = socket.create_server(("127.0.0.1", port), backlog=128)
        finally:
            _enter(self._outside)
        listening.setblocking(False)
        return listening

    def link(self, *, up: bool) -> None:
        """Take the link up or down: while it is down, packets are lost."""
        _enter(self._inside)
        try:
            self._link(up=up)
        finally:
            _enter(self._outside)

    @staticmethod
    def _link(*, up: bool) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            asked = struct.pack("16sH14s", b"lo", 0, b"")
            flags = struct.unpack("16sH14s", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))[1]
            flags = flags | _IFF_UP if up else flags & ~_IFF_UP
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags, b""))

    def close(self) -> None:
        """Let the namespace go; it ends with the last process in it."""
        os.close(self._inside)
        os.close(self._outside)


@dataclass(eq=False)
class _Pair:
    """One connection: the process's side, and the store's."""

    inner: asyncio.StreamWriter
    outer: asyncio.StreamWriter
    swallow: bool = False

    def cut(self) -> None:
        """Reset both sides: what was not delivered is lost."""
        for writer in (self.inner, self.outer):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass
class Gate:
    """What passes between a process behind a wall and one store, and what is done to it on the way."""

    port: int
    delay_s: dict[Direction, float] = field(default_factory=lambda: {"up": 0.0, "down": 0.0})
    commits_to_cut: int = 0
    cut_before: bool = False
    """Whether a COMMIT is kept from the store (else it is let through, and its answer is lost)."""
    commits_cut: int = 0
    refuses: bool = False
    carried: int = 0
    _open: dict[Direction, asyncio.Event] = field(
        default_factory=lambda: {"up": asyncio.Event(), "down": asyncio.Event()}
    )
    _pairs: set[_Pair] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self, wall: Wall) -> None:
        """Listen behind the wall on the store's own port."""
        self.release()
        self._server = await asyncio.start_server(self._connected, sock=wall.listen(self.port))

    async def stop(self) -> None:
        """Cut everything and stop listening."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def hold(self, *directions: Direction) -> None:
        """Let nothing through in these directions; what is sent meanwhile arrives after `release`."""
        for direction in directions:
            self._open[direction].clear()

    def release(self) -> None:
        """Let everything through again, at once."""
        self.refuses = False
        for direction in self._open:
            self._open[direction].set()
            self.delay_s[direction] = 0.0

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            pair.cut()

    async def _connected(self, reader: asyncio.StreamReader, inner: asyncio.StreamWriter) -> None:
        try:
            if self.refuses:
                raise ConnectionRefusedError
            outer_reader, outer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            inner.transport.abort()
            return
        pair = _Pair(inner, outer)
        self._pairs.add(pair)
        pumps = [
            asyncio.create_task(self._pump(pair, "up", reader, outer)),
            asyncio.create_task(self._pump(pair, "down", outer_reader, inner)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pairs.discard(pair)
            for writer in (inner, outer):
                writer.close()

    async def _pump(
        self, pair: _Pair, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                self.carried += len(chunk)
                if self.delay_s[direction]:
                    await asyncio.sleep(self.delay_s[direction])
                await self._open[direction].wait()
                if direction == "down" and pair.swallow:
                    pair.cut()  # the store has answered the COMMIT: nobody will hear it
                    return
                if direction == "up" and self.commits_to_cut and COMMIT in chunk:
                    self.commits_to_cut -= 1
                    self.commits_cut += 1
                    if self.cut_before:
                        pair.cut()
                        return
                    pair.swallow = True
                writer.write(chunk)
                await writer.drain()
