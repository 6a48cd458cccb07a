"""`youai demo`: the main job, from an empty folder to checked decisions."""

import asyncio
import functools
import gc
import json
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from youai_contracts import topics

from youai_stack import launch, tokens
from youai_stack.demo import faults, speed, verdict
from youai_stack.demo.calls import Attempts, Patient
from youai_stack.demo.fold import fold
from youai_stack.demo.load import Loader
from youai_stack.demo.market import market
from youai_stack.demo.month import Month, Told
from youai_stack.demo.plan import RUSH_SECONDS, City, Send, plan_rush, read_city
from youai_stack.demo.rush import Rush, Tally
from youai_stack.demo.scenes import Scenes, short_rules
from youai_stack.demo.watch import Watch, until_quiet
from youai_stack.display import Display
from youai_stack.errors import StackError
from youai_stack.home import Home

OPENS_AFTER_S = 45
"""How long before the opening the city is loaded and the month played; a slower machine opens when it is ready."""
SETTLE_S = 120.0
TOLD_S = 60.0
KILL_EVERY_S = 12.0
IN_THE_RUSH = ("matching", "postgres", "kafka")
IN_THE_MONTH = ("catalog", "demand", "notify", "portal", "matching")
"""What is killed when: each where it has most to do; matching decides claims in the month and bookings in the rush."""
KNOWN = tuple(dict.fromkeys(IN_THE_RUSH + IN_THE_MONTH))


def demo(
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, max=1_000_000, help="Booking requests.")] = 20_000,
    demands: Annotated[int, typer.Option("--demands", min=1, max=100_000, help="Demands of the month.")] = 1_500,
    exit_: Annotated[bool, typer.Option("--exit", help="Stop when done, in place of staying up.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the home and its data.")] = False,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write the findings as JSON.")] = None,
    kill: Annotated[
        str,
        typer.Option("--kill", metavar="NAMES", help="kill -9 these in mid-rush or in the month; matching in both."),
    ] = "",
    home: Annotated[Path | None, typer.Option("--home", help="Folder for the run (default: a new one).")] = None,
) -> None:
    """Bring up a stack of its own, play a city's month and a booking rush of one minute, and check every decision."""
    targets = [name.strip() for name in kill.split(",") if name.strip()]
    for name in targets:
        if name not in KNOWN:
            raise typer.BadParameter(f"`{name}` is none of {', '.join(KNOWN)}", param_hint="--kill")
    if report is not None and not report.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {report.absolute().parent}", param_hint="--report")
    if home is not None and Home(home).exists():
        raise StackError(f"{home} holds a stack already: the demonstration wants a new home.")
    place = Home(home if home is not None else Path(tempfile.mkdtemp(prefix="youai-demo-")))
    console = Console(highlight=False)
    try:
        findings = _run(place, console, demands, requests, targets)
        if report is not None:
            report.write_text(json.dumps(findings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        good = all(verdict.checks(findings).values())
        console.print("[green]All checks hold.[/]" if good else "[red]A check failed.[/]")
        if not exit_:
            _stay(place, console)
    finally:
        launch.down(place)
        if not keep:
            shutil.rmtree(place.path, ignore_errors=True)
        else:
            console.print(f"Kept: {place.path}")
    if not good:
        raise typer.Exit(1)


def killed_in(phase: faults.Phase, targets: list[str]) -> list[str]:
    """Which of the targets are killed in the month or in the rush, in the order in which they were named."""
    return [name for name in targets if name in (IN_THE_RUSH if phase == "rush" else IN_THE_MONTH)]


def _run(home: Home, console: Console, demands: int, requests: int, targets: list[str]) -> dict[str, Any]:
    begun = time.monotonic()
    home.create()
    os.environ |= {"YOUAI_RULES": short_rules(rules_folder(home)), "YOUAI_RULES_FOLDER": str(rules_folder(home))}
    with Display(console) as display:
        up = launch.up(home, with_parent=True, on_progress=display.on_progress)
    if "kafka" in targets:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)  # a broker that we kill ourselves is no news
    return asyncio.run(Demo(home, console, up, begun).run(demands, requests, targets))


def rules_folder(home: Home) -> Path:
    """Where the demonstration's own rule version lies."""
    return home.path / "rules"


def _stay(home: Home, console: Console) -> None:
    for name, service in home.status()["services"].items():
        console.print(f"{name}: {service['url']}")
    console.print(f"home: {home.path}   Ctrl-C ends it.")
    with suppress(KeyboardInterrupt):
        while home.is_running():
            time.sleep(0.5)


@dataclass
class Demo:
    """One run on a stack that is up: the city, the month, the rush, the verdict."""

    home: Home
    console: Console
    up: launch.Up
    begun: float
    tally: Tally = field(default_factory=Tally)
    attempts: Attempts = field(default_factory=Attempts)
    kills: list[faults.Kill] = field(default_factory=list)
    generator_cpu_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    async def run(self, demands: int, requests: int, targets: list[str]) -> dict[str, Any]:
        """All of it; returns the report."""
        run = uuid.uuid4().hex[:8]
        loading = time.monotonic()
        opens_at = datetime.now(UTC) + timedelta(seconds=OPENS_AFTER_S)
        city = read_city(opens_at)
        sends = plan_rush(city, requests, run)
        token = functools.cache(self._token)
        for send in sends:
            token(send.venue_id, "venue-staff")  # who means to book has signed in before it opens
        gc.collect()
        gc.freeze()  # plans and clients come by the hundred thousand and make no cycles
        gc.set_threshold(50_000, 20, 50)
        watch = Watch(self.up.status["kafka"]["bootstrap"])
        async with AsyncExitStack() as stack:
            progress = stack.enter_context(
                Progress(
                    TextColumn("{task.description:<28}"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    console=self.console,
                )
            )
            http = await stack.enter_async_context(
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
                )
            )
            watching = asyncio.create_task(watch.run())
            stack.callback(watching.cancel)
            urls = {name: service["url"] for name, service in self.up.status["services"].items()}
            calls = Patient(urls, token, self.attempts)
            stack.callback(calls.close)
            await self._load(http, progress, city, run)
            self.seconds["load"] = time.monotonic() - loading
            playing = time.monotonic()
            told, _ = await asyncio.gather(
                self._month(calls, progress, city, demands, run),
                self._kill("month", targets, watch, playing, first_s=3.0, every_s=6.0),
            )
            self.seconds["month"] = time.monotonic() - playing
            await self._until(opens_at)
            rushing = time.monotonic()
            await self._rush(calls, progress, city, run, sends, targets, watch)
            await self._settle(progress, watch)
            self.seconds["rush"] = time.monotonic() - rushing
        return await self._judge(city, watch, told)

    async def _month(self, calls: Patient, progress: Progress, city: City, demands: int, run: str) -> Told:
        bar = progress.add_task("demands of the month", total=demands)
        return await Month(calls, city.rows, demands, run, lambda count: progress.advance(bar, count)).play()

    @staticmethod
    async def _until(opens_at: datetime) -> None:
        wait = (opens_at - datetime.now(UTC)).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _load(self, http: aiohttp.ClientSession, progress: Progress, city: City, run: str) -> None:
        sizes = {
            "organizations": len(city.rows),
            "offers": len(city.offers),
            "sessions": len(city.weights),
        }
        bars = {name: progress.add_task(f"load {name}", total=size) for name, size in sizes.items()}
        loader = Loader(
            http,
            self.up.status["services"]["catalog"]["url"],
            self._token("center", "center"),
            lambda name, count: progress.advance(bars[name], count),
        )
        await loader.load(city, run)
        await self._until_read(http, progress, city)

    async def _until_read(self, http: aiohttp.ClientSession, progress: Progress, city: City) -> None:
        """Wait until matching has read every session back: only then can its slot be booked."""
        url = self.up.status["services"]["matching"]["url"]
        headers = {"Authorization": f"Bearer {self._token('center', 'center')}"}
        bar = progress.add_task("slots opened", total=len(city.weights))
        deadline = time.monotonic() + SETTLE_S
        for slot_id in city.weights:
            while True:
                async with http.get(f"{url}/v1/slots/{slot_id}", headers=headers) as answer:
                    if answer.status == 200:
                        break
                if time.monotonic() > deadline:
                    raise StackError(
                        f"Slot {slot_id} was not opened within {SETTLE_S:.0f} s: see `youai logs matching`."
                    )
                await asyncio.sleep(0.1)
            progress.advance(bar)

    async def _rush(
        self,
        calls: Patient,
        progress: Progress,
        city: City,
        run: str,
        sends: list[Send],
        targets: list[str],
        watch: Watch,
    ) -> None:
        rush = Rush(calls, watch, self.tally)
        scenes = Scenes(calls, city, sends, run)
        bars = (progress.add_task("sent", total=len(sends)), progress.add_task("decided", total=None))
        started, used = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(self._show(progress, bars, watch))
            work: list[Awaitable[None]] = [
                rush.run(sends),
                scenes.play(started),
                self._kill("rush", targets, watch, started, RUSH_SECONDS / 4, KILL_EVERY_S),
            ]
            await asyncio.gather(*work)
            showing.cancel()
        self.generator_cpu_s = time.process_time() - used

    async def _show(self, progress: Progress, bars: tuple[TaskID, TaskID], watch: Watch) -> None:
        while True:
            progress.update(bars[0], completed=self.tally.sent)
            progress.update(bars[1], completed=len(watch.first), total=max(len(self.tally.accepted), 1))
            await asyncio.sleep(0.1)

    async def _kill(
        self, phase: faults.Phase, targets: list[str], watch: Watch, started: float, first_s: float, every_s: float
    ) -> None:
        """Kill those of the targets that are killed in this phase, each when the one before is whole again."""
        for number, target in enumerate(killed_in(phase, targets)):
            wait = started + first_s + number * every_s - time.monotonic()
            await asyncio.sleep(max(wait, 0))
            self.kills.append(await faults.kill(self.home, phase, target, watch, self.tally, started))

    async def _settle(self, progress: Progress, watch: Watch) -> None:
        """Wait until every request that was taken has its first outcome, and nothing is held for anybody any more."""
        bar = progress.add_task("settled", total=len(self.tally.accepted))
        deadline = time.monotonic() + SETTLE_S
        while True:
            left = sum(1 for request_id in self.tally.accepted if request_id not in watch.first) + len(watch.held)
            progress.update(bar, completed=len(self.tally.accepted) - left)
            if not left or time.monotonic() > deadline:
                return
            watch.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await watch.changed.wait()

    async def _judge(self, city: City, watch: Watch, told: Told) -> dict[str, Any]:
        with self.console.status("exports the topics and verifies every decision"):
            folder = self.home.path / "export"
            folder.mkdir()
            exported, month = await self._export(folder)
            found = await verdict.verify(folder, self.tally.told, rules_folder(self.home))
            found |= await asyncio.to_thread(market, folder)
        report = {
            "offers_published": len(city.offers),
            "sessions": len(city.weights),
            "booking_requests": self.tally.sent,
            "late_sends": self.tally.late,
            **month,
            "grounds_open": told.grounds_open,
            "claim_conflicts": found["claim_conflicts"],
            "answers": {str(status): count for status, count in sorted(self.tally.answers.items())},
            "attempts": {str(status): count for status, count in sorted(self.attempts.by_status.items())},
            "gave_up": self.attempts.gave_up,
            "cancelled": self.tally.cancelled,
            "holds_accepted": self.tally.holds_accepted,
            "holds_declined": self.tally.holds_declined,
            "kills": [kill.as_json() for kill in self.kills],
            "exported_records": exported,
            "verifier_agrees": found["ok"],
            **{name: found[name] for name in _FOUND},
            **speed.figures(self.tally, watch, self.generator_cpu_s),
            "seconds": {
                "download": round(float(os.environ.get("YOUAI_DOWNLOAD_SECONDS", "0")) + self.up.download_seconds, 1),
                "stack_up": round(self.up.seconds, 1),
                **{name: round(took, 1) for name, took in self.seconds.items()},
                "total": round(time.monotonic() - self.begun, 1),
            },
        }
        speed.show(self.console, report)
        verdict.show(self.console, report)
        return report

    async def _export(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        """Export, and again while somebody is still to be told: notifications follow decisions by some seconds."""
        bootstrap = self.up.status["kafka"]["bootstrap"]
        deadline = time.monotonic() + TOLD_S
        await until_quiet(bootstrap, topics.NOTIFICATION, TOLD_S)
        while True:
            exported = await verdict.export_all(bootstrap, folder)
            month = await asyncio.to_thread(fold, folder)
            if not month["notifications_missing"] or time.monotonic() > deadline:
                return exported, month
            await asyncio.sleep(1.0)

    def _token(self, organization: str, role: str) -> str:
        return tokens.sign(self.home.keys, organization=organization, role=role, subject="demo", hours=2)


_FOUND = (
    "decisions",
    "first_outcomes",
    "oversold_slots",
    "undecided",
    "duplicate_outcomes",
    "chains_verified",
    "repeats",
    "refused",
    "duplicates_published",
    "booking_rate_by_provider",
    "unmet_by_category",
    "lie",
)
