"""What happens in the rush besides bookings: a provider cuts places, the guidance center overrides; and short holds."""

import asyncio
import csv
import json
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from youai_stack import commands_rules
from youai_stack.demo.calls import Patient
from youai_stack.demo.plan import CUT_SESSION, CUT_TO, OVERRIDE_SESSION, RUSH_SECONDS, SHANGHAI, City, Send

BASE = "2027-01"
NAME = "demonstration"
HOLD_S = 8
CENTER = ("center", "center")


def short_rules(folder: Path) -> str:
    """Write a rule version for the demonstration into the folder, and return its name.

    It is the city's version with seconds in place of hours: what is held lapses while one looks on, at any hour, today.
    """
    today = datetime.now(SHANGHAI).date()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        days = Path(scratch) / "days.csv"
        with days.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("date", "kind", "note"))
            writer.writerows(((today + timedelta(days=n)).isoformat(), "works", "") for n in range(-1, 3))
        rules: dict[str, Any] = json.loads(commands_rules.tool("make", NAME, "--base", BASE, "--calendar", str(days)))
    rules["hold"] |= {"far_ms": HOLD_S * 1000, "middle_working_ms": HOLD_S * 1000, "near_ms": HOLD_S * 1000}
    rules["calendar"]["working_hours"] = ["00:00", "23:59"]
    (folder / f"{NAME}.json").write_text(json.dumps(rules, ensure_ascii=False, indent=1), encoding="utf-8")
    return NAME


class Scenes:
    """Plays its scenes at their times in the rush; each is asked until it is taken."""

    def __init__(self, calls: Patient, city: City, sends: list[Send], run: str) -> None:
        self._calls = calls
        asked = {send.venue_id for send in sends if send.slot_id == OVERRIDE_SESSION}
        self._forgotten = next(venue for venue in city.venues if venue not in asked)
        self._run = run

    async def play(self, started: float) -> None:
        """All scenes, by a clock (monotonic) that began with the rush. Raises StackError with what was refused."""
        await self._at(started, RUSH_SECONDS * 0.6)
        await self._cut()
        await self._at(started, RUSH_SECONDS * 0.7)
        await self._override()

    @staticmethod
    async def _at(started: float, seconds: float) -> None:
        await asyncio.sleep(max(started + seconds - time.monotonic(), 0))

    async def _cut(self) -> None:
        """The provider has a smaller room: the newest bookings lose their places, and are the first to wait."""
        body = {"capacity": CUT_TO, "reason": "场地临时调整，名额减少"}
        path = f"/v1/sessions/{CUT_SESSION}"
        await self._calls.must("catalog", "PATCH", path, CENTER, key=f"{self._run}-cut", body=body)

    async def _override(self) -> None:
        """The center brings a full session's places up by two, for a venue that it names, and says why."""
        path = f"/v1/slots/{OVERRIDE_SESSION}"
        slot = await self._calls.must("matching", "GET", path, CENTER)
        body = {
            "venue_id": self._forgotten,
            "party_size": 2,
            "capacity": int(slot["capacity"]) + 2,
            "explanation": "该社区老年居民集中，经联席会议同意增加两个名额",
        }
        await self._calls.must("matching", "POST", f"{path}/overrides", CENTER, key=f"{self._run}-override", body=body)
