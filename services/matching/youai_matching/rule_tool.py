"""What people do with rule versions: `python -m youai_matching.rule_tool list | make | rehearse`; JSON comes out."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from youai_contracts import codec, topics
from youai_contracts.codec import Undecodable
from youai_contracts.events import SlotRecord

from youai_matching.domain import rules
from youai_matching.domain.rules import PARTS, RuleVersion
from youai_matching.domain.slot import UnknownRuleVersion
from youai_matching.domain.state import At
from youai_matching.rehearsal import Past, Rehearsal, rehearse
from youai_matching.rule_files import RuleBook


def listing(book: RuleBook) -> list[dict[str, Any]]:
    """Every version: name, hash, and the rules that it has."""
    versions = sorted(book.by_version.values(), key=lambda version: version.name)
    return [
        {
            "name": version.name,
            "version": version.version,
            "rules": [part for part in PARTS if getattr(version, part) is not None],
        }
        for version in versions
    ]


def make(base: bytes, name: str, overrides: Path | None, announced: list[tuple[date, bool]]) -> bytes:
    """A new version's file: the base's numbers and texts under another name, with a calendar made anew.

    `announced`: the days that the State Council says are off (True) or worked though they are a weekend's (False).
    `overrides`: a table `date,kind,note` with kind `off` or `works`, which stands above them. ValueError, with the
    line, for a table that is none.
    """
    file = json.loads(base)
    kinds = dict(announced) | dict(_overrides(overrides) if overrides else ())
    calendar = file.get("calendar") or {"utc_offset_ms": 8 * 3_600_000, "working_hours": ["09:00", "17:30"]}
    calendar["days_off"] = [day.isoformat() for day in sorted(kinds) if kinds[day]]
    calendar["working_days"] = [day.isoformat() for day in sorted(kinds) if not kinds[day]]
    file |= {"name": name, "calendar": calendar}
    lines = [
        "  " + json.dumps(key) + ": " + json.dumps(file[key], ensure_ascii=False) for key in file if key != "texts"
    ]
    texts = ",\n".join(
        "    " + json.dumps(code) + ": " + json.dumps(text, ensure_ascii=False) for code, text in file["texts"].items()
    )
    made = ("{\n" + ",\n".join(lines) + ',\n  "texts": {\n' + texts + "\n  }\n}\n").encode()
    rules.parse(made)
    return made


def _overrides(path: Path) -> Iterator[tuple[date, bool]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                yield date.fromisoformat(row["date"].strip()), {"off": True, "works": False}[row["kind"].strip()]
            except (KeyError, ValueError, AttributeError) as error:
                raise ValueError(f"{path}, line {number}: a line is `date,kind,note`, kind off or works") from error


def announced_days(first_year: int) -> list[tuple[date, bool]]:
    """The announced holidays and make-up working days from a year on."""
    from chinese_calendar import constants  # type: ignore[import-untyped]

    days = [(day, True) for day in constants.holidays] + [(day, False) for day in constants.workdays]
    return [(day, off) for day, off in days if day.year >= first_year]


def read(path: Path) -> Iterator[Past]:
    """The slot log of an export, without what cannot be read: the decider refused that."""
    with path.open("rb") as lines:
        for line in lines:
            row = msgspec.json.decode(line)
            headers = [(name, text.encode()) for name, text in row["headers"].items() if text is not None]
            try:
                key = row["key"].encode() if row["key"] is not None else None
                value = msgspec.json.encode(row["data"]) if row["data"] is not None else None
                received = codec.decode(topics.SLOT_LOG, key, value, headers)
            except Undecodable:
                continue
            assert isinstance(received.event, SlotRecord)
            yield Past(At(row["partition"], row["offset"], row["timestamp"], received.id), received.event)


def report(trial: RuleVersion, result: Rehearsal) -> dict[str, Any]:
    """The rehearsal by town and by venue: how many asked, and who had places then and would have had them now."""
    towns: dict[str, list[int]] = {}
    venues: dict[str, list[int]] = {}
    for fate in result.fates.values():
        for table, key in ((towns, fate.town), (venues, fate.venue_id)):
            row = table.setdefault(key, [0, 0, 0])
            row[0] += 1
            row[1] += fate.then
            row[2] += fate.now
    return {
        "rules": trial.name,
        "slots": result.slots,
        "requests": len(result.fates),
        "decisions_then": dict(sorted(result.then.items())),
        "decisions_now": dict(sorted(result.now.items())),
        "towns": _rows(towns),
        "venues": _rows(venues),
    }


def _rows(table: dict[str, list[int]]) -> list[dict[str, Any]]:
    rows = [
        {"name": name, "requests": asked, "then": then, "now": now, "change": now - then}
        for name, (asked, then, now) in table.items()
    ]
    return sorted(rows, key=lambda row: (-row["change"], row["name"]))


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names: 0; 1 with one sentence on stderr; 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="rule_tool")
    parser.add_argument("--folder", type=Path, help="folder of more rule versions")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    maker = commands.add_parser("make")
    maker.add_argument("name")
    maker.add_argument("--base", required=True, help="name of a version, or a file")
    maker.add_argument("--calendar", type=Path, help="table date,kind,note of days that the city decides otherwise")
    maker.add_argument("--from-year", type=int, default=datetime.now(UTC).year)
    trial = commands.add_parser("rehearse")
    trial.add_argument("log", type=Path, help="the exported slot log")
    trial.add_argument("--rules", required=True, help="name of a version, or a file")
    trial.add_argument("--since", type=datetime.fromisoformat, required=True)
    trial.add_argument("--answers-after-minutes", type=float, default=60.0)
    options = parser.parse_args(arguments)
    try:
        book = RuleBook(options.folder)
        if options.command == "list":
            told: Any = listing(book)
        elif options.command == "make":
            days = announced_days(options.from_year)
            sys.stdout.buffer.write(make(_file(options.base, options.folder), options.name, options.calendar, days))
            return 0
        else:
            version = rules.parse(_file(options.rules, options.folder))
            result = rehearse(
                read(options.log),
                book.by_version,
                version,
                since=options.since.astimezone(UTC),
                answers_after=timedelta(minutes=options.answers_after_minutes),
            )
            told = report(version, result)
    except UnknownRuleVersion as error:
        print(f"{error}, which is not known here: name the folder of the city's own versions", file=sys.stderr)  # noqa: T201
        return 1
    except (ValueError, OSError, LookupError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(told, ensure_ascii=False))  # noqa: T201
    return 0


def _file(named: str, folder: Path | None = None) -> bytes:
    """The file of a version: a path, or a name in the folder or among those that come with the program."""
    path = Path(named)
    if path.suffix == ".json" or path.exists():
        return path.read_bytes()
    of_the_city = folder / f"{named}.json" if folder and "/" not in named else None
    return of_the_city.read_bytes() if of_the_city and of_the_city.is_file() else RuleBook.file(named)


if __name__ == "__main__":
    sys.exit(main())
