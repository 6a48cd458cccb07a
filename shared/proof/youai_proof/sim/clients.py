"""The clients of a world: they book, cancel, accept, decline and override, and ask again with the same key."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import FastAPI
from youai_matching import ids

from youai_proof.sim.loop import PROCESS, SimLoop
from youai_proof.sim.plan import CALM_AT, CENTER, Act
from youai_proof.sim.programs import Program

PATIENCE_S = 6.0
"""How long a client waits for an answer before it takes it for lost."""
_TAKEN = (200, 202)
NO_ANSWER, NO_DOOR = 0, -1
"""What stands for a status: nobody answered in time; nobody listened, so nothing was done."""
GIVES_UP_AT = CALM_AT + 9.0
MINDS_UNTIL = CALM_AT + 12.0
_MINDS_EVERY_S = 2.5
_OPEN = (503, 504, NO_ANSWER)
_GIVES_UP = 0.2
"""How often a client that was told that nothing was done, or that nobody knows, asks no more."""
_MOST_404 = 3
"""How often a client is told that there is no such thing before it believes it."""


@dataclass
class Promise:
    """What a client was told about one command (a booking, a cancellation ...): every status, in order."""

    id: str
    verb: str
    venue: str
    slot: str
    statuses: list[int] = field(default_factory=list)
    taken_at: float | None = None
    """When it was first told to be taken."""

    def told(self, status: int, at: float) -> None:
        """Note an answer."""
        self.statuses.append(status)
        if self.taken_at is None and status in _TAKEN:
            self.taken_at = at

    @property
    def kept(self) -> bool:
        """It was taken: it must be decided."""
        return self.taken_at is not None

    @property
    def refused(self) -> bool:
        """It was refused, and no answer is open: nothing may ever come of it."""
        open_ones = {NO_ANSWER, 504, 500, 200, 202}
        return bool(self.statuses) and not open_ones.intersection(self.statuses)


class Clients:
    """Everybody who calls the doors. `promises` holds what they were told, by the command's id."""

    def __init__(
        self,
        loop: SimLoop,
        app: FastAPI,
        doors: Sequence[Program],
        rng: random.Random,
        tell: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._app = app
        self._doors = doors
        self._rng = rng
        self._tell = tell
        self.promises: dict[str, Promise] = {}
        self.odd: list[str] = []
        self.calls = 0

    async def play(self, acts: Sequence[Act]) -> None:
        """Let every act begin at its time, whatever became of others; returns when the last has ended."""
        tasks = []
        for act in sorted(acts, key=lambda act: act.at):
            await asyncio.sleep(max(act.at - self._loop.time(), 0.0))
            tasks.append(asyncio.create_task(self._play(act)))
        for task in tasks:
            await task

    async def _play(self, act: Act) -> None:
        match act.verb:
            case "book":
                await self._book(act)
            case "batch":
                await self._batch(act)
            case "cancel":
                await self._command(act, "cancel", "DELETE", f"/v1/bookings/{booking_id(act)}", act.venue)
            case "override":
                await self._override(act)

    async def _book(self, act: Act) -> None:
        promise = self._promise(booking_id(act), "book", act)
        body = {
            "slot_id": act.slot,
            "party_size": act.size,
            "auto_accept": act.auto_accept,
            "overlap_ok": act.overlap_ok,
        }
        headers = {"prefer": "wait=2"} if act.waits else {}
        status, _ = await self._until_told(promise, "POST", "/v1/bookings", act.venue, body, act.key, headers)
        if status in (200, 202) and act.answers:
            await self._mind(act)

    async def _batch(self, act: Act) -> None:
        """Two bookings of a venue in one call, the second for a place more."""
        keys = (act.key, f"{act.key}b")
        promises = [self._promise(ids.command_id("booking", act.venue, "bookings", key), "book", act) for key in keys]
        items = [
            {"slot_id": act.slot, "party_size": act.size + number, "idempotency_key": key, "overlap_ok": act.overlap_ok}
            for number, key in enumerate(keys)
        ]
        while self._loop.time() < GIVES_UP_AT:
            status, told = await self._call("POST", "/v1/bookings:batch", act.venue, {"items": items})
            results = told["results"] if status == 200 else [{"status": status}] * len(promises)
            for promise, result in zip(promises, results, strict=True):
                promise.told(result["status"], self._loop.time())
            if not any(_asks_again(result["status"]) for result in results):
                return
            await asyncio.sleep(self._rng.uniform(0.3, 2.0))

    async def _override(self, act: Act) -> None:
        body = {"venue_id": act.venue, "party_size": act.size, "capacity": act.capacity, "explanation": "联席会议同意"}
        await self._command(act, "override", "POST", f"/v1/slots/{act.slot}/overrides", CENTER, body)

    async def _command(
        self, act: Act, verb: str, method: str, path: str, who: str, body: Mapping[str, Any] | None = None
    ) -> int:
        call = f"{verb} {act.slot if verb == 'override' else booking_id(act)}"
        promise = self._promise(ids.command_id(verb, who, call, act.key), verb, act)
        status, _ = await self._until_told(promise, method, path, who, body, act.key, {})
        return status

    async def _mind(self, act: Act) -> None:
        """Look at a booking now and then; answer a hold that it gets, once for each."""
        path = f"/v1/bookings/{booking_id(act)}"
        answered = set()
        while self._loop.time() < MINDS_UNTIL:
            await asyncio.sleep(_MINDS_EVERY_S * self._rng.uniform(0.5, 1.5))
            status, told = await self._call("GET", path, act.venue, None)
            if status != 200:
                continue
            if told["status"] in ("rejected", "released", "lapsed", "displaced", "refused", "confirmed"):
                return
            held = [one["sequence"] for one in told["receipts"] if one["outcome"] == "promoted"]
            if told["hold_until"] is not None and held and held[-1] not in answered:
                answered.add(held[-1])
                key = f"{act.key}-{held[-1]}"
                call = f"{act.answers} {booking_id(act)}"
                promise = self._promise(ids.command_id(act.answers, act.venue, call, key), act.answers, act)
                await self._until_told(promise, "POST", f"{path}/{act.answers}", act.venue, None, key, {})

    def _promise(self, id: str, verb: str, act: Act) -> Promise:
        return self.promises.setdefault(id, Promise(id, verb, act.venue, act.slot))

    async def _until_told(
        self,
        promise: Promise,
        method: str,
        path: str,
        who: str,
        body: Mapping[str, Any] | None,
        key: str,
        headers: Mapping[str, str],
    ) -> tuple[int, Any]:
        """Ask until it is taken or refused, the same key each time; sometimes once more though it was taken."""
        status, told = NO_DOOR, None
        while self._loop.time() < GIVES_UP_AT:
            status, told = await self._call(method, path, who, body, {"idempotency-key": key, **headers})
            promise.told(status, self._loop.time())
            if status >= 500 and status not in (503, 504):
                self.odd.append(f"{method} {path} was answered {status}: {told}")
            if not _asks_again(status) and not (status == 202 and self._rng.random() < 0.1):
                break
            if promise.statuses.count(404) > _MOST_404 or (status in _OPEN and self._rng.random() < _GIVES_UP):
                break
            await asyncio.sleep(self._rng.uniform(0.2, 2.0))
        return status, told

    async def _call(
        self,
        method: str,
        path: str,
        who: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """One call at one of the doors: status and what was told."""
        self.calls += 1
        await asyncio.sleep(self._rng.uniform(0.0, 0.004))
        door = self._rng.choice(self._doors)
        if door.process.dead or door.desk is None:
            return NO_DOOR, None
        answer: asyncio.Future[tuple[int, Any]] = self._loop.create_future()
        scope = _scope(method, path, who, headers or {}, body is not None)
        serving = _serve(self._app, scope, b"" if body is None else msgspec.json.encode(body), answer)
        door.run(serving)
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, told = await answer
        except TimeoutError:
            status, told = NO_ANSWER, None
        self._tell(f"{method} {path} by {who} {body or ''} at {door.name}: {status} {told}")
        return status, told


def booking_id(act: Act) -> str:
    """The id that the door gives an act's booking."""
    return ids.command_id("booking", act.venue, "bookings", act.key)


def _asks_again(status: int) -> bool:
    """503, 504 and silence; 404 and 425 are of what was not read yet, or not open yet."""
    return status in (NO_ANSWER, NO_DOOR, 404, 425, 500, 503, 504)


def _scope(method: str, path: str, who: str, headers: Mapping[str, str], has_body: bool) -> dict[str, Any]:
    told = {"authorization": f"Bearer {who} {'center' if who == CENTER else 'venue-staff'}", **headers}
    if has_body:
        told["content-type"] = "application/json"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
        "client": ("127.0.0.1", 1),
        "server": ("door", 80),
    }


async def _serve(app: FastAPI, scope: Any, body: bytes, answer: "asyncio.Future[tuple[int, Any]]") -> None:
    """Serve one request in the door's process; the answer is the client's."""
    assert PROCESS.get() is not None
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    status, parts = 0, []

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    if not answer.done():
        answer.set_result((status, msgspec.json.decode(b"".join(parts) or b"null")))
