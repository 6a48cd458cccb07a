"""Calls as a patient person's program makes them: asked again with the same key until there is an answer."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

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
    """Calls services for organizations. `token` signs for (organization, role)."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        urls: dict[str, str],
        token: Callable[[str, str], str],
        attempts: Attempts | None = None,
    ) -> None:
        self._http = http
        self._urls = urls
        self._token = token
        self.attempts = attempts or Attempts()

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
        headers = {"Authorization": f"Bearer {self._token(*who)}", "Accept-Language": "en"}
        if key is not None:
            headers["Idempotency-Key"] = key
        deadline = time.monotonic() + GIVE_UP_S
        pause = 0.2
        while True:
            status, after, answer = await self._once(method, self._urls[service] + path, headers, body, params)
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

    async def _once(
        self, method: str, url: str, headers: dict[str, str], body: Any, params: dict[str, str] | None
    ) -> tuple[int, str | None, dict[str, Any]]:
        try:
            async with self._http.request(method, url, json=body, params=params, headers=headers) as answer:
                found = await answer.json(content_type=None) if answer.status != 204 else {}
                return answer.status, answer.headers.get("Retry-After"), found or {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, None, {}
