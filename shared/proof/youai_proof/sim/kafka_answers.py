"""What the fake broker answers to each request that aiokafka sends."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiokafka.protocol.commit import OffsetCommitResponse_v3, OffsetFetchResponse_v3
from aiokafka.protocol.coordination import FindCoordinatorResponse_v1
from aiokafka.protocol.fetch import FetchResponse_v11
from aiokafka.protocol.group import HeartbeatResponse_v1, LeaveGroupResponse_v1
from aiokafka.protocol.metadata import MetadataResponse_v5
from aiokafka.protocol.offset import OffsetResponse_v3
from aiokafka.protocol.produce import ProduceResponse_v7
from aiokafka.protocol.transaction import InitProducerIdResponse_v0

from youai_proof.sim.kafka_faults import Api
from youai_proof.sim.kafka_groups import Reply
from youai_proof.sim.kafka_log import NO_ERROR, NOT_LEADER, OUT_OF_RANGE, UNKNOWN_TOPIC, Partition
from youai_proof.sim.kafka_wire import Connection

if TYPE_CHECKING:
    from youai_proof.sim.kafka import Kafka

NODE = 1
LEADER_NOT_AVAILABLE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND = 5, 19, 20
_LATEST, _EARLIEST = -1, -2


class Answers:
    """Answers requests by their number; each is answered once, at once or later."""

    def __init__(self, kafka: "Kafka") -> None:
        self._kafka = kafka
        self._handlers: dict[int, Callable[[Connection, Any, Reply], None]] = {
            Api.PRODUCE: self._produce,
            Api.FETCH: self._fetch,
            Api.OFFSETS: self._offsets,
            Api.METADATA: self._metadata,
            Api.COMMIT: self._commit,
            Api.COMMITTED: self._committed,
            Api.COORDINATOR: self._coordinator,
            Api.JOIN: lambda at, request, reply: self._group(request.group).join(request, at.client_id, reply),
            Api.BEAT: self._heartbeat,
            Api.LEAVE: lambda _, request, reply: reply(
                LeaveGroupResponse_v1(0, self._group(request.group).leave(request.member_id))
            ),
            Api.SYNC: lambda _, request, reply: self._group(request.group).sync(request, reply),
            Api.PRODUCER_ID: lambda _at, _, reply: reply(
                InitProducerIdResponse_v0(0, NO_ERROR, kafka.next_producer(), 0)
            ),
        }

    def answer(self, connection: Connection, request: Any, reply: Reply) -> None:
        """Do what a request asks."""
        self._handlers[request.API_KEY](connection, request, reply)

    def _group(self, name: str) -> Any:
        return self._kafka.group(name)

    def _led(self, topic: str, number: int) -> tuple[Partition | None, int]:
        """A partition with Kafka's error code: unknown, or without a leader."""
        partition = self._kafka.partition(topic, number)
        if partition is None:
            return None, UNKNOWN_TOPIC
        return partition, NOT_LEADER if (topic, number) in self._kafka.faults.leaderless else NO_ERROR

    def _produce(self, _: Connection, request: Any, reply: Reply) -> None:
        topics = [
            (topic, [(number, *self._append(topic, number, messages)) for number, messages in partitions])
            for topic, partitions in request.topics
        ]
        reply(ProduceResponse_v7(topics, 0))

    def _append(self, topic: str, number: int, messages: bytes) -> tuple[int, int, int, int]:
        kafka, faults = self._kafka, self._kafka.faults
        partition, code = self._led(topic, number)
        if partition is None or code:
            return code, -1, -1, -1
        if faults.draw(kafka.rng, "refused", faults.refused):
            return NOT_ENOUGH_REPLICAS, -1, -1, -1
        done = partition.append(messages, kafka.clock())
        if done.code == NO_ERROR and not done.repeated:
            kafka.appended(partition)
            if faults.draw(kafka.rng, "not-replicated", faults.not_replicated):
                return NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1, -1, -1
        return done.code, done.offset, done.at, partition.start

    def _fetch(self, connection: Connection, request: Any, reply: Reply) -> None:
        Parked(self._kafka, connection, request, reply).look()

    def _offsets(self, _: Connection, request: Any, reply: Reply) -> None:
        topics = [
            (topic, [(number, *self._offset_at(topic, number, at)) for number, at in partitions])
            for topic, partitions in request.topics
        ]
        reply(OffsetResponse_v3(0, topics))

    def _offset_at(self, topic: str, number: int, at: int) -> tuple[int, int, int]:
        partition, code = self._led(topic, number)
        if partition is None or code:
            return code, -1, -1
        if at in (_LATEST, _EARLIEST):
            return NO_ERROR, -1, partition.end if at == _LATEST else partition.start
        offset, stamped = partition.first_at(at)
        return NO_ERROR, stamped, offset

    def _metadata(self, connection: Connection, request: Any, reply: Reply) -> None:
        kafka = self._kafka
        names = sorted(kafka.topics) if request.topics is None else sorted(request.topics)
        topics = [
            (NO_ERROR, name, False, [self._leader(name, one.number) for one in kafka.topics[name]])
            if name in kafka.topics
            else (UNKNOWN_TOPIC, name, False, [])
            for name in names
        ]
        brokers = [(NODE, connection.host, connection.port, None)]
        reply(MetadataResponse_v5(0, brokers, "fake", NODE, topics))

    def _leader(self, topic: str, number: int) -> tuple[int, int, int, list[int], list[int], list[int]]:
        if (topic, number) in self._kafka.faults.leaderless:
            return LEADER_NOT_AVAILABLE, number, -1, [NODE], [], [NODE]
        return NO_ERROR, number, NODE, [NODE], [NODE], []

    # Groups

    def _coordinator(self, connection: Connection, _: Any, reply: Reply) -> None:
        reply(FindCoordinatorResponse_v1(0, NO_ERROR, None, NODE, connection.host, connection.port))

    def _heartbeat(self, _: Connection, request: Any, reply: Reply) -> None:
        group = self._group(request.group)
        reply(HeartbeatResponse_v1(0, group.heartbeat(request.member_id, request.generation_id)))

    def _commit(self, _: Connection, request: Any, reply: Reply) -> None:
        offsets = {
            (topic, number): (offset, metadata)
            for topic, partitions in request.topics
            for number, offset, metadata in partitions
        }
        group = self._group(request.consumer_group)
        code = group.commit(request.consumer_id, request.consumer_group_generation_id, offsets)
        topics = [(topic, [(number, code) for number, *_ in partitions]) for topic, partitions in request.topics]
        reply(OffsetCommitResponse_v3(0, topics))

    def _committed(self, _: Connection, request: Any, reply: Reply) -> None:
        offsets = self._group(request.consumer_group).offsets
        topics = [
            (topic, [(number, *offsets.get((topic, number), (-1, "")), NO_ERROR) for number in partitions])
            for topic, partitions in request.topics
        ]
        reply(OffsetFetchResponse_v3(0, topics, NO_ERROR))


class Parked:
    """A fetch: answered as soon as any of its partitions has something to say, else when its time is over."""

    def __init__(self, kafka: "Kafka", connection: Connection, request: Any, reply: Reply) -> None:
        self._kafka = kafka
        self._connection = connection
        self._request = request
        self._reply = reply
        self._since = kafka.loop.time()
        self._wait_s: float = request.max_wait_time / 1000
        self._ends_at = float("inf")
        self._done = False
        self._parked_at: list[Partition] = []

    def look(self) -> None:
        """Answer if there is anything to be told; else wait at the partitions until there is."""
        if self._done:
            return
        found, tells = self._found()
        if tells or self._wait_s <= 0:
            self._answer(found)
        elif not self._parked_at:
            self._park()

    def hasten(self) -> None:
        """The client would like another fetch: end when a broker would have ended, by the client's own wait."""
        now = self._kafka.loop.time()
        turns = int((now - self._since) / self._wait_s) + 1
        self._end_at(self._since + turns * self._wait_s)

    def _park(self) -> None:
        self._connection.parked = self
        for topic, partitions in self._request.topics:
            for number, *_ in partitions:
                partition = self._kafka.partition(topic, number)
                if partition is not None:
                    partition.waiting[self] = None
                    self._parked_at.append(partition)
        self._end_at(self._since + max(self._wait_s, self._kafka.park_s))
        if self._connection.arrived or self._connection.hasty:
            self._connection.hasty = False
            self.hasten()

    def _end_at(self, at: float) -> None:
        if at < self._ends_at:
            self._ends_at = at
            self._kafka.at(at, lambda: self._end(at))

    def _end(self, at: float) -> None:
        if not self._done and at == self._ends_at:
            self._answer(self._found()[0])

    def _answer(self, found: list[tuple[str, list[Any]]]) -> None:
        self._done = True
        for partition in self._parked_at:
            partition.waiting.pop(self, None)
        self._reply(FetchResponse_v11(0, NO_ERROR, 0, found))

    def _found(self) -> tuple[list[tuple[str, list[Any]]], bool]:
        """What each partition has, in a new order each time as a broker's turns it; and whether any has anything."""
        left = self._request.max_bytes
        asked = [(topic, *partition) for topic, partitions in self._request.topics for partition in partitions]
        asked.sort()
        if len(asked) > 1:
            self._kafka.rng.shuffle(asked)
        topics: dict[str, list[Any]] = defaultdict(list)
        tells = False
        for topic, number, _, offset, _, most in asked:
            code, partition = self._code(topic, number, offset)
            data = b""
            if partition is not None and not code and left > 0:
                data = partition.read(offset, min(most, left))
                left -= len(data)
            tells = tells or bool(code or data)
            end, start = (partition.end, partition.start) if partition is not None and not code else (-1, -1)
            topics[topic].append((number, code, end, end, start, None, -1, data))
        return list(topics.items()), tells

    def _code(self, topic: str, number: int, offset: int) -> tuple[int, Partition | None]:
        partition = self._kafka.partition(topic, number)
        if partition is None:
            return UNKNOWN_TOPIC, None
        if (topic, number) in self._kafka.faults.leaderless:
            return NOT_LEADER, partition
        return (NO_ERROR if partition.holds(offset) else OUT_OF_RANGE), partition
