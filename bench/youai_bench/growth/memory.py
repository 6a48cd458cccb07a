"""What bookings weigh in a worker: `python -m youai_bench.growth.memory engine | dicts NUMBER` prints bytes a booking.

`engine` decides so many requests by the pure core and keeps its slots; `dicts` keeps the same facts as plain dicts, one
a request beside its slot's indexes, as a first draft would.
"""

import ctypes
import gc
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.events import SlotRecord
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot
from youai_matching.rule_files import RuleBook
from youai_stack.errors import StackError

from youai_bench import slot_log
from youai_bench.growth.cost import spread
from youai_bench.work import SLOTS, Work

_PATIENCE_S = 900.0


def weigh(kind: str, number: int) -> float:
    """Bytes a booking, measured in a process of its own. Blocks; raises StackError where it fails."""
    argv = [sys.executable, "-P", "-m", "youai_bench.growth.memory", kind, str(number)]
    done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        raise StackError(f"Memory could not be measured: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def _resident() -> int:
    """Bytes that this process holds, after what is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _engine(work: Work) -> object:
    """What a worker remembers after a work's requests, each decoded from its own bytes."""
    now = datetime.now(UTC)
    milliseconds = int(now.timestamp() * 1000)
    rules = RuleBook().by_version
    slots = {slot.slot_id: Slot(slot.slot_id) for slot in work.slots}
    for place, (partition, message) in enumerate(slot_log.messages(work, now)):
        received = codec.decode(topics.SLOT_LOG, message.key, message.value, message.headers)
        assert isinstance(received.event, SlotRecord)
        at = At(partition, place, milliseconds, received.id)
        decide(slots[received.event.slot_id], at, received.event, rules)
    return slots


def _own(text: str) -> str:
    return text.encode().decode()


def _dicts(work: Work) -> object:
    """The same facts of the same requests in plain dicts."""
    slots: dict[str, dict[str, dict[str, Any]]] = {
        slot.slot_id: {"requests": {}, "queue": {}, "live": {}, "seen": {}} for slot in work.slots
    }
    for place, ask in enumerate(work):
        slot, own = slots[ask.slot.slot_id], _own(ask.request_id)
        slot["requests"][own] = slot["queue"][own] = {
            "request_id": own,
            "venue_id": ask.venue_id,
            "party_size": 1,
            "offset": place,
            "status": "waitlisted",
            "name": "",
            "town": _own("town-1"),
            "points": 0,
            "working_hours": None,
            "drawn_in": False,
            "rank": place,
            "second": False,
            "passes": 0,
            "lapses": 0,
            "since": place,
        }
        slot["live"][ask.venue_id] = own
        slot["seen"][ask.request_id] = place
    return slots


def main() -> None:
    """Print bytes a booking."""
    kind, number = sys.argv[1], int(sys.argv[2])
    make = {"engine": _engine, "dicts": _dicts}[kind]
    make(spread(SLOTS, 1_000, waitlist=True))
    work = spread(SLOTS, number, waitlist=True)  # nine in ten are in the queue
    before = _resident()
    kept = make(work)
    print((_resident() - before) / number)
    del kept


if __name__ == "__main__":
    main()
