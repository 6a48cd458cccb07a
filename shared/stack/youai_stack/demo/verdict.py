"""After the rush: exports the topics, has the independent verifier judge them, and says so in tables and JSON."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from youai_contracts import topics

from youai_stack import export, root
from youai_stack.demo import fold
from youai_stack.errors import StackError

VERIFY_S = 300.0
TOPICS = (*fold.TOPICS, topics.SLOT_LOG, topics.OFFER)


async def export_all(bootstrap: str, folder: Path) -> dict[str, int]:
    """Export the topics that the verifier reads, and return how many records each has."""
    counts = {}
    for topic in TOPICS:
        with (folder / f"{topic.name}.jsonl").open("wb") as file:
            counts[topic.name] = await export.export(bootstrap, topic.name, file.write)
    return counts


async def verify(folder: Path, told: list[dict[str, object]], rules: Path) -> dict[str, Any]:
    """The verifier's findings on an export, as a process of its own that imports nothing of ours, and whether they
    are what clients were told (`told`, see `broken_promises`). A promise that is not kept makes `ok` false; it is the
    `lie` if the verifier found none, and whoever was accepted and is not even on the slot log is `undecided` too.

    `rules` is a folder of rule versions. Raises StackError if the verifier cannot read the export.
    """
    (folder / "accepted.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in told))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(root.path() / "verifier" / "verify.py"),
        str(folder),
        "--rules",
        str(rules),
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(VERIFY_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise StackError(f"The verifier did not end within {VERIFY_S:.0f} s.") from None
    if process.returncode not in (0, 1):
        raise StackError(f"The verifier could not judge the export: {err.decode(errors='replace').strip()[-500:]}")
    return await asyncio.to_thread(with_promises, json.loads(out), folder, told)


def with_promises(findings: dict[str, Any], folder: Path, told: list[dict[str, object]]) -> dict[str, Any]:
    """The verifier's findings on an export, and on top of them what of `told` is not so."""
    broken = broken_promises(folder, told)
    if broken:
        findings |= {"ok": False, "lie": findings["lie"] or broken[0]}
        asked = _requests(folder, topics.SLOT_LOG.name, ("booking-requested", "claim-requested"))
        findings["undecided"] += sum(lie["expected"] == 1 and lie["request"] not in asked for lie in broken)
    for lie in broken:
        del lie["request"]
    return findings


def broken_promises(folder: Path, told: list[dict[str, object]]) -> list[dict[str, Any]]:
    """Where an export does not say what clients were told, in the shape of the verifier's lies; `offset` is a line.

    `told` are the lines of answers: `request_id, slot_id, status`. Whoever got 202 has an outcome; who was refused has
    none, unless the same key got 202 then. 504, 0 and None promise nothing.
    """
    decided: set[tuple[str, str]] = set()
    for topic in (topics.BOOKING, topics.CLAIM):
        decided |= _requests(folder, topic.name)
    lines: dict[bool, dict[tuple[str, str], int]] = {False: {}, True: {}}
    for number, line in enumerate(told, 1):
        if line["status"] not in (0, 504, None) and line["request_id"] is not None:
            request = (str(line["slot_id"]), str(line["request_id"]))
            lines[line["status"] == 202].setdefault(request, number)
    broken: list[dict[str, Any]] = []
    for request, number in sorted((lines[False] | lines[True]).items(), key=lambda item: item[1]):
        due, found = int(request in lines[True]), int(request in decided)
        if due != found:
            lie = {"topic": "accepted", "partition": None, "offset": number, "what": f"outcomes of {request[1]}"}
            broken.append(lie | {"expected": due, "found": found, "request": request})
    return broken


def _requests(folder: Path, topic: str, types: tuple[str, ...] | None = None) -> set[tuple[str, str]]:
    """Each (slot, request) that a topic's export names, in records of these types or of all; none without a file."""
    path = folder / f"{topic}.jsonl"
    found: set[tuple[str, str]] = set()
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for row in map(json.loads, file):
                data, type_ = row["data"], row["headers"].get("ce_type")
                if isinstance(data, dict) and "request_id" in data and (types is None or type_ in types):
                    found.add((str(row["key"]), str(data["request_id"])))
    return found


def show(console: Console, report: dict[str, Any]) -> None:
    """The report as tables."""
    _show_month(console, report)
    _show_outcomes(console, report)
    _show_providers(console, report)
    _show_unmet(console, report)
    _show_kills(console, report)
    _show_checks(console, report)


def _show_month(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="这个月 · The month", title_justify="left")
    table.add_column("基层开单、市级接单 · demands and claims")
    table.add_column("", justify="right")
    names = {
        "demands_posted": "群众需求 · demands posted",
        "demands_claimed": "已接单 · claimed",
        "claims_raced": "多家抢接 · raced for",
        "demands_fulfilled": "已办结评单 · fulfilled and rated",
        "handed_back": "退单 · handed back",
        "resource_matches": "资源库牵线 · matches from the resource pool",
        "grounds_open": "本周开放的校园场地 · school grounds open this week",
        "notifications": "消息通知 · notifications",
    }
    for name, shown in names.items():
        table.add_row(shown, f"{report[name]:,}")
    console.print(table)


def _show_outcomes(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="裁定 · Decisions", title_justify="left")
    table.add_column("结果 · outcome")
    table.add_column("次数 · times", justify="right")
    names = {
        "entered": "进入抽签",
        "confirmed": "预约成功",
        "waitlisted": "候补",
        "rejected": "未成",
        "promoted": "递补成功",
        "lapsed": "保留过期",
        "released": "已让出",
        "displaced": "名额收回",
    }
    for outcome, zh in names.items():
        table.add_row(f"{zh} · {outcome}", f"{report['decisions'].get(outcome, 0):,}")
    console.print(table)


def _show_providers(console: Console, report: dict[str, Any]) -> None:
    rows = sorted(report["booking_rate_by_provider"], key=lambda row: -row["rate"])
    table = Table(title="预约率 · Booking rate by provider", title_justify="left")
    table.add_column("供单单位 · provider")
    for name in ("名额 · offered", "已约 · booked", "预约率 · rate"):
        table.add_column(name, justify="right")
    for row in rows[:12]:
        offered, booked = f"{row['places_offered']:,}", f"{row['places_booked']:,}"
        table.add_row(row["provider_name"], offered, booked, f"{row['rate']:.1%}")
    if len(rows) > 12:
        table.caption = f"… {len(rows) - 12} more"
    console.print(table)


def _show_unmet(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="未满足的需求 · Unmet requests by category", title_justify="left")
    table.add_column("类别 · category")
    table.add_column("点单 · requests", justify="right")
    table.add_column("名额 · places", justify="right")
    for row in sorted(report["unmet_by_category"], key=lambda row: -row["places"]):
        table.add_row(row["category"], f"{row['requests']:,}", f"{row['places']:,}")
    console.print(table)


def _show_kills(console: Console, report: dict[str, Any]) -> None:
    if not report["kills"]:
        return
    table = Table(title="kill -9", title_justify="left")
    for name in ("what", "in the", "at", "processes", "in flight", "next decision after", "all ready after"):
        table.add_column(name, justify="left" if name in ("what", "in the") else "right")
    for kill in report["kills"]:
        after = [f"{kill[n]} s" if kill[n] is not None else "–" for n in ("next_decision_s", "all_ready_s")]
        counts = (str(kill["processes"]), str(kill["in_flight"]))
        table.add_row(kill["target"], kill["phase"], f"{kill['at_s']} s", *counts, *after)
    console.print(table)


def _show_checks(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="核对 · Checks, from the exported topics alone", title_justify="left")
    table.add_column("check")
    table.add_column("found", justify="right")
    table.add_column("")
    for name, good in checks(report).items():
        table.add_row(name, str(report[name]), "[green]✓[/]" if good else "[red]✗[/]")
    console.print(table)
    if report["lie"]:
        console.print(f"[red]The first lie:[/] {json.dumps(report['lie'], ensure_ascii=False)}")


def checks(report: dict[str, Any]) -> dict[str, bool]:
    """Each check and whether it holds."""
    return {
        "oversold_slots": report["oversold_slots"] == 0,
        "undecided": report["undecided"] == 0,
        "duplicate_outcomes": report["duplicate_outcomes"] == 0,
        "chains_verified": report["chains_verified"] is True,
        "verifier_agrees": report["verifier_agrees"] is True,
        "claim_conflicts": report["claim_conflicts"] == 0,
        "notifications_missing": report["notifications_missing"] == 0,
        "notifications_unowed": report["notifications_unowed"] == 0,
        "notifications_doubled": report["notifications_doubled"] == 0,
        "gave_up": report["gave_up"] == 0,
    }
