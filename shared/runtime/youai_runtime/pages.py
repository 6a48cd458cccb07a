"""Lists in parts: each part names where the next one goes on, by what the list is sorted by."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from youai_runtime.problems import Problem


class Page(BaseModel):
    """Which part of a list: `cursor` as the part before gave it."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=1_000)
    limit: int = Field(default=50, ge=1, le=500)


def part(
    rows: Sequence[dict[str, Any]], page: Page, cursor_of: str, position: Sequence[str]
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """A part of a list, of which one row more than asked for was read, and the cursor of the next part (or None).

    `position` names the fields (strings) that the list is sorted by.
    """
    if len(rows) <= page.limit:
        return rows, None
    shown = rows[: page.limit]
    here = json.dumps([cursor_of, *(shown[-1][name] for name in position)], ensure_ascii=False)
    return shown, base64.urlsafe_b64encode(here.encode()).decode().rstrip("=")


def after(page: Page, cursor_of: str, parts: int) -> Any:
    """Where the part before ended (a tuple of `parts` strings); None at the start. Raises 422 on any other cursor."""
    if page.cursor is None:
        return None
    try:
        raw = base64.b64decode(page.cursor + "=" * (-len(page.cursor) % 4), altchars="-_", validate=True)
        here = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise bad_cursor() from None
    if not isinstance(here, list) or not all(isinstance(one, str) and _storable(one) for one in here):
        raise bad_cursor()
    if len(here) != parts + 1 or here[0] != cursor_of:
        raise bad_cursor()
    return tuple(here[1:])


def bad_cursor() -> Problem:
    """The cursor is none that the list gave."""
    return Problem(
        422, "invalid", "游标无效，请从头开始。", "The cursor is none that this list gave: start from the beginning."
    )


def _storable(text: str) -> bool:
    """Whether a database could compare it: no NUL, no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
