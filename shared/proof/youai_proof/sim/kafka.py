"""A fake Kafka for aiokafka's own clients: give them `Kafka.bootstrap`, and they run in memory, in the running loop.

Only the broker and the wire are fake (kafka_wire, kafka_log, kafka_groups); what a client does with batches, sequences,
buffers, positions and rebalances is aiokafka's own code. With the loop's time, `rng` and a fixed PYTHONHASHSEED given,
all of it runs the same again.
"""

import asyncio
import contextvars
import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from youai_contracts.topics import Topic

from youai_proof.sim import kafka_wire
from youai_proof.sim.kafka_answers import Answers, Parked
from youai_proof.sim.kafka_faults import Faults
from youai_proof.sim.kafka_groups import Clock, Group
from youai_proof.sim.kafka_log import Partition
from youai_proof.sim.kafka_wire import Answer, Connection

PORT = 9092

__all__ = ["Faults", "Kafka"]


class Kafka:
    """One broker. Make it in the loop in which it runs, and `close` it at the end.

    `clock` is the broker's wall clock in ms (by default the loop's time since `epoch_ms`). `park_s`: how long an idle
    fetch may be held beyond what its client asked, which saves time and changes nothing but when it would have found
    nothing; 0: as the client asked.
    """

    def __init__(
        self,
        rng: random.Random | None = None,
        *,
        faults: Faults | None = None,
        clock: Callable[[], int] | None = None,
        park_s: float = 0.0,
    ) -> None:
        kafka_wire.install()
        self.rng = rng or random.Random(0)
        self.faults = faults or Faults()
        self.park_s = park_s
        names = (f"kafka-fake-{number}" for number in itertools.count(1))
        self.host = next(name for name in names if name not in kafka_wire.FARS)
        self.bootstrap = f"{self.host}:{PORT}"
        self.topics: dict[str, list[Partition]] = {}
        self.groups: dict[str, Group] = {}
        self.up = True
        self.loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._connections: dict[Connection, None] = {}
        self._producers = itertools.count(1)
        self._life = 0
        started, epoch = self.loop.time(), int(time.time() * 1000)
        self.clock = clock or (lambda: epoch + int((self.loop.time() - started) * 1000))
        self._answers = Answers(self)
        kafka_wire.FARS[self.host] = self

    def close(self) -> None:
        """Forget all; connections are dropped without a word."""
        kafka_wire.FARS.pop(self.host, None)
        self.up = False
        for connection in self._connections:
            connection.abandon()
        self._connections.clear()

    # Topics

    def create_topic(self, name: str, partitions: int, *, compacted: bool = False, most_bytes: int = 1 << 20) -> None:
        """Make a topic; one that is there is made again, empty."""
        old = self.topics.get(name, ())
        self.topics[name] = [
            Partition(name, number, most_bytes=most_bytes, compacted=compacted) for number in range(partitions)
        ]
        _tell(old)

    def create(self, topics: Iterable[Topic]) -> None:
        """Make topics as their contracts say."""
        for topic in topics:
            self.create_topic(topic.name, topic.partitions, compacted=topic.compacted)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all that it holds."""
        _tell(self.topics.pop(name))

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete a partition's records before an offset."""
        self.topics[topic][partition].delete_before(before)

    def lose(self, topic: str, partition: int, offset: int) -> None:
        """Lose a partition's records from an offset on, acknowledged or not: an older disk came back."""
        lost = self.topics[topic][partition]
        lost.cut_at(offset)
        _tell([lost])

    def partition(self, topic: str, number: int) -> Partition | None:
        """A partition; None where there is none."""
        found = self.topics.get(topic, ())
        return found[number] if 0 <= number < len(found) else None

    def records(self, topic: str) -> list[ConsumerRecord]:
        """What a topic holds, partitions in order, whether it can be fetched yet or not."""
        return [record for partition in self.topics[topic] for record in partition.records()]

    def ends(self, topic: str) -> dict[int, int]:
        """The end of each partition."""
        return {partition.number: partition.end for partition in self.topics[topic]}

    def group(self, name: str) -> Group:
        """A consumer group, made where it is not there yet."""
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = Group(name, Clock(self.loop.time, self.at), self.rng)
        return found

    # Outages

    def stop(self) -> None:
        """The broker dies: connections break, nothing answers. What it had acknowledged or written stays."""
        if not self.up:
            return
        self.up = False
        self._life += 1
        self.faults.injected["broker-stop"] += 1
        for group in self.groups.values():
            group.fall()
        for partitions in self.topics.values():
            for partition in partitions:
                partition.waiting.clear()
        for connection in self._connections:
            connection.snap(self.delay())
        self._connections.clear()

    def start(self) -> None:
        """The broker is back, with its disk."""
        if self.up:
            return
        self.up = True
        for group in self.groups.values():
            group.rise()

    def kill(self, process: str) -> None:
        """A client's process dies: what it sent still arrives, its members leave by their session timeout."""
        for connection in [one for one in self._connections if one.process == process]:
            connection.abandon()
            del self._connections[connection]

    def has_dead_connections(self) -> bool:
        """Whether something that is sent is lost without a word now."""
        return any(connection.lost_there or connection.lost_back for connection in self._connections)

    def cut_connections(self, process: str | None = None) -> None:
        """Break the connections of one process, or of all."""
        for connection in list(self._connections):
            if process is None or connection.process == process:
                self._snap(connection)

    # The wire's far end; runs in the broker's own context

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do something at the loop's time `when`, unless the broker has died by then."""
        life = self._life

        def alive() -> None:
            if life == self._life and self.up:
                do()

        self.loop.call_at(when, alive, context=self._context)

    def delay(self) -> float:
        """How long one way takes now, in seconds."""
        least, most = self.faults.latency_s
        return self.rng.uniform(least, most) if most > 0 else 0.0

    async def enter(self, connection: Connection) -> None:
        """A client connects; it takes two ways there and back. Raises OSError, TimeoutError."""
        await asyncio.sleep(self.delay() + self.delay())
        if connection.process in self.faults.cut_off or connection.process in self.faults.deaf:
            await asyncio.sleep(connection.timeout_s)
            raise TimeoutError
        if not self.up:
            raise ConnectionRefusedError(f"Connect call failed ({connection.host!r}, {connection.port})")
        self._connections[connection] = None

    def take(self, connection: Connection, request: Any, answer: Answer) -> None:
        """A request leaves its client."""
        if connection.lost_there:
            return
        if connection.process in self.faults.cut_off:
            connection.lost_there = connection.lost_back = True
            self.faults.injected["cut-off"] += 1
            return
        self.at(connection.there_at(self.delay()), lambda: self._arrive(connection, answer))

    def _arrive(self, connection: Connection, answer: Answer) -> None:
        faults, api = self.faults, answer.request.API_KEY
        if connection.lost_there:
            return
        if faults.draw(self.rng, "lost", faults.lost, api):
            connection.lost_there = True
            return
        if faults.draw(self.rng, "cut-before", faults.cut_before, api):
            self._snap(connection)
            return
        connection.arrived.append(answer)
        self._next(connection)

    def _next(self, connection: Connection) -> None:
        """Take up the connection's next request; one at a time, as a broker does."""
        if connection.busy:
            if connection.parked is not None:
                connection.parked.hasten()
            return
        if not connection.arrived:
            return
        connection.busy = True
        stalled = self.faults.stalled_until
        if stalled > self.loop.time():
            self.at(stalled, lambda: self._do(connection, connection.arrived.popleft()))
        else:
            self._do(connection, connection.arrived.popleft())

    def _do(self, connection: Connection, answer: Answer) -> None:
        life = self._life

        def reply(response: Any) -> None:
            if life != self._life or not self.up:
                return
            connection.busy, connection.parked = False, None
            self._send_back(connection, answer, response)
            if connection.arrived:
                self.at(self.loop.time(), lambda: self._next(connection))

        self._answers.answer(connection, answer.request, reply)

    def _send_back(self, connection: Connection, answer: Answer, response: Any) -> None:
        faults, api = self.faults, answer.request.API_KEY
        if connection.process in faults.deaf and not connection.lost_back:
            connection.lost_back = True
            faults.injected["deaf"] += 1
        if faults.draw(self.rng, "unanswered", faults.unanswered, api):
            connection.lost_back = True
        if faults.draw(self.rng, "cut-after", faults.cut_after, api):
            self._snap(connection)
            return
        delay = self.delay()
        if faults.draw(self.rng, "slow", faults.slow, api):
            delay += self.rng.uniform(0.0, faults.slow_s)
        connection.deliver(answer, response, delay)

    def _snap(self, connection: Connection) -> None:
        connection.snap(self.delay())
        self._connections.pop(connection, None)

    def appended(self, partition: Partition) -> None:
        """A partition has grown: who waits for it is served, now or as late as the partition lags."""
        lag, end = self.faults.lag(partition.topic, partition.number), partition.end
        now = self.loop.time()
        partition.visible_from = max(partition.visible_from, now + lag)
        if partition.visible_from <= now:
            self._show(partition, end)
        else:
            self.loop.call_at(partition.visible_from, self._show, partition, end, context=self._context)

    def _show(self, partition: Partition, end: int) -> None:
        partition.visible = max(partition.visible, min(end, partition.end))
        _tell([partition])

    def next_producer(self) -> int:
        """The id of a producer that is new here."""
        return next(self._producers)

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """What a group has committed."""
        return {TopicPartition(*at): offset for at, (offset, _) in self.group(group).offsets.items()}


def _tell(partitions: Iterable[Partition]) -> None:
    """Let the fetches that wait at these partitions look again."""
    waiting: list[Parked] = [fetch for partition in partitions for fetch in partition.waiting]
    for fetch in waiting:
        fetch.look()
