"""Excel files of organizations: read as their CSV would be, and what is no workbook, broken or too large is told."""

import csv
import datetime
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import defusedxml  # type: ignore[import-untyped]
import openpyxl  # type: ignore[import-untyped]
import pytest
from youai_catalog import csv_rows, sheets

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:openpyxl")

CITY = Path(__file__).parents[3] / "shared/stack/youai_stack/demo/city/organizations.csv"
HEADER = list(csv_rows.COLUMNS)
CENTER = ["c", None, "venue", "center", "中心", None, None]


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("其他").append(["另一张表", "不读"])
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


def parse(body: bytes) -> csv_rows.Parsed:
    return csv_rows.parse_rows(sheets.rows(body))


def said(parsed: csv_rows.Parsed) -> list[tuple[int, str]]:
    return [(fault.row, fault.field) for fault in parsed.faults]


def repacked(body: bytes, **changed: bytes) -> bytes:
    """The workbook with some of its files' contents changed (`sheet1` for xl/worksheets/sheet1.xml)."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changed.get(Path(name).stem, old.read(name)))
    return into.getvalue()


def test_the_city_reads_as_its_csv_does() -> None:
    body = workbook(*csv.reader(io.StringIO(CITY.read_text())))
    assert parse(body) == csv_rows.parse(CITY.read_bytes())


def test_numbers_blank_rows_and_empty_ends() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([*HEADER, None])
    sheet.append(CENTER)
    for column, value in enumerate([100, "c", "venue", "institute", 3.0, datetime.date(2026, 12, 5)], start=1):
        sheet.cell(row=5, column=column, value=value)
    into = io.BytesIO()
    book.save(into)
    parsed = parse(into.getvalue())
    assert parsed.faults == []
    assert [row.number for row in parsed.rows] == [2, 5]
    one = parsed.rows[1].organization
    assert (one.organization_id, one.name, one.town[:10], one.categories) == ("100", "3", "2026-12-05", ())


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (["a", "c", "shop", "institute", "n", "t", None], ["kind"]),
        (["a b", "c", "venue", "institute", None, "t", "跳舞"], ["organization_id", "name", "categories"]),
        (["a", "c", "venue", "institute", "n", "t", None, "more"], ["row"]),
        (["c", None, "venue", "center", "again", None, None], ["organization_id"]),
        (["a", "c", "venue", "institute", True, "=1+1", None], []),
    ],
)
def test_faults_of_a_row(row: list[Any], fields: list[str]) -> None:
    assert said(parse(workbook(HEADER, CENTER, row))) == [(3, field) for field in fields]


def test_headers() -> None:
    assert said(parse(workbook(["单位", "上级"], CENTER))) == [(1, "header")]
    assert said(parse(workbook())) == [(1, "header")]
    assert said(parse(workbook(HEADER))) == [(1, "file")]


@pytest.mark.parametrize("body", [b"", b"organization_id,parent_id\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" * 100])
def test_what_is_no_workbook(body: bytes) -> None:
    parsed = parse(body)
    assert said(parsed) == [(1, "file")]
    assert "no Excel workbook" in parsed.faults[0].fault.en


def test_a_zip_of_something_else() -> None:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("word.txt", "x")
    assert "no Excel workbook" in parse(into.getvalue()).faults[0].fault.en


def test_a_zip_bomb_is_not_unpacked() -> None:
    body = repacked(workbook(HEADER, CENTER), sheet2=b"0" * (sheets.MOST_UNPACKED + 1))
    assert len(body) < 200_000
    assert "larger than 48 MB when unpacked" in parse(body).faults[0].fault.en


def test_an_archive_that_lies_about_its_size_is_not_unpacked_further() -> None:
    body = bytearray(repacked(workbook(HEADER, CENTER), sheet1=b"0" * (sheets.MOST_UNPACKED + 1)))
    announced = (sheets.MOST_UNPACKED + 1).to_bytes(4, "little")
    while (at := body.find(announced)) >= 0:
        body[at : at + 4] = (10).to_bytes(4, "little")
    assert "broken" in parse(bytes(body)).faults[0].fault.en


def test_entities_are_not_expanded() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'
    body = repacked(workbook(HEADER, CENTER), sheet1=bomb)
    assert "broken" in parse(body).faults[0].fault.en
    with pytest.raises(ValueError, match="invalid XML") as told:
        list(sheets._cells(body))
    assert isinstance(told.value.__cause__ or told.value.__context__, defusedxml.EntitiesForbidden)


def test_rows_that_are_far_away_end_with_the_sheet() -> None:
    row = '<row r="{}"><c r="A{}" t="inlineStr"><is><t>x</t></is></c></row>'
    far = "".join(row.format(number, number) for number in (1, 99_999_999_999))
    xmlns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    text = f'<worksheet xmlns="{xmlns}"><sheetData>{far}</sheetData></worksheet>'
    assert [cells for _, cells in sheets.rows(repacked(workbook(HEADER), sheet1=text.encode()))] == [["x"]]


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    rows = [[f"i{n}", "c", "venue", "institute", "所", "", ""] for n in range(5)]
    assert said(parse(workbook(HEADER, CENTER, *rows))) == [(5, "file")]


def test_no_bytes_at_all_raise() -> None:
    whole = workbook(HEADER, CENTER)
    for seed in range(60):
        dice = random.Random(seed)
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 8)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        parsed = parse(bytes(body))
        assert parsed.rows or parsed.faults
