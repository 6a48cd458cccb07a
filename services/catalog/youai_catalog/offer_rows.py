"""The file of offers with their sessions: its rows as offers, or what is wrong in which column of which row. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from youai_runtime import fields
from youai_runtime.fields import Wrong, id_wrong, text_wrong

from youai_catalog import domain
from youai_catalog.domain import CATEGORIES, LOCAL, Fault, RowFault
from youai_catalog.forms import MOST_TOWNS, SessionForm
from youai_catalog.offer_columns import BY_NAME, COLUMNS, MODES, named

MOST_ROWS = 2_000
"""Sessions that one file opens: they are written together."""
MOST_KEY = 100

_LOCAL = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d{1,6})?", re.ASCII)
_OFFER = tuple(column.name for column in COLUMNS if column.of == "offer" and column.name != "offer_key")
_TIMES = ("opens_at", "closes_at", "starts_at", "ends_at")

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Session:
    """A session that the file wants opened."""

    row: int
    key: str
    form: SessionForm


@dataclass(slots=True)
class Offer:
    """An offer that the file wants published: its first row, its key, what it says, and its sessions."""

    row: int
    key: str
    cells: Cells = field(compare=False)
    values: dict[str, Any]
    sessions: list[Session] = field(default_factory=list)


@dataclass(slots=True)
class Parsed:
    """What a file says: offers by their key, in order, and what is wrong."""

    offers: dict[str, Offer] = field(default_factory=dict)
    faults: list[RowFault] = field(default_factory=list)

    def fault(self, row: int, column: str, zh: str, en: str) -> None:
        """Note what is wrong in a column of a row; `file`, `header` or `row` for what is of no column alone."""
        self.faults.append(RowFault(row, column, Fault(zh, en)))


def parse(rows: Iterator[tuple[int, list[str] | Fault]]) -> Parsed:
    """Read rows of texts, each with its number; the first is the header, each other one a session of an offer.

    An offer's own columns stand in its first row; in others they are empty or the same. Blank rows are skipped.
    """
    parsed = Parsed()
    number, header = next(rows, (1, []))
    names = _header(parsed, number, header)
    found = 0
    for number, cells in rows if names else ():
        if isinstance(cells, Fault):
            parsed.faults.append(RowFault(number, "file", cells))
        elif any(cell.strip() for cell in cells):
            found += 1
            if found > MOST_ROWS:
                parsed.fault(
                    number, "file", f"超过 {MOST_ROWS} 场，请分几个文件", f"more than {MOST_ROWS} sessions: split it"
                )
                break
            _row(parsed, number, names, cells)
    if not parsed.faults and not parsed.offers:
        parsed.fault(1, "file", "文件里没有场次", "the file has no sessions")
    return parsed


def _header(parsed: Parsed, number: int, header: list[str] | Fault) -> list[str]:
    """The columns' names in order; empty if they are not what they must be."""
    if isinstance(header, Fault):
        parsed.faults.append(RowFault(number, "file", header))
        return []
    while header and not header[-1].strip():
        header = header[:-1]
    names = [(cell, named(cell)) for cell in header]
    for cell, name in names:
        if name is None:
            parsed.fault(number, "header", f"没有“{cell[:40]}”这一列", f"there is no column {cell[:40]!r}")
    known = [name for _, name in names if name is not None]
    for name in sorted({name for name in known if known.count(name) > 1}):
        column = BY_NAME[name]
        parsed.fault(number, "header", f"“{column.zh}”有两列", f"{column.en!r} stands there twice")
    missing = [column for column in COLUMNS if column.must and column.name not in known]
    for column in missing:
        parsed.fault(number, "header", f"缺少“{column.zh}”一列", f"the column {column.en!r} is missing")
    return [] if parsed.faults else known


def _row(parsed: Parsed, number: int, names: list[str], texts: list[str]) -> None:
    while len(texts) > len(names) and not texts[-1].strip():
        texts = texts[:-1]
    if len(texts) != len(names):
        due, here = len(names), len(texts)
        parsed.fault(number, "row", f"应有 {due} 列，实有 {here} 列", f"{due} cells are due, {here} are here")
        return
    cells = dict.fromkeys(BY_NAME, "") | {name: text.strip() for name, text in zip(names, texts, strict=True)}
    faults = len(parsed.faults)
    key = _value(parsed, number, "offer_key", cells["offer_key"], _key)
    offer = parsed.offers.get(key) if key else None
    if key and offer is None:
        # Kept also if something is wrong in it, so that its other rows are not said to lack what is there.
        offer = parsed.offers[key] = Offer(number, key, cells, _offer(parsed, number, cells))
    elif offer is not None:
        _same(parsed, number, offer, cells)
    session_key = _value(parsed, number, "session_key", cells["session_key"], _key)
    form = _session(parsed, number, cells)
    if offer is None or session_key is None:
        return
    twin = next((one.row for one in offer.sessions if one.key == session_key), None)
    if twin is not None:
        parsed.fault(number, "session_key", f"与第 {twin} 行场次编号相同", f"row {twin} has the same session number")
    elif form is not None and len(parsed.faults) == faults:
        offer.sessions.append(Session(number, session_key, form))


def _offer(parsed: Parsed, number: int, cells: Cells) -> dict[str, Any]:
    checks: dict[str, Callable[[str], Any]] = {
        "title": lambda text: _text(text, fields.MOST_NAME),
        "category": _category,
        "mode": _mode,
        "description": lambda text: _text(text, fields.MOST_TEXT, empty=True),
        "audience": lambda text: _text(text, fields.MOST_NAME, empty=True),
        "towns": _towns,
        "provider_id": _provider,
    }
    return {name: _value(parsed, number, name, cells[name], check) for name, check in checks.items()}


def _same(parsed: Parsed, number: int, offer: Offer, cells: Cells) -> None:
    for name in _OFFER:
        if cells[name] and cells[name] != offer.cells[name]:
            parsed.fault(
                number,
                name,
                f"与第 {offer.row} 行同一项目的不一样（可留空）",
                f"row {offer.row} of the same offer says otherwise (it may be empty here)",
            )


def _session(parsed: Parsed, number: int, cells: Cells) -> SessionForm | None:
    faults = len(parsed.faults)
    checks: dict[str, Callable[[str], Any]] = {
        "capacity": lambda text: _number(text, 1, 100_000),
        **dict.fromkeys(_TIMES, _time),
        "venue_name": lambda text: _text(text, fields.MOST_NAME),
        "town_shares": _shares,
        "waitlist": lambda text: _number(text, 0, 2**53 - 1) if text else None,
    }
    values = {name: _value(parsed, number, name, cells[name], check) for name, check in checks.items()}
    if len(parsed.faults) > faults:
        return None
    for name, fault in (
        ("opens_at", domain.times_fault(*(values[name] for name in _TIMES))),
        ("town_shares", domain.shares_fault(values["town_shares"], values["capacity"])),
    ):
        if fault is not None:
            parsed.faults.append(RowFault(number, name, _named(fault)))
    return SessionForm.model_construct(session_id=None, **values) if len(parsed.faults) == faults else None


def _named(fault: Fault) -> Fault:
    """A fault with times called as their columns are, in place of their codes."""
    english = fault.en
    for name in _TIMES:
        english = english.replace(name, BY_NAME[name].en)
    return Fault(fault.zh, english)


# One cell: its value, or a ValueError of what is wrong with it


class _Unfit(ValueError):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def _value(parsed: Parsed, number: int, name: str, text: str, check: Callable[[str], Any]) -> Any:
    if not text and BY_NAME[name].must:
        parsed.fault(number, name, "不能为空", "it must not be empty")
        return None
    try:
        return check(text)
    except _Unfit as unfit:
        parsed.fault(number, name, unfit.zh, unfit.en)
        return None


def _fine(text: str, wrong: Wrong | None) -> str:
    if wrong is not None:
        raise _Unfit(wrong.zh, wrong.en)
    return text


def _key(text: str) -> str:
    return _fine(text, text_wrong(text, MOST_KEY))


def _text(text: str, most: int, *, empty: bool = False) -> str:
    return _fine(text, text_wrong(text, most, empty=empty))


def _provider(text: str) -> str:
    return _fine(text, id_wrong(text)) if text else ""


def _category(text: str) -> str:
    if text not in CATEGORIES:
        raise _Unfit(f"没有类别“{text[:40]}”", f"there is no category {text[:40]!r}")
    return text


def _mode(text: str) -> str:
    for mode, names in MODES.items():
        if text.casefold() in (mode, *names):
            return mode
    if not text:
        return "arrival"
    raise _Unfit("须为“先到先得”或“抽签”", f"it is one of: {', '.join(en for _, en in MODES.values())}")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split("[;；]", text) if part.strip()]


def _towns(text: str) -> list[str]:
    towns = list(dict.fromkeys(_text(part, fields.MOST_NAME) for part in _parts(text)))
    if len(towns) > MOST_TOWNS:
        raise _Unfit(f"最多 {MOST_TOWNS} 个镇", f"it has at most {MOST_TOWNS} towns")
    return towns


def _shares(text: str) -> dict[str, int]:
    shares: dict[str, int] = {}
    for part in _parts(text):
        town, colon, places = (piece.strip() for piece in part.replace("：", ":").rpartition(":"))
        if not colon or not town:
            raise _Unfit(f"“{part[:40]}”须写成“镇:名额”", f"{part[:40]!r} is to be town:places")
        if town in shares:
            raise _Unfit(f"{town[:40]}写了两次", f"{town[:40]} stands there twice")
        shares[_text(town, fields.MOST_NAME)] = _number(places, 1, 100_000)
    if len(shares) > MOST_TOWNS:
        raise _Unfit(f"最多 {MOST_TOWNS} 个镇", f"it has at most {MOST_TOWNS} towns")
    return shares


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and least <= int(text) <= most):
        raise _Unfit(f"须为 {least} 到 {most} 的整数", f"it is a whole number from {least} to {most}")
    return int(text)


def _time(text: str) -> datetime:
    at = fields.instant(text)
    found = _LOCAL.fullmatch(text)
    if at is None and found is not None:
        try:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
            at = datetime(year, month, day, hour, minute, second, tzinfo=LOCAL).astimezone(UTC)
        except ValueError:
            at = None
    if at is None or not 2000 <= at.year < 2200:
        raise _Unfit("时间请写成 2026-12-01 09:00", "write a time as 2026-12-01 09:00")
    return at
