"""How calls answer: JSON as it was encoded once, and lists in parts."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from fastapi import Request, Response
from youai_runtime import pages, problems
from youai_runtime.pages import Page
from youai_runtime.problems import Problem

from youai_catalog import sheets
from youai_catalog.domain import RowFault

MOST_FAULTS = 100
"""Rows' faults that an answer tells of; it counts them all."""

FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            sheets.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""How /openapi.json describes a call that takes a file."""

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


def is_excel(request: Request) -> bool:
    """Whether the file that was sent is Excel's; else it is CSV. Raises 415 where it is neither."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in ("text/csv", sheets.MEDIA_TYPE):
        raise Problem(
            415,
            "not-csv",
            f"请以 text/csv 或 {sheets.MEDIA_TYPE} 发送文件。",
            f"Send the file as Content-Type: text/csv, or {sheets.MEDIA_TYPE}.",
        )
    return kind != "text/csv"


def refused(
    request: Request, faults: Sequence[RowFault], *, of_file: bool, label: Callable[[str, bool], str] | None = None
) -> Problem:
    """The problem of what was to be registered: 403 where something is not the caller's, else 422.

    `label` gives what people call a field, in English or not: faults then have it as their `column`.
    """
    outside = [fault for fault in faults if fault.fault.outside]
    told = outside or faults
    english = problems.wants_english(request.headers.get("accept-language", ""))
    errors: list[dict[str, Any]] = [
        {"field": one.field, "message": one.fault.en if english else one.fault.zh} for one in told[:MOST_FAULTS]
    ]
    extra: dict[str, Any] = {"errors": errors}
    if of_file:
        errors = [{"row": one.row} | error for one, error in zip(told, errors, strict=False)]
        extra = {"errors": errors, "total": len(told)}
    if label is not None:
        for error in errors:
            error["column"] = label(error["field"], english)
    first = told[0].fault
    if outside:
        return Problem(403, "forbidden", f"无权登记：{first.zh}。", f"Not yours to register: {first.en}.", extra=extra)
    if of_file:
        return Problem(
            422,
            "import-refused",
            f"文件有 {len(told)} 处错误，什么都没有导入。",
            f"The file has {len(told)} faults; nothing was imported.",
            extra=extra,
        )
    return Problem(422, "invalid", f"{told[0].field}：{first.zh}。", f"{told[0].field}: {first.en}.", extra=extra)
