"""Kafka's jars: resolved from Maven coordinates and downloaded once, then found in a cache that all homes share."""

import hashlib
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from youai_stack import files
from youai_stack.errors import StackError

COORDINATE = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
EXPECTED_BYTES = 44_000_000
"""About what the jars weigh: for the progress display alone."""

Report = Callable[[str, int], None]
"""Called with the file at hand and the bytes downloaded so far."""


def cache_folder() -> Path:
    """`YOUAI_CACHE`, else the user's cache folder, else `.youai-cache` beside the virtual environment."""
    if named := os.environ.get("YOUAI_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "youai"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return Path(sys.prefix).parent / ".youai-cache"


def _place(cache: Path, coordinate: str) -> Path:
    return cache / f"kafka-{hashlib.sha256(coordinate.encode()).hexdigest()[:12]}"


def cached(cache: Path | None = None, coordinate: str = COORDINATE) -> Path | None:
    """The folder that holds exactly the jars of the coordinate, or None where one of them is missing."""
    place = _place(cache or cache_folder(), coordinate)
    listed = files.read_json(place / "jars.json")
    if listed is None:
        return None
    jars = place / "libs"
    whole = all(_size(jars / name) == size for name, size in listed["jars"].items())
    return jars if whole else None


def ensure(report: Report | None = None, cache: Path | None = None, coordinate: str = COORDINATE) -> tuple[Path, float]:
    """The folder with the jars, and the seconds that downloads took (0.0 where they were there).

    Raises StackError where Maven Central does not answer. A download that was killed half-way is done again.
    """
    cache = cache or cache_folder()
    if found := cached(cache, coordinate):
        return found, 0.0
    begun = time.monotonic()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with files.locked(cache / "download.lock"):
            if found := cached(cache, coordinate):
                return found, time.monotonic() - begun
            return _download(_place(cache, coordinate), coordinate, report), time.monotonic() - begun
    except OSError as error:
        raise StackError(
            f"Kafka's jars could not be downloaded to {cache} ({_short(error)}): check the network and the disk,"
            " then run it again."
        ) from error


def _download(place: Path, coordinate: str, report: Report | None) -> Path:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext, PythonResolver

    shutil.rmtree(place, ignore_errors=True)
    # Its own Maven repository: jgo trusts any file it finds, so one that was cut short must not outlive this folder.
    work = place / "work"
    resolver = PythonResolver(progress_callback=_progress(report)) if report else PythonResolver()
    context = MavenContext(
        resolver=resolver,
        repo_cache=work / "repository",
        remote_repos={"central": MAVEN_CENTRAL_URL} | dict(GlobalSettings.load().repositories),
    )
    builder = EnvironmentBuilder(context=context, cache_dir=work / "jgo", link_strategy=LinkStrategy.AUTO)
    try:
        jars = [Path(jar) for jar in builder.from_endpoint(endpoint=coordinate, update=False).all_jars]
    except StackError:
        raise
    except Exception as error:  # jgo raises whatever its parts raise: to a person they all mean the same
        raise StackError(
            f"Kafka's jars could not be downloaded ({_short(error)}): check the network, then run it again."
        ) from error
    broken = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
    if broken or not jars:
        raise StackError(f"Kafka's jars arrived broken ({', '.join(broken) or 'none came'}): run it again.")
    libs = place / "libs"
    libs.mkdir()
    for jar in jars:
        shutil.copyfile(jar, libs / jar.name)  # a copy: jgo may have made a link into its repository
    files.write_json(
        place / "jars.json",
        {"coordinate": coordinate, "jars": {jar.name: _size(libs / jar.name) for jar in jars}},
    )
    shutil.rmtree(work, ignore_errors=True)
    return libs


def _progress(report: Report) -> Callable[[str, int], object]:
    done = 0

    @contextmanager
    def follow(name: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(count: int) -> None:
            nonlocal done
            done += count
            report(name, done)

        yield advance

    return follow


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def _short(error: BaseException) -> str:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return first if len(first) <= 160 else f"{first[:157]}..."
