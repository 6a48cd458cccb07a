"""What a slot remembers: keys for ids, one object for what is alike, and of what has ended no more than its id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from youai_matching.domain.keys import id_of, key_of
from youai_matching.domain.request import Common, Request, asked
from youai_matching.domain.state import Slot

from tests.unit.matching.fakes import Partition
from tests.unit.matching.logs import Item, build
from tests.unit.matching.records import ask, cancel, opened
from tests.unit.matching.steps import S, play

HEX = "0123456789abcdef"
OF_THE_DOOR = "booking-" + "0f" * 16
LOOKS_LIKE_IT = ["0F" * 16, "-" + "f" * 31, "+" + "0" * 31, "0x" + "0" * 30, "1_" * 15 + "11", " " + "1" * 31, "١" * 32]


@given(st.text(HEX, min_size=32, max_size=32))
def test_an_id_of_the_door_is_a_number_and_comes_back(digits: str) -> None:
    key = key_of(f"booking-{digits}")
    assert key == int(digits, 16)
    assert id_of(key) == f"booking-{digits}"


@pytest.mark.parametrize("digits", LOOKS_LIKE_IT)
def test_what_only_looks_like_one_stays_as_it_is(digits: str) -> None:
    id_ = f"booking-{digits}"
    assert len(id_) == len(OF_THE_DOOR)
    assert key_of(id_) == id_of(key_of(id_)) == id_


@given(st.text(max_size=60))
def test_any_other_id_is_its_own_key(id_: str) -> None:
    assert id_of(key_of(id_)) == id_


@given(st.integers(0, 2**53), st.integers(-(2**31) + 1, 2**31 - 1))
def test_offset_and_rank_are_kept_in_one_number(offset: int, rank: int) -> None:
    request = Request.of("r", "v", offset, Common(1), rank)
    assert (request.offset, request.rank, request.since, request.is_ahead) == (offset, rank, abs(rank), rank < 0)
    request.become("waitlisted", 7)
    assert (request.offset, request.rank, request.status) == (offset, 7, "waitlisted")
    request.lead()
    assert (request.offset, request.rank, request.since) == (offset, -7, 7)


def test_requests_that_are_alike_share_what_they_have_in_common() -> None:
    one, other = (Request.new(id_, id_, 1, asked(2, "town", 0, None, True)) for id_ in "ab")
    one.become("waitlisted", 1)
    other.become("waitlisted", 2)
    assert one.common is other.common is Request.of("c", "c", 3, Common(2, "waitlisted", town="town", own=True)).common


def test_of_what_has_ended_the_id_is_remembered_and_its_first_record() -> None:
    slot = Slot("s1")
    life = [
        S(opened(1), "applied", id="o"),
        S(ask(OF_THE_DOOR, venue="a"), "", id=OF_THE_DOOR),
        S(ask("named-otherwise", venue="b"), "", id="x"),
        S(cancel(OF_THE_DOOR), "", id="c"),
        S(cancel("named-otherwise"), "", id="d"),
        S(ask(OF_THE_DOOR, venue="a"), "", id=OF_THE_DOOR),
        S(ask(OF_THE_DOOR, venue="a"), "", id="again"),
        S(ask("named-otherwise", venue="b"), "", id="named-otherwise"),
    ]
    verdicts = play(life, slot)
    assert slot.requests == {}
    assert slot.ended == {key_of(OF_THE_DOOR): 1, "named-otherwise": -1}
    assert slot.seen == {"o": 0, "x": 2, "c": 3, "d": 4, "again": 6, "named-otherwise": 7}
    assert [(verdict.kind, verdict.original) for verdict in verdicts[5:]] == [
        ("repeat", 1),
        ("ignored", None),
        ("ignored", None),
    ]


async def test_the_tables_give_back_the_same_memory() -> None:
    partition = Partition()
    records = [
        (opened(1, slot="s1"), "o"),
        *((ask(f"r{number}", venue=f"v{number}", slot="s1"), f"r{number}") for number in range(3)),
        (ask("r3", venue="v3", slot="s1"), "another"),
        (cancel("r0", slot="s1"), "c0"),
        (cancel("r3", slot="s1"), "r3"),
    ]
    await partition.append(build([Item(event, float(number), id_) for number, (event, id_) in enumerate(records)]))
    remembered = partition.slots()["s1"]
    assert remembered.ended == {"r0": 1, "r3": -1}
    assert list(remembered.requests) == ["r1", "r2"]
    assert await partition.stored() == {"s1": remembered}
