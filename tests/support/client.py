"""A client of the services' HTTP: a token, an Idempotency-Key, and patience where an answer asks for it."""

import uuid
from typing import Any

import httpx

from tests.support.waiting import eventually

NOT_READ_YET = ("slot-unknown", "venue-unknown")


def problem(answer: httpx.Response) -> str:
    """The code of a problem+json answer; "" if it is none."""
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return str(answer.json()["title"])
    return ""


def assert_problem(answer: httpx.Response, status: int, *codes: str) -> dict[str, Any]:
    """Check that an answer is a whole RFC 9457 problem of that status and (one of) those codes; returns it."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.headers
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] == f"/problems/{body['title']}"
    assert body["detail"], body
    assert not codes or body["title"] in codes, body
    return body


class Caller:
    """Calls one service as somebody. Paths are the service's; a `key` becomes the Idempotency-Key."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str | None) -> None:
        self._http = http
        self.url = url
        self.token = token

    async def call(
        self, method: str, path: str, *, key: str | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        sent = {"Accept-Language": "en"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            sent["Idempotency-Key"] = key
        return await self._http.request(method, self.url + path, headers=sent | (headers or {}), **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.call("POST", path, **({"json": body} if body is not None else {}), **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("DELETE", path, **more)

    async def read_back(self, path: str, timeout: float = 20.0) -> dict[str, Any]:
        """GET until it is there: 404 says that it was not read yet."""

        async def there() -> dict[str, Any] | None:
            answer = await self.get(path)
            assert answer.status_code in (200, 404), answer.text
            found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
            return found

        return await eventually(there, timeout, f"GET {path}")


class Venue(Caller):
    """A venue's own client of matching."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str, organization_id: str) -> None:
        super().__init__(http, url, token)
        self.organization_id = organization_id

    async def ask(self, slot_id: str, size: int = 1, key: str | None = None, **body: Any) -> httpx.Response:
        """Ask for places, waiting while the door has not read slot or venue yet."""
        key = key or uuid.uuid4().hex
        wanted = {"slot_id": slot_id, "party_size": size, **body}

        async def answered() -> list[httpx.Response]:
            answer = await self.post("/v1/bookings", wanted, key=key)
            return [] if problem(answer) in NOT_READ_YET else [answer]

        return (await eventually(answered, 20, f"the door knows {slot_id} and {self.organization_id}"))[0]

    async def book(self, slot_id: str, size: int = 1, key: str | None = None) -> str:
        """Ask for places; returns the request's id."""
        answer = await self.ask(slot_id, size, key)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    async def booking(self, request_id: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/bookings/{request_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def decided(self, request_id: str, *statuses: str, timeout: float = 20.0) -> dict[str, Any]:
        """The booking once it is decided (or has one of `statuses`)."""

        async def decided() -> dict[str, Any] | None:
            found = await self.booking(request_id)
            return found if (found["status"] in statuses if statuses else found["status"] != "received") else None

        return await eventually(decided, timeout, f"{request_id} is {' or '.join(statuses) or 'decided'}")

    async def cancel(self, request_id: str, key: str | None = None) -> httpx.Response:
        return await self.delete(f"/v1/bookings/{request_id}", key=key)
