"""A lane: every record once, in order, in the transaction that moves progress; or it stops and says so."""

import asyncio

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError, OffsetOutOfRangeError
from youai_runtime.way import MANY, Way
from youai_runtime.work import fingerprint

from tests.unit.runtime.fakes import COMPACTED, TOPIC, Noting, Rec, Row, Scene, records


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("youai_runtime.lane.random.uniform", lambda _low, _high: 0.0)


def went_away() -> asyncpg.PostgresConnectionError:
    return asyncpg.PostgresConnectionError("gone")


async def test_works_every_record_once_in_order_and_moves_progress() -> None:
    scene = Scene(p0=3, p1=2)
    await scene.run(lambda: scene.append(0, 2))
    assert (scene.work.worked(0), scene.work.worked(1)) == ([0, 1, 2, 3, 4], [0, 1])
    assert (scene.database.rows[0].next_offset, scene.database.rows[1].next_offset) == (5, 2)
    assert scene.database.rows[0].last_id == fingerprint(Rec(0, 4))
    assert (scene.lane.ready, scene.lane.broken, scene.consumer.stopped) == (True, {}, True)


async def test_hooks_run_in_order() -> None:
    scene = Scene(p0=2)
    await scene.run()
    hooks = ["forget", "load", "recover", "effect", "apply", "after_commit"]
    assert [call[0] for call in scene.work.calls] == hooks


async def test_the_consumer_never_commits_by_itself_and_never_resets() -> None:
    scene = Scene(p0=1)
    await scene.run()
    assert scene.consumer.topics == ["test.v1"]
    expected = {"enable_auto_commit": False, "auto_offset_reset": "none", "group_id": "test.lane"}
    assert scene.consumer.settings.items() >= expected.items()


@pytest.mark.parametrize("count", [0, 3, 5])
async def test_a_topic_that_is_missing_or_of_another_size_is_waited_for(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, sleep, seen = Scene(p0=1), asyncio.sleep, []

    async def soon(_seconds: float) -> None:
        seen.append((scene.lane.missing, scene.lane.ready))
        await sleep(0)

    monkeypatch.setattr("youai_runtime.lane.asyncio.sleep", soon)
    scene.consumer.there = [count, 4]
    await scene.run()
    assert seen[0] == (f"test.v1 has {count} partitions, not 4", False)
    assert (scene.work.worked(0), scene.lane.missing, scene.lane.ready) == ([0], "", True)


async def test_starts_where_progress_says_after_comparing_the_record_before() -> None:
    scene = Scene(p0=5)
    scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2)))
    await scene.run()
    assert scene.consumer.seeks == [(0, 2)]
    assert scene.work.worked(0) == [3, 4]


async def test_a_topic_made_again_breaks_the_partition() -> None:
    scene = Scene(p0=5)
    scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2, id="of the old topic")))
    await scene.run()
    assert "made again" in scene.lane.broken[0]
    assert scene.work.worked(0) == []
    assert not scene.lane.ready


async def test_a_log_that_ends_before_progress_breaks_the_partition() -> None:
    scene = Scene(p0=2)
    scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2)))
    await scene.run()
    assert "progress is at offset 3, but the log holds 0 to 2" in scene.lane.broken[0]


async def test_records_deleted_before_they_were_read_break_the_partition() -> None:
    scene = Scene(p0=9)
    scene.consumer.start_offsets[0] = 5
    scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2)))
    await scene.run()
    assert "the log holds 5 to 9" in scene.lane.broken[0]


async def test_records_deleted_up_to_progress_do_not() -> None:
    """The record before is gone and cannot be compared; nothing that is owed is missing."""
    scene = Scene(p0=0)
    scene.consumer.log[0] = records(0, 3, 5)
    scene.consumer.start_offsets[0] = 3
    scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2)))
    await scene.run()
    assert (scene.work.worked(0), scene.lane.broken) == ([3, 4], {})


async def test_a_gap_breaks_the_partition_and_no_other() -> None:
    scene = Scene(p0=2, p1=3)
    scene.consumer.log[0].append(Rec(0, 3))
    await scene.run()
    assert "expected offset 2, got 3" in scene.lane.broken[0]
    assert (scene.work.worked(0), scene.work.worked(1)) == ([], [0, 1, 2])
    assert 0 not in scene.database.rows or scene.database.rows[0].next_offset == 0
    assert scene.consumer.paused == {0}


async def test_a_gap_between_batches_breaks_the_partition() -> None:
    scene = Scene(p0=2)
    await scene.run(lambda: scene.consumer.log[0].append(Rec(0, 3)))
    assert "expected offset 2, got 3" in scene.lane.broken[0]
    assert scene.work.worked(0) == [0, 1]


async def test_a_compacted_topic_may_have_gaps() -> None:
    scene = Scene(p0=0)
    scene.work.topic = COMPACTED
    scene.consumer.log[0] = [Rec(0, 4), Rec(0, 9)]
    scene.consumer.start_offsets[0] = 4
    scene.database.rows[0] = Row(2, fingerprint(Rec(0, 1)))
    await scene.run()
    assert (scene.work.worked(0), scene.lane.broken) == ([4, 9], {})
    assert scene.database.rows[0].next_offset == 10


async def test_what_is_fetched_again_is_dropped() -> None:
    scene = Scene(p0=3)
    await scene.run(lambda: scene.consumer.seek(TopicPartition(TOPIC.name, 0), 0), lambda: scene.append(0))
    assert scene.work.worked(0) == [0, 1, 2, 3]


async def test_a_fence_drops_memory_and_loads_again() -> None:
    """Somebody else worked two records meanwhile: nothing is worked twice, and memory is not trusted."""
    scene = Scene(p0=2)

    def somebody_else_works() -> None:
        scene.append(0, 3)
        scene.database.rows[0] = Row(4, fingerprint(Rec(0, 3)))

    await scene.run(somebody_else_works)
    assert scene.work.worked(0) == [0, 1, 4]
    assert (scene.work.count("load", 0), scene.work.count("recover", 0)) == (2, 2)
    assert (scene.database.rows[0].next_offset, scene.lane.broken) == (5, {})


async def test_an_older_database_is_noticed_where_no_record_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was restored behind our back: what it does not know is worked again, though nothing new is appended."""
    monkeypatch.setattr("youai_runtime.lane.LOOK_BACK_S", 0.0)
    scene = Scene(p0=3, p1=2)

    def restored() -> None:
        scene.database.rows[0] = Row(1, fingerprint(Rec(0, 0)))
        del scene.database.rows[1]

    await scene.run(restored, lambda: None)
    assert (scene.work.worked(0), scene.work.worked(1)) == ([0, 1, 2, 1, 2], [0, 1, 0, 1])
    assert (scene.database.rows[0].next_offset, scene.database.rows[1].next_offset) == (3, 2)
    assert scene.lane.broken == {}


async def test_a_transient_error_before_the_commit_works_the_batch_again() -> None:
    scene = Scene(p0=3)
    scene.work.raises["apply", 0] = [went_away()]
    await scene.run()
    assert scene.work.worked(0) == [0, 1, 2, 0, 1, 2]
    assert (scene.work.count("load", 0), scene.database.rows[0].next_offset, scene.lane.broken) == (2, 3, {})


async def test_a_commit_that_failed_is_done_again() -> None:
    scene = Scene(p0=2)
    scene.database.fail = [(went_away(), False)]
    await scene.run()
    assert scene.work.worked(0) == [0, 1, 0, 1]
    assert scene.database.rows[0].next_offset == 2


async def test_a_commit_whose_answer_was_lost_is_not_done_again_but_recovered() -> None:
    scene = Scene(p0=2)
    scene.database.fail = [(went_away(), True)]
    await scene.run(lambda: scene.append(0))
    assert scene.work.worked(0) == [0, 1, 2]
    assert (scene.work.count("load", 0), scene.work.count("recover", 0)) == (2, 2)


async def test_a_publish_that_failed_is_recovered_before_anything_later() -> None:
    scene = Scene(p0=2)
    scene.work.raises["after_commit", 0] = [KafkaConnectionError()]
    await scene.run(lambda: scene.append(0))
    hooks = [call[0] for call in scene.work.calls]
    assert hooks[hooks.index("after_commit") + 1 :] == [
        "forget", "load", "recover", "effect", "apply", "after_commit",
    ]  # fmt: skip
    assert scene.work.worked(0) == [0, 1, 2]


async def test_the_broker_is_asked_once_for_all_partitions_that_are_adopted() -> None:
    """An answer waits for the fetch before it: asked for each by itself, a member is thrown out before it is done."""
    scene = Scene(p0=1, p1=1, p2=1)
    await scene.run(lambda: scene.consumer.assign(1, 2))
    assert scene.consumer.asked == [[0, 1, 2], [1, 2]]


async def test_a_transient_error_while_adopting_adopts_again() -> None:
    scene = Scene(p0=1)
    scene.work.raises["load", 0] = [went_away(), OSError("refused")]
    scene.work.raises["recover", 0] = [KafkaConnectionError()]
    await scene.run()
    assert (scene.work.worked(0), scene.lane.broken) == ([0], {})
    assert scene.work.count("load", 0) == 4


@pytest.mark.parametrize("hook", ["load", "recover", "effect", "apply", "after_commit"])
async def test_our_own_exception_stops_its_partition_and_others_go_on(hook: str) -> None:
    scene = Scene(p0=2, p1=2)
    scene.work.raises[hook, 0] = [KeyError("ours")] * 2  # in company, then by itself
    await scene.run(lambda: scene.append(0), lambda: scene.append(1))
    assert scene.lane.broken == {0: "KeyError: 'ours'"}
    assert not scene.lane.ready
    assert scene.work.worked(1) == [0, 1, 2]
    assert scene.work.count("apply", 0) <= 2


async def test_a_broken_partition_stays_broken_through_a_rebalance() -> None:
    scene = Scene(p0=1, p1=1)
    scene.work.raises["apply", 0] = [KeyError("ours")] * 2
    await scene.run(lambda: scene.consumer.assign(0, 1), lambda: scene.append(1))
    assert list(scene.lane.broken) == [0]
    assert (scene.work.count("apply", 0), scene.work.worked(1)) == (2, [0, 1])


async def test_after_a_rebalance_memory_that_is_still_the_truth_is_kept() -> None:
    scene = Scene(p0=2)
    await scene.run(lambda: scene.consumer.assign(0), lambda: scene.append(0))
    assert scene.work.worked(0) == [0, 1, 2]
    assert (scene.work.count("load", 0), scene.work.count("recover", 0)) == (1, 2)


async def test_a_partition_that_went_elsewhere_is_forgotten_and_worked_no_more() -> None:
    scene = Scene(p0=2, p1=2)
    await scene.run(lambda: scene.consumer.assign(1), lambda: scene.append(0), lambda: scene.append(1))
    assert (scene.work.worked(0), scene.work.worked(1)) == ([0, 1], [0, 1, 2])
    assert scene.work.count("forget", 0) == 2


async def test_a_partition_that_comes_back_is_loaded_again() -> None:
    scene = Scene(p0=2)

    def elsewhere() -> None:
        scene.append(0, 2)
        scene.database.rows[0] = Row(3, fingerprint(Rec(0, 2)))

    await scene.run(scene.consumer.assign, elsewhere, lambda: scene.consumer.assign(0))
    assert scene.work.worked(0) == [0, 1, 3]
    assert scene.work.count("load", 0) == 2


async def test_an_offset_out_of_range_breaks_its_partition() -> None:
    scene = Scene(p0=1, p1=1)
    out_of_range = OffsetOutOfRangeError({TopicPartition(TOPIC.name, 0): 1})
    await scene.run(out_of_range, lambda: scene.append(1))
    assert "does not hold the next offset" in scene.lane.broken[0]
    assert scene.work.worked(1) == [0, 1]


async def test_a_fetch_before_our_own_seek_is_no_fault() -> None:
    scene = Scene(p0=1)
    await scene.run(NoOffsetForPartitionError(), lambda: scene.append(0))
    assert (scene.work.worked(0), scene.lane.broken) == ([0, 1], {})


async def test_a_fetch_that_fails_waits_and_goes_on() -> None:
    scene = Scene(p0=1)
    await scene.run(KafkaConnectionError(), lambda: scene.append(0))
    assert scene.work.worked(0) == [0, 1]


@pytest.mark.parametrize(("wants", "at_hand", "together"), [(True, 10, 20), (False, 10, 10), (True, 7, 7)])
async def test_what_was_fetched_ahead_is_topped_up(
    wants: bool, at_hand: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("youai_runtime.lane.MOST_RECORDS", at_hand)
    scene = Scene(p0=20)
    scene.work.tops_up = wants
    await scene.run()
    batches = [offsets for hook, _, *offsets in scene.work.calls if hook == "apply"]
    assert len(batches[0]) == together
    assert scene.work.worked(0) == list(range(20))


async def test_where_topping_up_fails_what_is_at_hand_is_worked() -> None:
    scene = Scene(p0=10)
    scene.work.tops_up = True
    await scene.run(KafkaConnectionError(), lambda: scene.append(0))
    assert (scene.work.worked(0), scene.lane.broken) == (list(range(11)), {})


@pytest.mark.parametrize(("gives_way", "records", "waits"), [(True, MANY, 1), (True, MANY - 1, 0), (False, MANY, 0)])
async def test_a_lane_that_gives_way_looks_after_a_large_batch_and_no_other_lane_does(
    gives_way: bool, records: int, waits: int
) -> None:
    asked: list[int] = []

    class Busy(Way):
        def wait_s(self, worked_ms: int) -> float:
            asked.append(worked_ms)
            return 1e-6

    work = Noting()
    work.gives_way = gives_way
    scene = Scene(way=Busy(), work=work, p0=records)
    await scene.run()
    assert len(asked) == waits
    assert scene.work.worked(0) == list(range(records))


async def test_our_own_exception_in_a_fetch_ends_the_lane() -> None:
    scene = Scene(p0=1)
    with pytest.raises(ZeroDivisionError):
        await scene.run(ZeroDivisionError())
    assert scene.consumer.stopped
