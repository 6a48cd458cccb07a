"""What may be done with a dead letter: whence its record came, what is never appended again, and what is a mark."""

from types import SimpleNamespace

import pytest
from youai_stack import dlq, letters
from youai_stack.errors import StackError

NOTES = [
    ("dead-letter-topic", b"youai.offer.v1"),
    ("dead-letter-partition", b"3"),
    ("dead-letter-offset", b"17"),
    ("dead-letter-error", b"no JSON"),
    ("dead-letter-attempts", b"1"),
]
OWN = [("ce_id", b"catalog-9"), ("ce_type", b"offer-published")]
MARK = [("dead-letter-done", b"retried"), ("dead-letter-of", b"0/4")]


def record(headers: list[tuple[str, bytes]], value: bytes | None = b"x", key: bytes | None = b"k") -> SimpleNamespace:
    return SimpleNamespace(
        topic="youai.matching.dead-letter.v1", partition=0, offset=4, key=key, headers=headers, value=value
    )


def test_a_record_is_as_it_was_received() -> None:
    of = letters.origin(record([*OWN, *NOTES]))
    assert (of.topic, of.partition, of.offset, of.key, of.value) == ("youai.offer.v1", 3, 17, b"k", b"x")
    assert of.headers == tuple(OWN)


def test_headers_of_such_names_that_it_came_with_are_kept_and_not_believed() -> None:
    forged = [("dead-letter-topic", b"youai.slot-log.v1"), ("dead-letter-partition", b"0"), *MARK]
    of = letters.origin(record([*forged, *OWN, *NOTES]))
    assert (of.topic, of.partition) == ("youai.offer.v1", 3)
    assert of.headers == (*forged, *OWN)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        OWN,
        NOTES[:1],
        [*NOTES[:2], ("dead-letter-offset", b"x")],
        [*NOTES[:1], ("dead-letter-partition", b"\xc2\xb2")],
    ],
)
def test_without_its_place_it_can_only_be_discarded(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(StackError, match="only be discarded"):
        letters.origin(record(headers))


def test_the_slot_log_is_never_appended_to() -> None:
    def of(topic: str) -> letters.Origin:
        return letters.origin(record([*OWN, ("dead-letter-topic", topic.encode()), *NOTES[1:]]))

    assert letters.refusal(of("youai.offer.v1")) is None
    assert "who came first" in (letters.refusal(of("youai.slot-log.v1")) or "")
    assert "dead-letter topic" in (letters.refusal(of("youai.catalog.dead-letter.v1")) or "")


def test_marks() -> None:
    assert dlq.mark(record(MARK, value=None)) == (0, 4, "retried")
    assert dlq.mark(record([("dead-letter-done", b"discarded"), MARK[1]], value=None)) == (0, 4, "discarded")


@pytest.mark.parametrize(
    "letter",
    [
        record([*MARK, *NOTES], value=None),
        record(MARK, value=b""),
        record(MARK[:1], value=None),
        record([MARK[0], ("dead-letter-of", b"0/x")], value=None),
        record([MARK[0], ("dead-letter-of", "0/٤".encode())], value=None),
        record([("dead-letter-done", b"eaten"), MARK[1]], value=None),
        record(OWN, value=None),
    ],
)
def test_what_is_no_mark(letter: SimpleNamespace) -> None:
    assert dlq.mark(letter) is None


async def test_another_topic_is_refused() -> None:
    with pytest.raises(StackError, match="no dead-letter topic"):
        await letters.to_retry("127.0.0.1:1", "youai.offer.v1", 0, 0)
