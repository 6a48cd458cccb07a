"""How calls answer: JSON as it was encoded once, and lists in parts."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from fastapi import Response
from youai_runtime import pages
from youai_runtime.pages import Page

Holding = Callable[..., Callable[..., Any]]
"""Given roles, a dependency that lets who holds one of them through, and says who it is."""


def answer(content: bytes, status: int = 200) -> Response:
    """JSON that is encoded already."""
    return Response(content, status, media_type="application/json")


def as_json(value: Any) -> Response:
    """A view as the answer."""
    return answer(msgspec.json.encode(value))


def page(
    name: str,
    rows: Sequence[dict[str, Any]],
    asked: Page,
    cursor_of: str,
    position: Sequence[str],
    around: dict[str, Any] | None = None,
) -> Response:
    """A part of a list, of which one row more than asked for was read; `position` names what it is sorted by."""
    shown, following = pages.part(rows, asked, cursor_of, position)
    return as_json({**(around or {}), name: shown, "next_cursor": following})
