"""A consumer group as its coordinator keeps it (Kafka's classic protocol): join, sync, heartbeat, leave, commit.

All members give up everything, the leader deals it out again (eager). A member that is silent for its session timeout
is thrown out; a process that dies is therefore missed only then.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka.protocol.group import JoinGroupResponse_v5, SyncGroupResponse_v3

OK, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, MEMBER_ID_REQUIRED = 0, 22, 25, 27, 79
EMPTY, PREPARING, COMPLETING, STABLE = "empty", "preparing", "completing", "stable"

Reply = Callable[[Any], None]


@dataclass
class Clock:
    """The broker's timers: `now` in the loop's seconds, `at` calls something at such a time."""

    now: Callable[[], float]
    at: Callable[[float, Callable[[], None]], None]


@dataclass
class Member:
    """A member of a group; times in seconds."""

    id: str
    session_s: float
    rebalance_s: float
    protocols: list[tuple[str, bytes]]
    silent_until: float
    assignment: bytes = b""
    join: Reply | None = None
    sync: Reply | None = None


@dataclass
class _Stored:
    """What a coordinator that restarts finds: the last generation that was dealt out."""

    generation: int
    leader: str
    members: list[Member] = field(default_factory=list)


class Group:
    """One group. A `Reply` is called once, at once or later, with the response."""

    def __init__(self, name: str, clock: Clock, rng: random.Random) -> None:
        self.name = name
        self.state = EMPTY
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.offsets: dict[tuple[str, int], tuple[int, str]] = {}
        self._leader = ""
        self._clock = clock
        self._rng = rng
        self._pending: dict[str, float] = {}
        self._stored = _Stored(0, "")
        self._wakes_at = float("inf")
        self._deadline = float("inf")
        self._fallen = False

    # What members ask

    def join(self, request: Any, client_id: str, reply: Reply) -> None:
        """JoinGroup: answered when all are there, or the slowest were given up."""
        id = request.member_id
        if not id:
            id = f"{client_id}-{self._rng.getrandbits(64):016x}"
            self._pending[id] = self._clock.now() + request.session_timeout / 1000
            self._wake_at(self._pending[id])
            reply(JoinGroupResponse_v5(0, MEMBER_ID_REQUIRED, -1, "", "", id, []))
            return
        if id not in self.members and id not in self._pending:
            reply(JoinGroupResponse_v5(0, UNKNOWN_MEMBER, -1, "", "", id, []))
            return
        protocols = list(request.group_protocols)
        member = self.members.get(id)
        if member is None:
            del self._pending[id]
            sessions = request.session_timeout / 1000, request.rebalance_timeout / 1000
            member = self.members[id] = Member(id, *sessions, protocols, self._clock.now() + sessions[0])
        elif member.protocols == protocols and self._needs_nothing(id):
            self._tell_joined(member, reply)
            return
        member.protocols, member.join = protocols, reply
        if self.state == PREPARING:
            self._maybe_joined()
        else:
            self._prepare()

    def sync(self, request: Any, reply: Reply) -> None:
        """SyncGroup: the leader deals out, everybody is told what it has."""
        code = self._wrong(request.member_id, request.generation_id)
        if code or self.state == PREPARING:
            reply(SyncGroupResponse_v3(0, code or REBALANCING, b""))
            return
        member = self.members[request.member_id]
        self._heard(member)
        if self.state == STABLE:
            reply(SyncGroupResponse_v3(0, OK, member.assignment))
            return
        member.sync = reply
        if member.id != self._leader:
            return
        dealt = dict(request.group_assignment)
        self.state = STABLE
        self._deadline = float("inf")
        for one in self.members.values():
            one.assignment = dealt.get(one.id, b"")
        copies = [replace(one, join=None, sync=None) for one in self.members.values()]
        self._stored = _Stored(self.generation, self._leader, copies)
        for one in self.members.values():
            if one.sync is not None:
                answer, one.sync = one.sync, None
                self._heard(one)
                answer(SyncGroupResponse_v3(0, OK, one.assignment))

    def heartbeat(self, id: str, generation: int) -> int:
        """Heartbeat; returns Kafka's error code."""
        code = self._wrong(id, generation)
        if code:
            return code
        self._heard(self.members[id])
        return REBALANCING if self.state == PREPARING else OK

    def leave(self, id: str) -> int:
        """LeaveGroup; returns Kafka's error code."""
        if id not in self.members:
            return UNKNOWN_MEMBER
        self._remove(id)
        return OK

    def commit(self, id: str, generation: int, offsets: dict[tuple[str, int], tuple[int, str]]) -> int:
        """OffsetCommit; returns Kafka's error code. Without a generation only where the group has no members."""
        if not (generation < 0 and not self.members):
            code = self._wrong(id, generation)
            if code:
                return code
            if self.state == COMPLETING:
                return REBALANCING
            self._heard(self.members[id])
        self.offsets |= offsets
        return OK

    # What happens to the group

    def rebalance(self) -> None:
        """Have everybody join again, as a change of the topics would."""
        if self.state in (STABLE, COMPLETING):
            self._prepare()

    def fall(self) -> None:
        """The coordinator dies: whoever waits for an answer waits in vain."""
        self._fallen = True

    def rise(self) -> None:
        """The coordinator is back with what it stored: the last generation that was dealt out, all sessions new."""
        self._fallen = False
        self._pending.clear()
        now = self._clock.now()
        self.members = {one.id: replace(one, silent_until=now + one.session_s) for one in self._stored.members}
        self.generation, self._leader = self._stored.generation, self._stored.leader
        self.state = STABLE if self.members else EMPTY
        self._deadline = self._wakes_at = float("inf")  # what was to come died with the broker
        for member in self.members.values():
            self._wake_at(member.silent_until)

    # How it goes on

    def _needs_nothing(self, id: str) -> bool:
        """Whether a member that joins again changes nothing: it did not hear the answer, and is told it again."""
        return self.state == COMPLETING or (self.state == STABLE and id != self._leader)

    def _wrong(self, id: str, generation: int) -> int:
        if id not in self.members:
            return UNKNOWN_MEMBER
        return OK if generation == self.generation else ILLEGAL_GENERATION

    def _heard(self, member: Member) -> None:
        member.silent_until = self._clock.now() + member.session_s
        self._wake_at(member.silent_until)

    def _prepare(self) -> None:
        for member in self.members.values():
            if member.sync is not None:
                answer, member.sync = member.sync, None
                self._heard(member)
                answer(SyncGroupResponse_v3(0, REBALANCING, b""))
        self.state = PREPARING
        self._deadline = self._clock.now() + max((one.rebalance_s for one in self.members.values()), default=0.0)
        self._wake_at(self._deadline)
        self._maybe_joined()

    def _maybe_joined(self) -> None:
        if not self._pending and all(member.join is not None for member in self.members.values()):
            self._joined()

    def _joined(self) -> None:
        """All who joined are the next generation; the others are out."""
        self.members = {id: member for id, member in self.members.items() if member.join is not None}
        self.generation += 1
        self._deadline = float("inf")
        if not self.members:
            self.state = EMPTY
            self._stored = _Stored(self.generation, "")
            return
        if self._leader not in self.members:
            self._leader = next(iter(self.members))
        self.state = COMPLETING
        self._deadline = self._clock.now() + max(one.rebalance_s for one in self.members.values())
        self._wake_at(self._deadline)
        for member in self.members.values():
            answer, member.join = member.join, None
            self._heard(member)
            assert answer is not None
            self._tell_joined(member, answer)

    def _tell_joined(self, member: Member, reply: Reply) -> None:
        self._heard(member)
        everybody = [(one.id, None, one.protocols[0][1]) for one in self.members.values()]
        reply(
            JoinGroupResponse_v5(
                0,
                OK,
                self.generation,
                member.protocols[0][0],
                self._leader,
                member.id,
                everybody if member.id == self._leader else [],
            )
        )

    def _remove(self, id: str) -> None:
        member = self.members.pop(id)
        if member.join is not None:
            member.join(JoinGroupResponse_v5(0, UNKNOWN_MEMBER, -1, "", "", id, []))
        if member.sync is not None:
            member.sync(SyncGroupResponse_v3(0, UNKNOWN_MEMBER, b""))
        if self.state == PREPARING:
            self._maybe_joined()
        elif self.state != EMPTY:
            self._prepare()

    # Time

    def _wake_at(self, at: float) -> None:
        if at < self._wakes_at:
            self._wakes_at = at
            self._clock.at(at, lambda: self._woken(at))

    def _woken(self, at: float) -> None:
        if at != self._wakes_at:
            return  # an earlier one took its place
        self._wakes_at = float("inf")
        if self._fallen:
            return
        now = self._clock.now()
        for id in [id for id, until in self._pending.items() if until <= now]:
            del self._pending[id]
            if self.state == PREPARING:
                self._maybe_joined()
        for member in list(self.members.values()):
            waits = member.join is not None or member.sync is not None
            if member.silent_until <= now and not waits and member.id in self.members:
                self._remove(member.id)
        if self._deadline <= now:
            self._give_up()
        times = [self._deadline, *self._pending.values()]
        times += [one.silent_until for one in self.members.values() if one.silent_until > now]
        if min(times) < float("inf"):
            self._wake_at(min(times))

    def _give_up(self) -> None:
        """The rebalance took too long: who did not join, or did not sync, is out."""
        self._deadline = float("inf")
        if self.state == PREPARING:
            self._joined()
        elif self.state == COMPLETING:
            for id in [one.id for one in self.members.values() if one.sync is None]:
                if id in self.members:
                    self._remove(id)
