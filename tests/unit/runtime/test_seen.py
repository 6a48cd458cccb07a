"""What a lane has seen: the high-water mark, by which what the source published twice is dropped."""

from collections.abc import Sequence
from dataclasses import dataclass

from youai_runtime.work import fingerprint

from tests.unit.runtime.fakes import Rec, Row, Scene


async def test_what_the_source_published_twice_is_dropped() -> None:
    scene = Scene(p0=0)
    ids = ["test-1", "test-2", "test-1", "test-2", "test-3"]
    scene.consumer.log[0] = [Rec(0, offset, id) for offset, id in enumerate(ids)]
    await scene.run()
    assert scene.work.worked(0) == [0, 1, 4]
    assert (scene.database.rows[0].next_offset, scene.database.rows[0].high_water) == (5, [3])


async def test_the_high_water_mark_outlives_a_restart() -> None:
    scene = Scene(p0=0)
    scene.consumer.log[0] = [Rec(0, 0, "0-7-0"), Rec(0, 1, "0-7-1"), Rec(0, 2, "0-7-0"), Rec(0, 3, "0-10-0")]
    scene.database.rows[0] = Row(1, fingerprint(scene.consumer.log[0][0]), [7, 0])
    await scene.run()
    assert scene.work.worked(0) == [1, 3]
    assert scene.database.rows[0].high_water == [10, 0]


async def test_a_batch_of_doubles_alone_still_moves_progress() -> None:
    scene = Scene(p0=0)
    scene.consumer.log[0] = [Rec(0, 0, "test-5"), Rec(0, 1, "test-4")]
    scene.database.rows[0] = Row(1, fingerprint(scene.consumer.log[0][0]), [5])
    await scene.run()
    assert scene.work.worked(0) == []
    assert scene.database.rows[0].next_offset == 2


async def test_where_the_work_knows_repeats_itself_nothing_is_dropped() -> None:
    scene = Scene(p0=0)
    scene.work.deduplicates = False
    scene.consumer.log[0] = [Rec(0, 0, "test-5"), Rec(0, 1, "test-5")]
    await scene.run()
    assert scene.work.worked(0) == [0, 1]


async def test_an_id_of_another_kind_is_never_dropped() -> None:
    scene = Scene(p0=0)
    ids = ["test-9", "dept-1", "test-1-x", "test--1", "9-1-0", "test-" + "9" * 19, "booking-ff"]
    scene.consumer.log[0] = [Rec(0, offset, id) for offset, id in enumerate(ids)]
    await scene.run()
    assert scene.work.worked(0) == list(range(len(ids)))


NO_EVENT = b"not an event"


async def test_the_id_of_what_is_no_event_makes_nothing_after_it_a_repeat() -> None:
    scene = Scene(p0=0)
    far = "test-" + "9" * 18
    log = [("test-1", b"{}"), (far, NO_EVENT), ("test-2", b"{}"), (far, NO_EVENT), ("test-2", b"{}"), ("test-3", b"{}")]
    scene.consumer.log[0] = [Rec(0, offset, id, value=value) for offset, (id, value) in enumerate(log)]
    await scene.run()
    assert scene.work.worked(0) == [0, 1, 2, 3, 5]
    assert scene.database.rows[0].high_water == [3]


async def test_nor_does_it_in_the_batches_after_its_own() -> None:
    scene = Scene(p0=0)
    scene.consumer.log[0] = [Rec(0, 0, "test-4"), Rec(0, 1, "test-9", value=NO_EVENT)]
    later = [Rec(0, 2, "test-4"), Rec(0, 3, "test-5"), Rec(0, 4, "test-8", value=NO_EVENT), Rec(0, 5, "test-6")]
    await scene.run(lambda: scene.consumer.log[0].extend(later))
    assert scene.work.worked(0) == [0, 1, 3, 4, 5]
    assert scene.database.rows[0].high_water == [6]


@dataclass(frozen=True)
class Retried(Rec):
    """A dead letter appended again under its old id, for one service."""

    service: str = "test"

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        return [*super().headers, ("dead-letter-retried-for", self.service.encode())]


async def test_a_retried_dead_letter_is_read_again_by_the_service_that_refused_it_alone() -> None:
    scene = Scene(p0=0)
    again = [
        Retried(0, 2, "test-1"),
        Retried(0, 3, "test-1", service="other"),
        Rec(0, 4, "test-1"),
        Rec(0, 5, "test-3"),
    ]
    scene.consumer.log[0] = [Rec(0, 0, "test-1"), Rec(0, 1, "test-2"), *again]
    await scene.run()
    assert scene.work.worked(0) == [0, 1, 2, 5]
