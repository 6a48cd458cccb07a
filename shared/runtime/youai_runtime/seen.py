"""What a lane has seen already: it is told by where a record stands at its source, and dropped."""

from collections.abc import Sequence

from youai_contracts.topics import Topic

from youai_runtime.work import Record, Work

Mark = tuple[int, ...] | None
"""A high-water mark: the position at the source up to where all is seen; None before the first."""


def drop_seen(work: Work, partition: int, records: Sequence[Record], high_water: Mark) -> tuple[Sequence[Record], Mark]:
    """The records that the mark does not cover, and the mark after them. All and the same where the work wants that."""
    if not work.deduplicates:
        return records, high_water
    fresh = []
    movers: list[tuple[tuple[int, ...], Record]] = []  # what has moved the mark in this batch, ascending

    def mark() -> Mark:
        """The mark, moved by records that can be read alone: what is no event says nothing of those after it."""
        while movers and not work.is_readable(movers[-1][1]):
            movers.pop()
        return movers[-1][0] if movers else high_water

    for record in records:
        headers = dict(record.headers)  # of several of one name the one that its event is read with
        retried_for = headers.get("dead-letter-retried-for")
        if retried_for is not None:
            # Appended again under its old id, for the one service that could not read it (`youai dlq retry`).
            if retried_for == work.name.partition(".")[0].encode():
                fresh.append(record)
            continue
        position = source_position(work.topic, partition, headers.get("ce_id") or b"")
        if position is not None:
            reached = movers[-1][0] if movers else high_water
            if reached is not None and position <= reached:
                reached = mark()
                if reached is not None and position <= reached:
                    continue
            movers.append((position, record))
        fresh.append(record)
    return fresh, mark()


def source_position(topic: Topic, partition: int, id_: bytes) -> tuple[int, ...] | None:
    """Where a record stands at its source, by its `ce_id`: (position,) of an outbox, (offset, index) of a decision.

    An id is `{writer}-{position}` or `{partition}-{offset}-{index}`; None for any other, which is never dropped.
    """
    source, *numbers = id_.split(b"-")
    if not numbers or (source != b"%d" % partition and source != topic.writer.encode()):
        return None
    if not b"".join(numbers).isdigit() or not all(0 < len(number) <= 18 for number in numbers):
        return None
    return tuple(map(int, numbers))
