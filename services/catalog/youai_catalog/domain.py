"""Catalog's rules, pure: how the tree of organizations stands, what times and shares a session may have."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, get_args

from youai_contracts.events import Category

Kind = Literal["venue", "provider"]
Level = Literal["center", "institute", "station", "point", "department", "team"]
CATEGORIES: frozenset[str] = frozenset(get_args(Category))

LOCAL = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The city's time: China keeps one offset, and no summer time since 1991."""

DEPTH = 8
"""Steps up the tree that are walked: it has five levels, so a longer way is no tree."""

PARENT_LEVELS: dict[str, tuple[str, ...]] = {
    "center": (),
    "institute": ("center",),
    "station": ("institute",),
    "point": ("station",),
    "department": ("center",),
    "team": ("department", "center", "institute", "station", "point"),
}
"""The levels under which an organization of each level may stand; parents come before children."""

MERGE_ORDER = {level: rank for rank, level in enumerate(PARENT_LEVELS)}
_KIND_OF = {level: "provider" if level in ("department", "team") else "venue" for level in PARENT_LEVELS}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value, in both languages; `outside` marks what is not this caller's to write."""

    zh: str
    en: str
    outside: bool = False


@dataclass(frozen=True, slots=True)
class RowFault:
    """A fault of a field in a row of a file (the header is row 1)."""

    row: int
    field: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization's whole state, as in organization-registered."""

    organization_id: str
    parent_id: str | None
    kind: Kind
    level: Level
    name: str
    town: str
    categories: tuple[Category, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An organization that a file or a call wants registered."""

    number: int
    organization: Organization


@dataclass(frozen=True, slots=True)
class Known:
    """What of the tree stands already, as far as rows touch it: those organizations, their parents up to the root."""

    organizations: Mapping[str, Organization]
    parents: frozenset[str]
    root: str | None


def times_fault(opens_at: datetime, closes_at: datetime, starts_at: datetime, ends_at: datetime) -> Fault | None:
    """What is wrong with a session's times: booking opens, closes, then the session starts and ends."""
    if not opens_at < closes_at:
        return Fault("预约截止须晚于预约开放", "closes_at must be later than opens_at")
    if not closes_at <= starts_at:
        return Fault("预约截止不能晚于活动开始", "closes_at must not be later than starts_at")
    if not starts_at < ends_at:
        return Fault("活动结束须晚于活动开始", "ends_at must be later than starts_at")
    return None


def shares_fault(town_shares: Mapping[str, int], capacity: int) -> Fault | None:
    """What is wrong with the places that a session keeps for towns: no more than it has."""
    if sum(town_shares.values()) > capacity:
        return Fault("为各镇保留的名额之和不能超过总名额", "the places kept for towns are more than the capacity")
    return None


def tree_faults(
    rows: Sequence[Row], known: Known, acting_for: str | None, unread: Collection[str] = ()
) -> list[RowFault]:
    """What keeps `rows`, registered together, from leaving a tree.

    `acting_for`: the organization that the caller acts for; None where it may write everything. `unread`: ids of rows
    that are refused already, about whom (and whose children) nothing more is said.
    """
    wanted = {row.organization.organization_id: row.organization for row in rows}
    after = {**known.organizations, **wanted}
    circular = _circular(wanted)
    staying = known.parents | {one.parent_id for one in wanted.values() if one.parent_id}
    root = known.root
    faults = []
    for row in rows:
        one = row.organization
        found = _place_fault(one, after, circular, root, unread)
        before = known.organizations.get(one.organization_id)
        if found is None and before is not None:
            found = _change_fault(one, before, staying)
        if found is None and acting_for is not None:
            found = _scope_fault(one, before, after, known.organizations, acting_for, unread)
        if found is not None:
            faults.append(RowFault(row.number, *found))
        elif one.parent_id is None:
            root = one.organization_id
    return faults


def _place_fault(
    one: Organization,
    after: Mapping[str, Organization],
    circular: Collection[str],
    root: str | None,
    unread: Collection[str],
) -> tuple[str, Fault] | None:
    if _KIND_OF[one.level] != one.kind:
        kind = _KIND_OF[one.level]
        return "kind", Fault(f"层级 {one.level} 的类型须为 {kind}", f"the kind of a {one.level} is {kind}")
    expected = PARENT_LEVELS[one.level]
    if one.parent_id is None:
        if expected:
            return "parent_id", Fault("缺少上级单位", f"a {one.level} needs a parent")
        if root not in (None, one.organization_id):
            return "level", Fault(f"本市已有中心 {root}", f"the city has its center already: {root}")
        return None
    if not expected:
        return "parent_id", Fault("中心没有上级单位", "a center has no parent")
    if one.organization_id in circular:
        return "parent_id", Fault("上级关系成环", "its parents form a cycle")
    if one.parent_id in unread:
        return None
    parent = after.get(one.parent_id)
    if parent is None:
        return "parent_id", Fault(f"没有上级单位 {one.parent_id}", f"there is no organization {one.parent_id}")
    if parent.level not in expected:
        names = " / ".join(expected)
        return "level", Fault(
            f"{one.level} 的上级须为 {names}，而 {one.parent_id} 是 {parent.level}",
            f"a {one.level} stands below {names}; {one.parent_id} is a {parent.level}",
        )
    return None


def _change_fault(one: Organization, before: Organization, parents: Collection[str]) -> tuple[str, Fault] | None:
    if one.kind != before.kind:
        return "kind", Fault("类型不能更改", f"its kind stays {before.kind}")
    if one.level != before.level and one.organization_id in parents:
        return "level", Fault("有下级单位，层级不能更改", f"it stays a {before.level} while others stand below it")
    return None


def _scope_fault(
    one: Organization,
    before: Organization | None,
    after: Mapping[str, Organization],
    stands: Mapping[str, Organization],
    acting_for: str,
    unread: Collection[str],
) -> tuple[str, Fault] | None:
    ways = [_way_up(one.organization_id, after)]
    if before is not None:  # else one could pull another's organization under oneself
        ways.append(_way_up(one.organization_id, stands))
    if all(acting_for in way or way[-1] in unread for way in ways):
        return None
    return "organization_id", Fault("不是本单位或下级单位", f"it is not {acting_for}, nor below it", outside=True)


def _way_up(organization_id: str, organizations: Mapping[str, Organization]) -> list[str]:
    """The ids from an organization to its root; the last may be unknown."""
    way = [organization_id]
    while len(way) < DEPTH:
        one = organizations.get(way[-1])
        if one is None or one.parent_id is None:
            break
        way.append(one.parent_id)
    return way


def _circular(wanted: Mapping[str, Organization]) -> set[str]:
    """Ids that are their own ancestors. What stands already is a tree, so a cycle runs through wanted rows alone."""
    settled: set[str] = set()
    circular: set[str] = set()
    for start in wanted:
        path: dict[str, int] = {}
        at: str | None = start
        while at is not None and at in wanted and at not in settled and at not in path:
            path[at] = len(path)
            at = wanted[at].parent_id
        if at is not None and at in path:
            circular.update(list(path)[path[at] :])
        settled.update(path)
    return circular


def in_merge_order(rows: Iterable[Row]) -> list[Row]:
    """Rows with parents before their children, and otherwise as they came."""
    return sorted(rows, key=lambda row: MERGE_ORDER[row.organization.level])
