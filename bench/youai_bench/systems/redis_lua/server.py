"""Redis's server: from the system's packages into the cache, without installing anything; else the one on the PATH."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from youai_stack import files, jars
from youai_stack.errors import StackError

_PACKAGES = ("redis-server", "redis-tools")
_MISSING = re.compile(r"^\s*(\S+)\.so\.(\S+) => not found", re.MULTILINE)
_PATIENCE_S = 120.0
_OLDEST = 7


@dataclass(frozen=True)
class Server:
    """The program, its version, and what its environment needs."""

    program: Path
    version: str
    environment: dict[str, str] = field(default_factory=dict)


def ensure() -> Server:
    """The server; fetched at the first call. Blocks; raises StackError where there is none to be had."""
    try:
        return _look(_fetched(jars.cache_folder() / "redis"))
    except (StackError, OSError, subprocess.SubprocessError) as error:
        found = shutil.which("redis-server")
        if found is None:
            raise StackError(
                "Redis is needed: its package could not be fetched with apt-get"
                f" ({str(error).splitlines()[0]}), and there is no redis-server on the PATH."
            ) from error
    return _look(Server(Path(found), ""))


def _look(server: Server) -> Server:
    said = _run([str(server.program), "--version"], environment=server.environment)
    version = re.search(r"v=(\d+)[.\d]*", said)
    if version is None or int(version[1]) < _OLDEST:
        raise StackError(f"{server.program} is not Redis {_OLDEST} or newer: {said.strip()}")
    return Server(server.program, version[0].removeprefix("v="), server.environment)


def _fetched(place: Path) -> Server:
    """The unpacked server in the cache."""
    place.mkdir(parents=True, exist_ok=True)
    root = place / "root"
    with files.locked(place / "fetch.lock"):
        if not root.is_dir():
            shutil.rmtree(place / "new", ignore_errors=True)
            _fetch(place, place / "new")
            os.replace(place / "new", root)
    return _at(root)


def _at(root: Path) -> Server:
    libraries = sorted({str(library.parent) for library in root.glob("usr/lib/**/*.so.*")})
    environment = {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
    return Server(root / "usr" / "bin" / "redis-server", "", environment)


def _fetch(place: Path, root: Path) -> None:
    """Download and unpack the server's packages, then those of the libraries that the machine lacks."""
    _unpack(place, root, _PACKAGES)
    # Its program is a link to that of the other package.
    lacking = _MISSING.findall(_run(["ldd", str(_at(root).program)]))
    if lacking:
        # A library's package is named after its file: libname.so.2 is libname2, libname4.so.2 is libname4-2.
        _unpack(
            place, root, [f"{name}-{number}" if name[-1].isdigit() else f"{name}{number}" for name, number in lacking]
        )


def _unpack(place: Path, root: Path, packages: Sequence[str]) -> None:
    downloads = place / "downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    try:
        _run(["apt-get", "download", *packages], folder=downloads)
    except StackError:
        # The machine's own lists may be old or missing; ours are beside the cache, and its own stay as they are.
        own = [f"-o=Dir::State::Lists={place / 'lists'}", f"-o=Dir::Cache={place / 'apt'}"]
        for folder in (place / "lists" / "partial", place / "apt" / "archives" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", *own, "update"])
        _run(["apt-get", *own, "download", *packages], folder=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)])
    shutil.rmtree(downloads)


def _run(argv: list[str], *, folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C.UTF-8"} | (environment or {}),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise StackError(f"there is no {argv[0]}") from error
    if done.returncode:
        raise StackError((done.stderr.strip() or f"{argv[0]} failed").splitlines()[-1])
    return done.stdout
