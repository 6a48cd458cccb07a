"""Lists in parts: a cursor goes on where the part ended, and any other cursor is refused."""

import base64
import json
from typing import Any

import pytest
from youai_runtime import pages
from youai_runtime.pages import Page
from youai_runtime.problems import Problem

ROWS: list[dict[str, Any]] = [{"at": f"2026-12-0{number}", "id": f"号{number}"} for number in range(1, 6)]


def test_parts_make_the_whole() -> None:
    found: list[dict[str, Any]] = []
    cursor, start = None, 0
    while True:
        page = Page(cursor=cursor, limit=2)
        position = pages.after(page, "rows", 2)
        if position is not None:
            start = ROWS.index({"at": position[0], "id": position[1]}) + 1
        shown, cursor = pages.part(ROWS[start : start + 3], page, "rows", ("at", "id"))
        found += shown
        if cursor is None:
            break
    assert found == ROWS


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%%%",
        "AAAA",
        "é",
        cursor_of("rows"),
        cursor_of(["others", "a", "b"]),
        cursor_of(["rows", "a"]),
        cursor_of(["rows", "a", 5]),
        cursor_of(["rows", "a", "\x00"]),
        cursor_of(["rows", "a", "\ud800"]),
        base64.urlsafe_b64encode(b"[" * 600).decode(),
    ],
    ids=ascii,
)
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        pages.after(Page(cursor=cursor), "rows", 2)
    assert caught.value.status == 422
