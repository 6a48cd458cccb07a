"""The file of offers with their sessions, empty, to be filled in: as Excel with how it is filled in, or as CSV."""

import csv
import io
from typing import Any

from youai_catalog.domain import CATEGORIES
from youai_catalog.offer_columns import COLUMNS, MODES, Column

ROWS_PREPARED = 500
_WIDTH = {"title": 28, "description": 28, "venue_name": 26, "category": 12}


def as_csv(english: bool) -> bytes:
    """The header alone, in UTF-8 with the mark by which Excel knows it."""
    into = io.StringIO()
    csv.writer(into).writerow([column.label(english) for column in COLUMNS])
    return into.getvalue().encode("utf-8-sig")


def as_excel(english: bool) -> bytes:
    """A workbook: the sheet to fill in, with choices where there are few, and one that says how."""
    # Here, for who never asks for one never waits for it.
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.styles import Font, PatternFill  # type: ignore[import-untyped]
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]
    from openpyxl.worksheet.datavalidation import DataValidation  # type: ignore[import-untyped]

    book = Workbook()
    sheet = book.active
    sheet.title = "Offers" if english else "项目和场次"
    sheet.append([column.label(english) for column in COLUMNS])
    sheet.freeze_panes = "B2"
    # In English the codes, for a list of choices is separated by commas.
    choices = {"category": sorted(CATEGORIES), "mode": list(MODES) if english else [zh for zh, _ in MODES.values()]}
    for number, column in enumerate(COLUMNS, 1):
        letter = get_column_letter(number)
        head = sheet.cell(1, number)
        head.font = Font(bold=True)
        head.fill = PatternFill("solid", fgColor="F3D9D3" if column.must else "E7ECEB")
        sheet.column_dimensions[letter].width = _WIDTH.get(column.name, 18)
        for row in range(2, ROWS_PREPARED + 2):
            sheet.cell(row, number).number_format = _format(column)
        if column.name in choices:
            rule = DataValidation("list", formula1='"' + ",".join(choices[column.name]) + '"', allow_blank=True)
            sheet.add_data_validation(rule)
            rule.add(f"{letter}2:{letter}{ROWS_PREPARED + 1}")
    _explain(book, english)
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


def _explain(book: Any, english: bool) -> None:
    from openpyxl.styles import Alignment, Font

    how = book.create_sheet("How to fill it in" if english else "填写说明")
    head = ("Column", "Must be filled in", "What belongs into it", "Example")
    how.append(head if english else ("列", "必填", "填什么", "例"))
    for column in COLUMNS:
        must = ("yes" if english else "是") if column.must else ""
        how.append(
            [column.label(english), must, column.says_en if english else column.says_zh, _example(column, english)]
        )
    lists = " · ".join(sorted(CATEGORIES))
    how.append(["Categories" if english else "类别", "", lists, ""])
    for letter, width in zip("ABCD", (20, 16, 70, 28), strict=True):
        how.column_dimensions[letter].width = width
    for row in how.iter_rows():
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=cell.row == 1)


def _format(column: Column) -> str:
    """Times as times; all else as text, so that a number such as 007 keeps its zeros."""
    if column.name.endswith("_at"):
        return "yyyy-mm-dd hh:mm"
    return "0" if column.name in ("capacity", "waitlist") else "@"


def _example(column: Column, english: bool) -> str:
    return column.example_en or column.example_zh if english else column.example_zh
