"""The file of organizations: what reads well, and what is said of each row that does not."""

import random
from pathlib import Path

import pytest
from youai_catalog import csv_rows, domain
from youai_catalog.domain import Known, Organization

CITY = Path(__file__).parents[3] / "shared/stack/youai_stack/demo/city/organizations.csv"
HEADER = "organization_id,parent_id,kind,level,name,town,categories\n"


def parse(*lines: str) -> csv_rows.Parsed:
    return csv_rows.parse((HEADER + "\n".join(lines)).encode())


def said(parsed: csv_rows.Parsed) -> list[tuple[int, str]]:
    return [(fault.row, fault.field) for fault in parsed.faults]


def test_the_city_reads_and_is_a_tree() -> None:
    parsed = csv_rows.parse(CITY.read_bytes())
    assert parsed.faults == []
    assert len(parsed.rows) > 2_600
    rows = domain.in_merge_order(parsed.rows)
    assert domain.tree_faults(rows, Known({}, frozenset(), None), None) == []


def test_a_row() -> None:
    parsed = parse('t,d,provider,team,"旗袍, 队",大新镇,文化文艺;其他;文化文艺')
    assert parsed.faults == []
    assert parsed.rows[0].number == 2
    assert parsed.rows[0].organization == Organization(
        "t", "d", "provider", "team", "旗袍, 队", "大新镇", ("文化文艺", "其他")
    )


def test_order_of_columns_line_ends_and_byte_order_mark_do_not_matter() -> None:
    body = "\ufefflevel,name,organization_id,parent_id,kind,town,categories\r\ncenter,中心,c,,venue,,\r\n\r\n"
    parsed = csv_rows.parse(body.encode())
    assert parsed.faults == []
    assert parsed.rows[0].organization == Organization("c", None, "venue", "center", "中心", "")


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (",c,venue,institute,n,t,", ["organization_id"]),
        ("a b,c,venue,institute,n,t,", ["organization_id"]),
        ("a,c d,venue,institute,n,t,", ["parent_id"]),
        ("a,c,shop,institute,n,t,", ["kind"]),
        ("a,c,venue,palace,n,t,", ["level"]),
        ("a,c,venue,institute,,t,", ["name"]),
        ("a,c,venue,institute," + "n" * 201 + ",t,", ["name"]),
        ("a,c,venue,institute,n\x00,t,", ["name"]),
        ('a,c,venue,institute,"n\nm",t,', ["name"]),
        ("a,c,venue,institute,n,t\x07,", ["town"]),
        ("a,c,venue,institute,n,t,跳舞", ["categories"]),
        ("a,c,venue,institute,n,t,其他;", ["categories"]),
        ("a,c,shop,palace,,t,跳舞", ["name", "kind", "level", "categories"]),
        ("a,c,venue", ["row"]),
        ("a,c,venue,institute,n,t,,more", ["row"]),
        ('a,c,venue,institute,"n,t,', ["file"]),
        ('a,c,venue,institute,"n"x,t,', ["file"]),
    ],
)
def test_faults_of_a_row(line: str, fields: list[str]) -> None:
    parsed = parse("c,,venue,center,n,t,", line)
    assert said(parsed) == [(3, field) for field in fields]
    assert len(parsed.rows) == 1


def test_an_id_twice() -> None:
    parsed = parse("c,,venue,center,n,t,", "c,,venue,center,m,t,")
    assert said(parsed) == [(3, "organization_id")]
    assert "row 2" in parsed.faults[0].fault.en


def test_rows_below_a_refused_one_are_not_refused_for_it() -> None:
    parsed = parse("c,,venue,center,n,t,", "i,c,venue,institute,,t,", "s,i,venue,station,n,t,")
    assert said(parsed) == [(3, "name")]
    assert domain.tree_faults(parsed.rows, Known({}, frozenset(), None), None, parsed.unread) == []


@pytest.mark.parametrize(
    "header", ["", "a,b,c\n", "organization_id,parent_id,kind,level,name,town\n", '"\n', HEADER * 2]
)
def test_headers(header: str) -> None:
    parsed = csv_rows.parse(header.encode())
    assert len(parsed.faults) >= 1
    assert parsed.rows == []


def test_not_utf_8_says_where() -> None:
    body = HEADER.encode() + b"c,,venue,center,n,t,\n" + "i,c,venue,institute,所,t,\n".encode("gbk")
    assert said(csv_rows.parse(body)) == [(3, "file")]


def test_nothing_in_it() -> None:
    assert said(csv_rows.parse(HEADER.encode())) == [(1, "file")]


def test_no_bytes_at_all_raise() -> None:
    city = CITY.read_bytes()[:4_000]
    for seed in range(300):
        dice = random.Random(seed)
        body = bytearray(city)
        for _ in range(dice.randrange(1, 8)):
            body[dice.randrange(len(body))] = dice.choice(b'",;\n\r\x00\xff a')
        parsed = csv_rows.parse(bytes(body))
        assert parsed.rows or parsed.faults
        domain.tree_faults(parsed.rows, Known({}, frozenset(), None), "c", parsed.unread)
