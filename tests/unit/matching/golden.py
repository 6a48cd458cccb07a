"""A log that never changes, and what was decided on it: `python -m tests.unit.matching.golden` wrote both, once.

Slots under every rule version: for each, cases of the tables until every outcome for every reason is there. A new
version gets a folder of its own; a folder that is there is never written again.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs
from youai_contracts.events import ClaimEndRequested, ClaimRequested, SlotOpened, SlotRecord, demand_slot

from tests.unit.matching.fakes import RULES, LogRecord, Partition
from tests.unit.matching.records import on_log
from tests.unit.matching.scenes import steps
from tests.unit.matching.steps import Step, play, told
from tests.unit.matching.tables import TABLES
from tests.unit.matching.test_bookings import LIFE
from tests.unit.matching.test_claims import CLAIMS

FOLDER = Path(__file__).parent / "golden"
PARTITION = 7
RULES_OF_2027 = [steps(text) for text in TABLES.values() if "rules=" not in text]
OF_VERSION = {
    "2026-11": [*LIFE.values()],
    "2026-12": [*LIFE.values(), *CLAIMS.values()],
    "2027-01": [*RULES_OF_2027, *CLAIMS.values()],
}


def cases(tables: Iterable[list[Step]]) -> list[list[Step]]:
    """Cases that between them have all that becomes of a record: each adds something."""
    seen: set[str] = set()
    chosen = []
    for life in tables:
        becomes = [told(verdict) for verdict in play(life)]
        words = {text for text in becomes if isinstance(text, str)}
        words |= {" ".join(" ".join(said[1:3]) for said in told_) for told_ in becomes if isinstance(told_, list)}
        if not words <= seen:
            seen |= words
            chosen.append(life)
    return chosen


def log(version: str) -> list[LogRecord]:
    """The cases of a version, each in a slot of its own, one after the other in one partition."""
    records: list[LogRecord] = []
    for number, life in enumerate(cases(OF_VERSION[version])):
        of_claims = life[0].record.slot_id.startswith("demand:")
        for place, step in enumerate(life):
            name = f"{version}-{number}"
            event: SlotRecord = structs.replace(step.record, slot_id=demand_slot(name) if of_claims else name)
            if isinstance(event, SlotOpened):
                event = structs.replace(event, rule_version=RULES.named(version).version)
                event = structs.replace(event, offer_id=name, session_id=name)
            elif isinstance(event, ClaimRequested | ClaimEndRequested):
                event = structs.replace(event, demand_id=name)
            id_ = step.id or f"e{place}"
            records.append(on_log(event, id_, step.at, PARTITION, len(records)))
    return records


async def write() -> None:
    for version in OF_VERSION:
        folder = FOLDER / version
        if not folder.exists():
            folder.mkdir(parents=True)
            partition = Partition(PARTITION)
            await partition.append(log(version))
            for name, content in partition.export().items():
                (folder / name).write_bytes(content)


if __name__ == "__main__":
    asyncio.run(write())
