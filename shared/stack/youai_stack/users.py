"""Who a process runs as: PostgreSQL refuses to be root, so as root it is started as somebody else."""

import ctypes
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)
_NOBODY = 65534


@dataclass(frozen=True)
class Identity:
    """How a child becomes who it is to be.

    `plain`: it stays who we are. `namespace`: root in a user namespace of its own, where it bears the id 65534: its
    files stay root's. `nobody`: it becomes the user nobody for good.
    """

    kind: Literal["plain", "namespace", "nobody"]
    uid: int = 0
    gid: int = 0

    @property
    def enter(self) -> Callable[[], None] | None:
        """What the child calls before exec; None where nothing is to be done. Raises OSError where it is refused."""
        return {"plain": None, "namespace": _enter_namespace, "nobody": self._become}[self.kind]

    def _become(self) -> None:
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    def own(self, path: Path) -> None:
        """Give the path to whoever the child will be (only `nobody` has files of its own)."""
        if self.kind == "nobody":
            os.chown(path, self.uid, self.gid)

    def can(self, *wishes: tuple[Path, int]) -> bool:
        """Whether the child may do all that (path and mode of os.access), tried in a child of its own."""
        pid = os.fork()
        if pid == 0:
            try:
                if self.enter is not None:
                    self.enter()
                os._exit(0 if all(os.access(path, mode) for path, mode in wishes) else 1)
            except BaseException:
                os._exit(2)
        return os.waitpid(pid, 0)[1] == 0


PLAIN = Identity("plain")
NAMESPACE = Identity("namespace")


def nobody() -> Identity:
    """The user nobody of this machine."""
    try:
        entry = pwd.getpwnam("nobody")
        return Identity("nobody", entry.pw_uid, entry.pw_gid)
    except KeyError:
        return Identity("nobody", _NOBODY, _NOBODY)


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_NOBODY} {uid} 1")
    _write("/proc/self/gid_map", f"{_NOBODY} {gid} 1")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
