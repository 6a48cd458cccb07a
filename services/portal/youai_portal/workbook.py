"""The ledgers as an Excel workbook: the page's tables, one a sheet."""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.styles import Alignment, Font, PatternFill  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]

from youai_portal import words

_HEAD = PatternFill("solid", fgColor="DDE7E6")
_BALANCE = (
    ("demands", "需求（条）", "Demands"),
    ("undone", "未落实需求（条）", "Unmet demands"),
    ("residents", "未落实涉及居民（人）", "Residents in them"),
    ("unmet", "未满足点单（件）", "Unmet bookings"),
    ("unmet_places", "未满足名额", "Places wanted in them"),
    ("offers", "志愿项目（个）", "Offers"),
    ("sessions", "场次", "Sessions"),
    ("places", "名额", "Places"),
    ("taken", "已订名额", "Booked"),
    ("free", "还空名额", "Still free"),
    ("gap", "缺口（正数为缺）", "Gap (positive: lacking)"),
)


def make(found: dict[str, Any], lang: str, made: datetime) -> bytes:
    """The workbook of what the ledger's page reads."""
    book = Workbook()
    book.remove(book.active)
    for rows, zh, en in (
        (found["categories"], "按类别", "By category"),
        (found["towns"], "按镇（街道）", "By town"),
        (found["months"], "按月", "By month"),
    ):
        head = [_t(lang, zh, en), *(_t(lang, a, b) for _, a, b in _BALANCE), _t(lang, "预约率", "Booking rate")]
        lines = [
            [
                words.category(row["name"], lang) or _t(lang, "未注明", "not told"),
                *(row[name] for name, _, _ in _BALANCE),
                row["taken"] / row["places"] if row["places"] else None,
            ]
            for row in rows
        ]
        _sheet(book, _t(lang, zh, en), head, lines)
    head = [
        _t(lang, zh, en)
        for zh, en in (
            ("服务单位", "Provider"),
            ("志愿项目（个）", "Offers"),
            ("场次", "Sessions"),
            ("名额", "Places"),
            ("已订名额", "Booked"),
            ("预约率", "Booking rate"),
        )
    ]
    lines = [
        [
            row["provider_name"],
            row["offers"],
            row["sessions"],
            row["places"],
            row["taken"],
            row["taken"] / row["places"] if row["places"] else None,
        ]
        for row in found["providers"]
    ]
    _sheet(book, _t(lang, "按服务单位", "By provider"), head, lines)
    book.properties.title = _t(lang, "两本账", "Both ledgers")
    book.properties.creator = "youai"
    book.properties.created = made.replace(tzinfo=None)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet(book: Workbook, title: str, head: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    sheet = book.create_sheet(title.replace("/", "-")[:31])
    sheet.append(list(head))
    for line in lines:
        sheet.append([_safe(value) for value in line])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.fill = _HEAD
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    for row in sheet.iter_rows(min_row=2, min_col=len(head), max_col=len(head)):
        row[0].number_format = "0.0%"
    sheet.freeze_panes = "B2"
    sheet.column_dimensions["A"].width = 30
    for column in range(2, len(head) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = 14


def _safe(value: Any) -> Any:
    """A text as a text: one that begins like a formula must not be one."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _t(lang: str, zh: str, en: str) -> str:
    return en if lang == "en" else zh
