"""The door, whole: `python -m youai_bench.latency.door_api`, settings as any API's, topics as in engine.py.

`BENCH_WAY=documented` takes the short way away, so that FastAPI and pydantic answer every call; nothing else differs.
"""

import os
import sys
from typing import Any

from youai_runtime.quick import QuickApp

from youai_bench import engine

WAY = "BENCH_WAY"


def main() -> None:
    """Serve until SIGTERM."""
    engine.rename_topics()
    if os.environ[WAY] == "documented":
        setattr(QuickApp, "quicken", _leave)  # noqa: B010 - a method that is taken away, not an attribute
    from youai_matching import __main__ as matching

    sys.argv = [sys.argv[0], "api"]
    matching.main()


def _leave(_app: QuickApp, _call: Any) -> None:
    """Give the call no short way."""


if __name__ == "__main__":
    main()
