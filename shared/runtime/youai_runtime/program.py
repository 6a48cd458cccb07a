"""What every service's program does alike: its command line, its settings, its logs, and what it opens and closes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from youai_runtime import database, garbage, logs, worker
from youai_runtime.database import Pool
from youai_runtime.settings import ServiceSettings
from youai_runtime.worker import Hosted

S = TypeVar("S", bound=ServiceSettings)
A = TypeVar("A")

COMMANDS = ("migrate", "api", "worker")


def run(
    service: str,
    settings_class: type[S],
    *,
    migrations: Path,
    access: Callable[[S], A],
    api: Callable[[S, A], Coroutine[Any, Any, None]],
    hosted: Callable[[S], Awaitable[Hosted]],
    more: Mapping[str, Callable[[S], None]] | None = None,
) -> None:
    """Run what the command line names: `migrate`, `api` (until SIGTERM) or `worker` (likewise), or one of `more`.

    `access` makes of the settings what says who may come in, before anything starts: ValueError or OSError mean that
    they are wrong. Exits with 2 and one sentence on stderr where no command is named or settings are missing or wrong,
    with 1 where the database was not migrated or a worker's loop died.
    """
    command, others = sys.argv[1] if len(sys.argv) == 2 else "", more or {}
    if command not in COMMANDS and command not in others:
        _refuse(f"usage: python -m youai_{service} {' | '.join((*COMMANDS, *others))}")
    try:
        settings = settings_class()  # type: ignore[call-arg]  # the environment has them
    except ValidationError as error:
        _refuse(f"{service} cannot start: these settings are missing or wrong: {_named(error)}")
    logs.configure(service, settings.instance, settings.log_level)
    if command in others:
        others[command](settings)
    elif command == "migrate":
        try:
            asyncio.run(database.migrate(settings.database, migrations))
        except (OSError, asyncpg.PostgresError) as error:
            sys.exit(f"{service}'s database was not migrated: {error}")
    elif command == "api":
        try:
            let_in = access(settings)
        except (ValueError, OSError) as error:
            _refuse(f"{service} cannot start: {error}")
        uvloop.run(api(settings, let_in))
    else:
        worker.run(service, settings, lambda: hosted(settings))


def serving(
    pool: Pool,
    *,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    closing: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """An app's lifespan: what runs `beside` it is cancelled when it ends, then `closing` is done, in order.

    The pool goes last, without waiting for anybody.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(start()) for start in beside]
        garbage.look_less_often()
        yield
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for close in closing:
            await close()
        pool.terminate()

    return lifespan


def _named(error: ValidationError) -> str:
    """The variables that are missing or wrong, and what is wrong between several."""
    faults = error.errors()
    names = {"YOUAI_" + "_".join(map(str, fault["loc"])).upper() for fault in faults if fault["loc"]}
    return ", ".join((*sorted(names), *(fault["msg"] for fault in faults if not fault["loc"])))


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(2)
