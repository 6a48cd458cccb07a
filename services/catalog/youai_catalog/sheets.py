"""The file of organizations as an Excel workbook: the rows of its first sheet as texts, bounded before it is opened."""

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from youai_catalog.domain import Fault

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_PARTS = 500
"""Files inside a workbook's archive."""
MOST_UNPACKED = 48 * 1024 * 1024
"""Bytes of all of them, unpacked. An archive cannot hold more than it announces: reading stops there."""
MOST_ROWS = 50_000
"""Rows that say something."""
LAST_ROW, LAST_COLUMN = 1_048_576, 64
"""Where a sheet ends: Excel's own last row; columns beyond the last one here are nobody's."""


def rows(body: bytes) -> Iterator[tuple[int, list[str] | Fault]]:
    """The first sheet's rows with their numbers in Excel, blank ones left out; cells as texts.

    Empty cells at a row's end are cut down to the width of the first row. What is no workbook, or is too large, comes
    as a fault, and nothing after it.
    """
    fault = _archive_fault(body)
    if fault is not None:
        yield 1, fault
        return
    number, found, width = 1, 0, 0
    try:
        for number, cells in _cells(body):
            if not any(cells):
                continue
            found += 1
            if found > MOST_ROWS + 1:
                yield number, Fault(f"超过 {MOST_ROWS} 行", f"there are more than {MOST_ROWS} rows")
                return
            while len(cells) > width and not cells[-1]:
                cells.pop()
            width = width or len(cells)
            yield number, cells
    except Exception as error:  # a broken file makes the reader fail in any way
        why = type(error).__name__
        yield number, Fault(f"Excel 文件已损坏（{why}）", f"the Excel file is broken ({why})")


def _archive_fault(body: bytes) -> Fault | None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return Fault(
            "不是 Excel 工作簿（.xlsx），或有密码保护", "this is no Excel workbook (.xlsx), or it has a password"
        )
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        most = MOST_UNPACKED // 2**20
        return Fault(f"工作簿解压后超过 {most} MB", f"the workbook is larger than {most} MB when unpacked")
    if not any(part.filename == "[Content_Types].xml" for part in parts):
        return Fault("不是 Excel 工作簿（.xlsx）", "this is no Excel workbook (.xlsx)")
    return None


def _cells(body: bytes) -> Iterator[tuple[int, list[str]]]:
    # Here, for who never sends Excel never waits for it.
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    # A reader's remarks on styles and extensions that it leaves out are nobody's to mend.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\..*")
    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = book.worksheets[0]
        given = sheet.iter_rows(min_row=1, max_row=LAST_ROW, max_col=LAST_COLUMN, values_only=True)
        for number, cells in enumerate(given, start=1):
            yield number, [_text(cell) for cell in cells] if any(cell is not None for cell in cells) else []
    finally:
        book.close()


def _text(value: Any) -> str:
    """A cell as the text that its column would have in CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
