"""The file of offers with their sessions: what reads well, and what is said of which column of which row."""

import csv
import datetime
import io
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest
from youai_catalog import csv_rows, offer_rows, offer_template, sheets
from youai_catalog.offer_columns import COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:openpyxl")

ROW = {
    "offer_key": "烘焙",
    "title": "亲子烘焙课",
    "category": "教育服务",
    "mode": "抽签",
    "description": "每组家庭一份原料",
    "audience": "亲子",
    "towns": "杨舍镇；大新镇;杨舍镇",
    "provider_id": "",
    "session_key": "1",
    "capacity": "24",
    "opens_at": "2026-12-01 09:00",
    "closes_at": "2026/12/11 18:00",
    "starts_at": "2026-12-12T09:30:00",
    "ends_at": "2026-12-12T11:30:00+08:00",
    "venue_name": "杨舍镇实践所",
    "town_shares": "大新镇:4；乐余镇：2",
    "waitlist": "20",
}
NEXT = dict.fromkeys(ROW, "") | {
    name: ROW[name] for name in ("offer_key", "capacity", "opens_at", "closes_at", "starts_at", "ends_at", "venue_name")
}
HEADER = [column.zh for column in COLUMNS]


def body(*rows: dict[str, str], header: list[str] | None = None) -> bytes:
    into = io.StringIO()
    writer = csv.writer(into)
    writer.writerow(header or HEADER)
    writer.writerows([row[column.name] for column in COLUMNS] for row in rows)
    return into.getvalue().encode("utf-8-sig")


def parse(*rows: dict[str, str], **more: Any) -> offer_rows.Parsed:
    return offer_rows.parse(csv_rows.rows(body(*rows, **more)))


def said(parsed: offer_rows.Parsed) -> list[tuple[int, str]]:
    return [(fault.row, fault.field) for fault in parsed.faults]


def test_an_offer_with_two_sessions() -> None:
    parsed = parse(ROW, NEXT | {"session_key": "2"})
    assert parsed.faults == []
    (offer,) = parsed.offers.values()
    assert (offer.key, offer.row, [(one.row, one.key) for one in offer.sessions]) == ("烘焙", 2, [(2, "1"), (3, "2")])
    assert offer.values == {
        "title": "亲子烘焙课",
        "category": "教育服务",
        "mode": "draw",
        "description": "每组家庭一份原料",
        "audience": "亲子",
        "towns": ["杨舍镇", "大新镇"],
        "provider_id": "",
    }
    first, second = (one.form for one in offer.sessions)
    assert (first.capacity, first.waitlist, first.town_shares) == (24, 20, {"大新镇": 4, "乐余镇": 2})
    assert first.opens_at == datetime.datetime(2026, 12, 1, 1, tzinfo=datetime.UTC)
    assert first.closes_at == datetime.datetime(2026, 12, 11, 10, tzinfo=datetime.UTC)
    assert (first.ends_at - first.starts_at).total_seconds() == 7200
    assert (second.waitlist, second.town_shares) == (None, {})


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"offer_key": ""}, ["offer_key"]),
        ({"offer_key": "x" * 101}, ["offer_key"]),
        ({"title": ""}, ["title"]),
        ({"title": "题" * 201}, ["title"]),
        ({"category": "跳舞"}, ["category"]),
        ({"mode": "摇号"}, ["mode"]),
        ({"description": "\x07"}, ["description"]),
        ({"provider_id": "a b"}, ["provider_id"]),
        ({"towns": ";".join(f"镇{n}" for n in range(51))}, ["towns"]),
        ({"session_key": ""}, ["session_key"]),
        ({"capacity": "0"}, ["capacity"]),
        ({"capacity": "24.5"}, ["capacity"]),
        ({"capacity": "１２"}, ["capacity"]),
        ({"capacity": "100001"}, ["capacity"]),
        ({"opens_at": "明天"}, ["opens_at"]),
        ({"opens_at": "2026-02-30 09:00"}, ["opens_at"]),
        ({"opens_at": "1999-12-01 09:00"}, ["opens_at"]),
        ({"closes_at": "2026-12-01 08:00"}, ["opens_at"]),
        ({"venue_name": " "}, ["venue_name"]),
        ({"town_shares": "大新镇"}, ["town_shares"]),
        ({"town_shares": "大新镇:二"}, ["town_shares"]),
        ({"town_shares": "大新镇:1;大新镇:2"}, ["town_shares"]),
        ({"town_shares": "大新镇:25"}, ["town_shares"]),
        ({"waitlist": "-1"}, ["waitlist"]),
        ({"capacity": "x", "waitlist": "x", "title": ""}, ["title", "capacity", "waitlist"]),
    ],
)
def test_what_is_wrong_is_said_of_its_column(change: dict[str, str], fields: list[str]) -> None:
    parsed = parse(ROW | change)
    assert said(parsed) == [(2, field) for field in fields]
    assert all(fault.fault.zh and fault.fault.en for fault in parsed.faults)


def test_rows_of_one_offer_do_not_contradict_each_other() -> None:
    parsed = parse(
        ROW, NEXT | {"session_key": "1"}, ROW | {"session_key": "3"}, ROW | {"session_key": "4", "title": "别的"}
    )
    assert said(parsed) == [(3, "session_key"), (5, "title")]


def test_headers() -> None:
    english = [column.en.upper() for column in COLUMNS]
    assert parse(ROW, header=english).offers == parse(ROW, header=[column.name for column in COLUMNS]).offers
    assert said(parse(ROW, header=["编号", *HEADER[1:]])) == [(1, "header"), (1, "header")]
    assert said(parse(ROW, header=[HEADER[1], *HEADER[1:]])) == [(1, "header"), (1, "header")]


def test_columns_that_may_be_empty_may_be_left_out() -> None:
    names = [column.name for column in COLUMNS if column.must]
    lines = [",".join(names), ",".join(ROW[name] for name in names)]
    parsed = offer_rows.parse(csv_rows.rows("\n".join(lines).encode()))
    assert parsed.faults == []
    (offer,) = parsed.offers.values()
    assert (offer.values["mode"], offer.values["towns"]) == ("arrival", [])


def test_files_that_are_none() -> None:
    assert said(offer_rows.parse(csv_rows.rows(b"\xd0\xc2"))) == [(1, "file")]
    assert said(parse()) == [(1, "file")]
    assert said(offer_rows.parse(sheets.rows(b"PK"))) == [(1, "file")]
    blank = dict.fromkeys(ROW, "")
    assert said(parse(ROW, blank, NEXT)) == [(4, "session_key")]
    short = body(ROW) + b"a,b\r\n"
    assert said(offer_rows.parse(csv_rows.rows(short))) == [(3, "row")]


def test_no_more_sessions_than_one_transaction_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_rows, "MOST_ROWS", 2)
    rows = [ROW | {"session_key": str(n)} for n in range(4)]
    assert said(parse(*rows[:2])) == []
    assert said(parse(*rows)) == [(4, "file")]


def filled(english: bool) -> bytes:
    """The template, with the row filled in as people do: times and numbers as such."""
    book = openpyxl.load_workbook(io.BytesIO(offer_template.as_excel(english)))
    for number, column in enumerate(COLUMNS, 1):
        value: Any = ROW[column.name] or None
        if column.name.endswith("_at"):
            value = datetime.datetime.fromisoformat(ROW[column.name].replace("/", "-")).replace(tzinfo=None)
        elif column.name in ("capacity", "waitlist"):
            value = float(ROW[column.name])
        book.worksheets[0].cell(2, number).value = value
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


@pytest.mark.parametrize("english", [False, True])
def test_the_template_filled_in_reads_as_the_csv_does(english: bool) -> None:
    parsed = offer_rows.parse(sheets.rows(filled(english)))
    assert parsed == parse(ROW)
    assert offer_template.as_csv(english).decode("utf-8-sig").strip().split(",") == [
        column.label(english) if "," not in column.label(english) else f'"{column.label(english)}"'
        for column in COLUMNS
    ]


def test_the_templates_own_choices_and_examples_are_taken() -> None:
    book = openpyxl.load_workbook(io.BytesIO(offer_template.as_excel(english=True)))
    rules = book.worksheets[0].data_validations.dataValidation
    assert len(rules) == 2
    given = dict.fromkeys(ROW, "") | {column.name: column.example_zh for column in COLUMNS}
    assert parse(given).faults == []
    assert parse(given | {column.name: column.example_en for column in COLUMNS if column.example_en}).faults == []
    for rule in rules:
        name = COLUMNS[next(iter(rule.sqref.ranges)).min_col - 1].name
        for choice in rule.formula1.strip('"').split(","):
            assert parse(ROW | {name: choice}).faults == [], choice
