"""Catalog's rules: texts, times, and the tree of organizations."""

from datetime import UTC, datetime
from typing import Any

import pytest
from youai_catalog import domain
from youai_catalog.domain import Known, Organization, Row


def one(organization_id: str, parent_id: str | None, level: Any, **more: Any) -> Organization:
    kind = "provider" if level in ("department", "team") else "venue"
    fields = {"kind": kind, "name": organization_id, "town": "大新镇", **more}
    return Organization(organization_id=organization_id, parent_id=parent_id, level=level, **fields)


CITY = {
    organization.organization_id: organization
    for organization in (
        one("c", None, "center"),
        one("i1", "c", "institute"),
        one("i2", "c", "institute"),
        one("s1", "i1", "station"),
        one("p1", "s1", "point"),
        one("d", "c", "department"),
    )
}
KNOWN = Known(CITY, frozenset({"c", "i1", "s1"}), "c")
EMPTY = Known({}, frozenset(), None)


def faults(
    *organizations: Organization,
    known: Known = KNOWN,
    acting_for: str | None = None,
    unread: frozenset[str] = frozenset(),
) -> list[tuple[int, str]]:
    rows = [Row(number, organization) for number, organization in enumerate(organizations, start=2)]
    return [(f.row, f.field) for f in domain.tree_faults(rows, known, acting_for, unread)]


def test_a_whole_city_stands_in_an_empty_one() -> None:
    assert faults(*CITY.values(), known=EMPTY) == []
    assert faults(*reversed(CITY.values()), known=EMPTY) == []


def test_the_same_again_is_fine() -> None:
    assert faults(*CITY.values(), acting_for="c") == []


@pytest.mark.parametrize(
    ("organization", "field"),
    [
        (one("x", None, "institute"), "parent_id"),
        (one("x", "nobody", "institute"), "parent_id"),
        (one("x", "c", "center"), "parent_id"),
        (one("x", None, "center"), "level"),  # the city has one
        (one("x", "c", "station"), "level"),
        (one("x", "i1", "institute"), "level"),
        (one("x", "p1", "station"), "level"),
        (one("x", "i1", "department"), "level"),
        (one("x", "d", "point"), "level"),
        (one("x", "x", "institute"), "parent_id"),
        (one("x", "c", "institute", kind="provider"), "kind"),
        (one("x", "d", "team", kind="venue"), "kind"),
        (one("s1", "c", "department"), "kind"),  # what it is stays
        (one("s1", "c", "institute"), "level"),  # a point stands below it
    ],
)
def test_what_does_not_fit_the_tree(organization: Organization, field: str) -> None:
    assert faults(organization) == [(2, field)]


@pytest.mark.parametrize("parent", ["d", "c", "i1", "s1", "p1"])
def test_a_team_stands_below_a_department_or_any_venue(parent: str) -> None:
    assert faults(one("t", parent, "team")) == []


def test_a_team_does_not_stand_below_a_team() -> None:
    assert faults(one("t", "d", "team"), one("u", "t", "team")) == [(3, "level")]


def test_without_children_a_level_may_change() -> None:
    assert faults(one("p1", "i1", "station")) == []
    assert faults(one("p1", "i1", "station"), one("t", "p1", "team")) == [(2, "level")]


def test_a_cycle_is_named_on_each_of_its_rows_and_on_no_other() -> None:
    rows = (one("a", "b", "team"), one("b", "e", "team"), one("e", "a", "team"), one("f", "a", "point"))
    assert faults(*rows) == [(2, "parent_id"), (3, "parent_id"), (4, "parent_id"), (5, "level")]


def test_a_long_chain_takes_no_time() -> None:
    rows = [one(f"t{n}", f"t{n + 1}", "team") for n in range(20_000)]
    assert len(faults(*rows, acting_for="c")) == 20_000


def test_two_centers_in_one_file() -> None:
    assert faults(one("c", None, "center"), one("c2", None, "center"), known=EMPTY) == [(3, "level")]


def outside(organization: Organization, acting_for: str, known: Known = KNOWN) -> list[bool]:
    found = domain.tree_faults([Row(2, organization)], known, acting_for)
    return [fault.fault.outside for fault in found]


def test_scope() -> None:
    assert outside(one("x", "i1", "station"), "c") == []
    assert outside(one("x", "i1", "station"), "i1") == []
    assert outside(one("i1", "c", "institute", name="new"), "i1") == []
    assert outside(one("x", "i2", "station"), "i1") == [True]
    assert outside(one("c", None, "center"), "i1") == [True]
    assert outside(one("x", "c", "institute"), "stranger") == [True]


def test_nobody_pulls_anothers_organization_under_itself_or_pushes_its_own_away() -> None:
    assert outside(one("s1", "i2", "station"), "i2") == [True]
    assert outside(one("s1", "i2", "station"), "i1") == [True]
    assert outside(one("s1", "i2", "station"), "c") == []


def test_who_is_refused_already_causes_no_second_fault_below() -> None:
    assert faults(one("x", "bad", "point"), unread=frozenset({"bad"}), acting_for="c") == []


def test_merge_order_has_parents_first() -> None:
    rows = [Row(n, organization) for n, organization in enumerate(reversed(CITY.values()))]
    seen: set[str | None] = {None}
    for row in domain.in_merge_order(rows):
        assert row.organization.parent_id in seen
        seen.add(row.organization.organization_id)


def test_times_stand_in_order() -> None:
    a, b, c, d = (datetime(2026, 12, day, tzinfo=UTC) for day in (1, 2, 3, 4))
    assert domain.times_fault(a, b, c, d) is None
    assert domain.times_fault(a, b, b, c) is None
    assert domain.times_fault(a, a, b, c) is not None
    assert domain.times_fault(a, c, b, d) is not None
    assert domain.times_fault(a, b, c, c) is not None
