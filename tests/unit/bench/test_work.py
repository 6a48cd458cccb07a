"""The work: seeded, of the shares that it is to have, and the same wherever it is made."""

import pytest
from youai_bench import work as works
from youai_bench.work import NAMES
from youai_runtime.kafka import partition_of


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_makes_the_same_requests(name: str) -> None:
    assert list(works.make(name, 500)) == list(works.make(name, 500))
    assert list(works.make(name, 500)) != list(works.make(name, 500, seed=2))


@pytest.mark.parametrize("name", NAMES)
def test_nine_of_ten_find_no_place_and_one_of_twenty_is_a_repeat(name: str) -> None:
    work = works.make(name, 20_000)
    assert 1 - work.requests / work.records == pytest.approx(0.05, abs=0.01)
    assert sum(slot.capacity for slot in work.slots) / work.requests == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_repeat_is_its_first_again_in_the_same_slot(name: str) -> None:
    first: dict[str, str] = {}
    for ask in works.make(name, 5_000):
        assert ask.repeat == (ask.request_id in first)
        assert first.setdefault(ask.request_id, ask.slot.slot_id) == ask.slot.slot_id


def test_ids_are_told_apart_and_follow_no_order() -> None:
    ids = [ask.request_id for ask in works.make("one-slot", 5_000) if not ask.repeat]
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)
    assert all(len(id_) == len("booking-") + 32 for id_ in ids)


def test_slots_lie_where_their_keys_fall() -> None:
    for name in NAMES:
        for slot in works.make(name, 100).slots:
            assert slot.partition == partition_of(slot.slot_id.encode(), works.PARTITIONS)
    assert {slot.partition for slot in works.make("uniform", 100).slots} == set(range(works.PARTITIONS))
    assert len({slot.partition for slot in works.make("one-partition", 100).slots}) == 1
    assert len(works.make("one-slot", 100).slots) == 1


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="uniform"):
        works.make("monday", 10)
