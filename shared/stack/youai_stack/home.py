"""A home: the one folder that holds everything of a running stack, and what can be asked of it."""

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from youai_stack import files, jars, ports, processes
from youai_stack.errors import StackError

DOWN: dict[str, Any] = {"state": "down"}


def default_home() -> Path:
    """`YOUAI_HOME`, else `.youai` beside the launcher, else `.youai` here."""
    if named := os.environ.get("YOUAI_HOME"):
        return Path(named)
    return Path(os.environ.get("YOUAI_ROOT", ".")) / ".youai"


class Home:
    """The folder of one stack. Making the object touches nothing; `create` makes the folder."""

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(os.path.abspath(path if path is not None else default_home()))
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.keys = self.path / "keys"
        self.kafka = self.path / "kafka"
        self.postgres = self.path / "postgres"
        self.state_file = self.run / "state.json"
        self.desired_file = self.run / "desired.json"
        self.lock_file = self.run / "supervisor.lock"
        self.up_lock_file = self.run / "up.lock"
        self._marker = self.path / "home.json"
        self._ports = self.path / "ports.json"
        self._secrets = self.path / "secrets.json"

    def create(self) -> None:
        """Make the folders (0700). Raises StackError where the path is a file, foreign, or not writable."""
        try:
            if self.path.is_dir() and not self.exists() and any(self.path.iterdir()):
                raise StackError(f"{self.path} holds other things: choose an empty folder with --home.")
            for folder in (self.path, self.run, self.logs, self.keys, self.kafka, self.postgres):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.exists():
                files.write_json(self._marker, {"layout": 1})
        except OSError as error:
            raise StackError(
                f"The home {self.path} cannot be made: {error.strerror}. Choose another with --home."
            ) from error

    def exists(self) -> bool:
        """Whether a stack was ever started in this folder."""
        try:
            return self._marker.is_file()
        except OSError:
            return False

    def require(self) -> None:
        """Raises StackError where no stack was ever started here."""
        if not self.exists():
            raise StackError(f"There is no stack in {self.path} yet: run `youai up` first, or name its --home.")

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    # What is chosen once and kept

    def ports(self, *names: str) -> dict[str, int]:
        """The kept ports of these names; those that are not chosen yet are chosen now, none of them another home's."""
        kept: dict[str, int] = files.read_json(self._ports) or {}
        missing = [name for name in names if name not in kept]
        if missing:
            with _neighbours(self._ports) as theirs:
                kept |= ports.choose(missing, taken={*kept.values(), *theirs}, seed=f"{self.path}{len(kept)}")
                files.write_json(self._ports, kept)
        return {name: kept[name] for name in names}

    def forget_ports(self, *names: str) -> None:
        """Choose these (or all) ports anew when they are next asked for."""
        kept = files.read_json(self._ports) or {}
        files.write_json(self._ports, {n: port for n, port in kept.items() if names and n not in names})

    def secret(self, name: str) -> str:
        """The kept secret of that name; made at the first call: 32 random hex digits."""
        kept = files.read_json(self._secrets) or {}
        if name not in kept:
            kept[name] = secrets.token_hex(16)
            files.write_json(self._secrets, kept)
        return str(kept[name])

    def desired_workers(self) -> dict[str, int]:
        """The numbers of workers that `scale` asked for, by service."""
        workers = (files.read_json(self.desired_file) or {}).get("workers", {})
        return {str(name): int(number) for name, number in workers.items()}

    def desire_workers(self, service: str, number: int) -> None:
        files.write_json(self.desired_file, {"workers": self.desired_workers() | {service: number}})

    # What runs

    def state(self) -> dict[str, Any] | None:
        """What the supervisor last wrote, whether it still runs or not."""
        return files.read_json(self.state_file)

    def supervisor(self) -> tuple[int, int] | None:
        """Pid and start time of the running supervisor; None where none runs."""
        known = (self.state() or {}).get("supervisor")
        if known and processes.is_alive(known["pid"], known["started"]):
            return int(known["pid"]), int(known["started"])
        return None

    def is_running(self) -> bool:
        """Whether a supervisor holds this home (it may still be starting or stopping)."""
        if not self.lock_file.exists():
            return False
        descriptor = files.try_lock(self.lock_file, shared=True)
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def require_running(self) -> dict[str, Any]:
        """The state of the running stack. Raises StackError where none runs."""
        state = self.state()
        if state is None or self.supervisor() is None:
            raise StackError(f"No stack is running in {self.path}: start one with `youai up`.")
        return state

    def status(self) -> dict[str, Any]:
        """What runs, for people and programs: `{"state": "down"}`, or home, state, kafka, postgres, services."""
        state = self.state()
        if state is None or self.supervisor() is None:
            return dict(DOWN)
        by_name = {process["name"]: process for process in state["processes"]}
        services: dict[str, Any] = {}
        for name, service in state["services"].items():
            own = [_public(process) for process in state["processes"] if process["service"] == name]
            ready = bool(own) and all(process["state"] == "ready" for process in own)
            services[name] = {
                "url": service["url"],
                "state": "ready" if ready else "degraded",
                "processes": own,
            }
        return {
            "home": str(self.path),
            "state": state["phase"],
            "kafka": state["kafka"] | _store(by_name.get("kafka")),
            "postgres": state["postgres"] | _store(by_name.get("postgres")),
            "services": services,
        }

    def end_stale(self) -> None:
        """End what a former run left behind (only where no supervisor runs): services, then Kafka, then PostgreSQL."""
        state = self.state() or {}
        left = [p for p in state.get("processes", []) if processes.is_alive(p.get("pid"), p.get("started"))]
        left.sort(key=lambda process: {"kafka": 1, "postgres": 2}.get(process["name"], 0))
        for process in left:
            number = signal.SIGINT if process["name"] == "postgres" else signal.SIGTERM
            processes.end(process["pid"], process["started"], number, 10.0)

    def destroy(self) -> None:
        """Remove the folder with all data. Raises StackError where a stack runs in it or it is no home."""
        self.require()
        if self.is_running():
            raise StackError(f"A stack is running in {self.path}: `youai down` first.")
        self.end_stale()
        elsewhere = files.read_json(self.postgres / "place.json") or {}
        if outside := elsewhere.get("outside"):
            shutil.rmtree(outside, ignore_errors=True)
        shutil.rmtree(self.path)


@contextmanager
def _neighbours(own: Path) -> Iterator[set[int]]:
    """The ports that this user's other homes have kept. Inside the block no other home chooses, and `own` joins them.

    Raises StackError where the list of homes cannot be kept. A home that starts, or whose process is being restarted,
    listens on nothing yet: asking the kernel is not enough.
    """
    cache = jars.cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{cache} cannot be made ({error.strerror}): name another folder in YOUAI_CACHE.") from error
    with files.locked(cache / "ports.lock"):
        listed = (files.read_json(cache / "homes.json") or {}).get("ports", [])
        others = {place: kept for place in map(Path, listed) if place != own and (kept := files.read_json(place))}
        files.write_json(cache / "homes.json", {"ports": [str(own), *map(str, others)]})
        yield {port for kept in others.values() for port in kept.values()}


def _store(process: dict[str, Any] | None) -> dict[str, Any]:
    if process is None:
        return {"state": "external", "pid": None}
    return {"state": process["state"], "pid": process["pid"], "restarts": process["restarts"]}


def _public(process: dict[str, Any]) -> dict[str, Any]:
    return {key: process[key] for key in ("name", "role", "pid", "port", "url", "state", "restarts", "detail")}
