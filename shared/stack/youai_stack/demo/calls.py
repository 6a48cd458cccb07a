"""Calls as a patient person's program makes them: asked again with the same key until there is an answer."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from youai_stack.demo.wire import Address, Wire
from youai_stack.errors import StackError

GIVE_UP_S = 300.0
LONGEST_S = 60.0
"""The longest that a client waits before it asks again, whatever it is told."""
_AGAIN = (425, 429, 502, 503, 504)


@dataclass
class Attempts:
    """What the calls met: `by_status` counts attempts (0: the connection broke), `gave_up` those without an end."""

    by_status: Counter[int] = field(default_factory=Counter)
    gave_up: int = 0


class Patient:
    """Calls services for organizations. `urls` are by service; `token` signs for (organization, role)."""

    def __init__(
        self,
        urls: dict[str, str],
        token: Callable[[str, str], str],
        attempts: Attempts | None = None,
    ) -> None:
        self._addresses = {service: _address(url) for service, url in urls.items()}
        self._token = token
        self._wire = Wire()
        self.attempts = attempts or Attempts()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        who: tuple[str, str],
        *,
        key: str | None = None,
        body: Any = None,
        params: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Ask until there is a final answer: its status and its JSON.

        Answers that carry Retry-After (not read yet, not decided yet) and those of overload and outage are asked again,
        with growing pauses; after GIVE_UP_S the last one stands.
        """
        address = self._addresses[service]
        call = _call(address, method, path, self._token(*who), key, body, params)
        deadline = time.monotonic() + GIVE_UP_S
        pause = 0.2
        while True:
            status, after, answer = await self._once(address, call)
            self.attempts.by_status[status] += 1
            if status != 0 and status not in _AGAIN and after is None:
                return status, answer
            if time.monotonic() > deadline:
                self.attempts.gave_up += 1
                return status, answer
            asked = float(after) if after and after.isdigit() else pause * random.uniform(0.5, 1.5)
            await asyncio.sleep(min(asked, LONGEST_S) + random.uniform(0, 0.5))
            pause = min(pause * 2, 2.0)

    async def must(self, service: str, method: str, path: str, who: tuple[str, str], **more: Any) -> dict[str, Any]:
        """`ask`, where any refusal is a failure of the run. Raises StackError with what was refused."""
        status, answer = await self.ask(service, method, path, who, **more)
        if status >= 300 or status == 0:
            raise StackError(f"{method} {path} of {service} answered {status}: {answer.get('detail', answer)}")
        return answer

    async def _once(self, address: Address, call: bytes) -> tuple[int, str | None, dict[str, Any]]:
        try:
            status, headers, body = await self._wire.ask(address, call)
            found = msgspec.json.decode(body) if body else {}
        except (OSError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
            return 0, None, {}
        after = headers.get(b"retry-after")
        return status, None if after is None else after.decode("latin-1"), found or {}


def _address(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return parts.hostname, parts.port or 80


def _call(
    address: Address, method: str, path: str, token: str, key: str | None, body: Any, params: dict[str, str] | None
) -> bytes:
    """A call as it goes over the wire."""
    content = b"" if body is None else msgspec.json.encode(body)
    target = quote(path, safe="/:") + (f"?{urlencode(params)}" if params else "")
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAuthorization: Bearer {token}\r\n"
        f"Accept-Language: en\r\nContent-Length: {len(content)}\r\n"
        + ("" if body is None else "Content-Type: application/json\r\n")
        + ("" if key is None else f"Idempotency-Key: {key}\r\n")
    )
    return head.encode() + b"\r\n" + content
