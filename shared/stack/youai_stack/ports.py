"""Ports of a home: chosen once from a range below the ephemeral one, probed to be free, then kept."""

import hashlib
import os
import socket
from collections.abc import Container, Iterable
from contextlib import closing
from pathlib import Path

from youai_stack.errors import StackError

FIRST, LAST = 20_000, 29_999
HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now (a port that only lingers in TIME_WAIT is free)."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], taken: Container[int], seed: str) -> dict[str, int]:
    """A free port for each name, none of them in `taken`.

    The search starts where the hash of `seed` says, so that two homes that start in the same second do not pick the
    same ports. Raises StackError where the whole range is in use.
    """
    span = LAST - FIRST + 1
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % span
    candidates = (FIRST + (start + step) % span for step in range(span))
    chosen: dict[str, int] = {}
    for name in names:
        port = next((port for port in candidates if port not in taken and is_free(port)), None)
        if port is None:
            raise StackError(f"No free port is left between {FIRST} and {LAST}: stop something and try again.")
        chosen[name] = port
    return chosen


def holder(port: int) -> str:
    """Who listens on the loopback port, in words: `postgres (pid 4711)`, or `another user's process`."""
    inodes = _listening_inodes(port)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if any(_link(entry) in inodes for entry in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (pid {folder.name})"
        except OSError:
            continue
    return "another user's process"


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:  # closed since it was listed
        return ""


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            listening = fields[3] == "0A"
            if listening and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def require_free(ports: dict[str, int]) -> None:
    """Raises StackError that names the first port of `ports` that somebody else holds, and the holder."""
    for name, port in ports.items():
        if not is_free(port):
            raise StackError(
                f"Port {port} ({name} of this home) is in use by {holder(port)}: stop that, or take other ports with"
                " `youai up --new-ports`."
            )
