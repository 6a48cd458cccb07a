"""What both workers do with a batch: they write each request's decision once; and where the fault of a run strikes."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from youai_runtime.database import Connection

TABLE = """
    CREATE TABLE decided (
        number bigint GENERATED ALWAYS AS IDENTITY, request_id text NOT NULL, pid integer NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp())
    """
"""One row a decision. Nothing here would hide a second one: a place that is given twice is given twice."""


class Trap:
    """Strikes whoever first has a certain request in its batch, once in a run; `file` lies there until then."""

    def __init__(self, file: Path, request_id: str) -> None:
        self._file = file
        self._request_id = request_id

    def _springs(self, request_ids: Sequence[str]) -> bool:
        if self._request_id not in request_ids:
            return False
        try:
            self._file.unlink()
        except FileNotFoundError:
            return False
        return True

    def freeze(self, request_ids: Sequence[str]) -> None:
        """Stop this process with the batch in hand and nothing written, until somebody continues it."""
        if self._springs(request_ids):
            os.kill(os.getpid(), signal.SIGSTOP)

    def fail(self, request_ids: Sequence[str]) -> None:
        """Raise what a mistake in the body would raise."""
        if self._springs(request_ids):
            raise ZeroDivisionError("a mistake in the body")


async def decide(connection: Connection, request_ids: Sequence[str], trap: Trap | None) -> None:
    """Write the decisions of a batch, in the transaction at hand; `trap` strikes when half of them are written."""
    half = len(request_ids) // 2
    await _write(connection, request_ids[:half])
    if trap is not None:
        trap.fail(request_ids)
    await _write(connection, request_ids[half:])


async def _write(connection: Connection, request_ids: Sequence[str]) -> None:
    await connection.execute(
        "INSERT INTO decided (request_id, pid) SELECT id, $2 FROM unnest($1::text[]) AS id",
        list(request_ids),
        os.getpid(),
    )
