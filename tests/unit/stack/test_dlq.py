"""A dead letter is somebody else's bytes: shown whole, and never obeyed."""

from types import SimpleNamespace

import pytest
from youai_stack import dlq
from youai_stack.errors import StackError


def record(value: bytes | None, headers: list[tuple[str, bytes]]) -> SimpleNamespace:
    return SimpleNamespace(
        topic="youai.catalog.dead-letter.v1", partition=0, offset=4, key=b"k\x1b", headers=headers, value=value
    )


def test_it_says_where_it_came_from_and_why() -> None:
    noted = {"topic": b"youai.offer.v1", "partition": b"3", "offset": b"7", "error": b"no JSON", "attempts": b"2"}
    letter = dlq.read(record(b"{}", [(f"dead-letter-{name}", text) for name, text in noted.items()]))
    assert (letter.source, letter.error, letter.attempts) == ("youai.offer.v1/3/7", "no JSON", "2")


def test_nothing_in_it_steers_a_terminal() -> None:
    letter = dlq.read(record(b"\x1b[2J\xff\x00", [("a\x07", b"\x1b]0;x")]))
    shown = "".join((letter.value, letter.key or "", *letter.headers, *letter.headers.values()))
    assert all(character.isprintable() for character in shown)
    assert "\\xff" in letter.value


def test_without_notes_and_value_it_is_shown_all_the_same() -> None:
    letter = dlq.read(record(None, []))
    assert (letter.source, letter.error, letter.value) == ("?/?/?", "?", "")


async def test_another_topic_is_refused() -> None:
    with pytest.raises(StackError, match="no dead-letter topic"):
        await dlq.letter("127.0.0.1:1", "youai.offer.v1", 0, 0)
