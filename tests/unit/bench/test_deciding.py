"""The log that the bench fills is the real format, and our own decide on it passes the bench's check."""

from collections import defaultdict
from datetime import UTC, datetime

import msgspec
import pytest
from youai_bench import deciding, slot_log
from youai_bench import work as works
from youai_bench.check import check
from youai_bench.reading import Event
from youai_bench.system import Outcomes, Told
from youai_bench.work import NAMES, Work
from youai_matching import store
from youai_matching.domain.state import At

NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)


def decided(work: Work) -> list[store.Batch]:
    """What our decide makes of a work's log."""
    loop = deciding.Deciding()
    offsets: dict[int, int] = defaultdict(int)
    for partition, message in slot_log.messages(work, NOW):
        at = At(partition, offsets[partition], int(NOW.timestamp() * 1000), "")
        loop.decide(at, message.key, message.value, message.headers)
        offsets[partition] += 1
    return loop.take_out()


def outcomes(batches: list[store.Batch]) -> Outcomes:
    """The same as rows, events and answers."""
    decoder = msgspec.json.Decoder(Event)
    said = [decoder.decode(event.value) for event in deciding.events(batches)]
    first = {(batch.partition, row.offset): row.decided.event.outcome for batch in batches for row in batch.decisions}
    return Outcomes(
        rows=[
            Told(slot_id, request.request_id, request.status, request.offset)
            for batch in batches
            for (slot_id, _), request in (batch.moved | batch.added).items()
        ],
        events=[Told(event.slot_id, event.request_id, event.outcome, event.log_offset) for event in said],
        answers=[
            (receipt.record_id or "", first[batch.partition, receipt.original or 0])
            for batch in batches
            for receipt in batch.receipts
            if receipt.kind == "repeat"
        ],
    )


@pytest.mark.parametrize("waitlist", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_our_decide_passes_the_check(name: str, waitlist: bool) -> None:
    work = works.make(name, 600, waitlist=waitlist)
    assert check(work, "log", outcomes(decided(work))) == []


def test_every_record_has_its_receipt() -> None:
    work = works.make("uniform", 600)
    kinds = [receipt.kind for batch in decided(work) for receipt in batch.receipts]
    assert kinds.count("decided") == work.requests
    assert kinds.count("repeat") == work.records - work.requests
    assert kinds.count("applied") == len(work.slots)
    assert len(kinds) == work.records + len(work.slots)
