"""The file of organizations: its rows (CSV or Excel) as organizations, or what is wrong with each. Pure."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from youai_contracts.events import Category
from youai_runtime.fields import Wrong, id_wrong, text_wrong

from youai_catalog.domain import (
    CATEGORIES,
    PARENT_LEVELS,
    Fault,
    Kind,
    Level,
    Organization,
    Row,
    RowFault,
)

COLUMNS = ("organization_id", "parent_id", "kind", "level", "name", "town", "categories")


@dataclass
class Parsed:
    """What a file says: the rows that read well, the faults of the others, and the ids of those others."""

    rows: list[Row] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)


def parse(body: bytes) -> Parsed:
    """Read a CSV file.

    It is UTF-8 (a byte order mark is skipped), comma-separated, with a header of COLUMNS in any order; categories are
    separated by `;`. The header is row 1, the first organization row 2.
    """
    return parse_rows(rows(body))


def parse_rows(rows: Iterator[tuple[int, list[str] | Fault]]) -> Parsed:
    """Read rows of texts, each with its number; the first is the header. A fault in place of a row is the file's."""
    parsed = Parsed()
    number, header = next(rows, (1, []))
    if isinstance(header, Fault):
        parsed.faults.append(RowFault(number, "file", header))
        return parsed
    if sorted(header) != sorted(COLUMNS):
        named = ",".join(COLUMNS)
        parsed.faults.append(RowFault(number, "header", Fault(f"表头须为 {named}", f"the header must be {named}")))
        return parsed
    first: dict[str, int] = {}
    for number, cells in rows:
        if isinstance(cells, Fault):
            parsed.faults.append(RowFault(number, "file", cells))
        else:
            _read(parsed, number, header, cells, first)
    if not parsed.rows and not parsed.faults:
        parsed.faults.append(RowFault(1, "file", Fault("文件里没有单位", "the file has no organizations")))
    return parsed


def rows(body: bytes) -> Iterator[tuple[int, list[str] | Fault]]:
    """A file's rows with their numbers, blank ones left out; what is no CSV comes as a fault, and nothing after it."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = body.count(b"\n", 0, error.start) + 1
        yield where, Fault("文件不是 UTF-8 编码（请另存为 CSV UTF-8，或用 Excel 文件）", "the file is not UTF-8")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, Fault(f"不是有效的 CSV：{error}", f"this is no CSV: {error}")
            return
        if cells:
            yield number, cells


def _read(parsed: Parsed, number: int, header: Sequence[str], cells: Sequence[str], first: dict[str, int]) -> None:
    if len(cells) != len(header):
        fault = Fault(
            f"应有 {len(header)} 列，实有 {len(cells)} 列", f"{len(header)} cells are due, {len(cells)} are here"
        )
        parsed.faults.append(RowFault(number, "row", fault))
        parsed.unread.update(cells[:1])
        return
    row = dict(zip(header, cells, strict=True))
    faults = [RowFault(number, name, fault) for name, fault in _cell_faults(row)]
    one = row["organization_id"]
    if not faults and first.setdefault(one, number) != number:
        fault = Fault(f"与第 {first[one]} 行编号相同", f"row {first[one]} has the same id")
        faults.append(RowFault(number, "organization_id", fault))
    elif faults:
        parsed.unread.add(one)
    parsed.faults += faults
    if not faults:
        parsed.rows.append(Row(number, _organization(row)))


def _cell_faults(row: dict[str, str]) -> Iterator[tuple[str, Fault]]:
    found: list[tuple[str, Fault | None]] = [
        ("organization_id", _fault(id_wrong(row["organization_id"]))),
        ("parent_id", _fault(id_wrong(row["parent_id"])) if row["parent_id"] else None),
        ("name", _fault(text_wrong(row["name"]))),
        ("town", _fault(text_wrong(row["town"], empty=True))),
    ]
    for name, allowed in (("kind", ("venue", "provider")), ("level", tuple(PARENT_LEVELS))):
        if row[name] not in allowed:
            found.append((name, Fault(f"须为 {' / '.join(allowed)}", f"it is one of {', '.join(allowed)}")))
    for category in _categories(row):
        if category not in CATEGORIES:
            shown = category[:40]
            found.append(("categories", Fault(f"没有类别“{shown}”", f"there is no category {shown!r}")))
    return ((name, fault) for name, fault in found if fault is not None)


def _fault(wrong: Wrong | None) -> Fault | None:
    return None if wrong is None else Fault(wrong.zh, wrong.en)


def _categories(row: dict[str, str]) -> list[str]:
    return row["categories"].split(";") if row["categories"] else []


def _organization(row: dict[str, str]) -> Organization:
    return Organization(
        organization_id=row["organization_id"],
        parent_id=row["parent_id"] or None,
        kind=cast(Kind, row["kind"]),
        level=cast(Level, row["level"]),
        name=row["name"],
        town=row["town"],
        categories=tuple(cast(Category, category) for category in dict.fromkeys(_categories(row))),
    )
