"""Loads the city through catalog's HTTP, as its staff would: organizations, offers, sessions."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from youai_stack.demo.plan import City
from youai_stack.errors import StackError

SIDE_BY_SIDE = 6
SESSIONS_A_CALL = 100
TRIES = 20

Tell = Callable[[str, int], None]
"""Called with what was loaded (`organizations`, `offers`, `sessions`) and how many more."""


class Loader:
    """Loads a city. `token` is the guidance center's, which may write for everybody below it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, tell: Tell) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
        self._tell = tell

    async def load(self, city: City, run: str) -> None:
        """Load everything. Raises StackError with what was refused."""
        await self._post("/v1/organizations:import", data=city.organizations_csv, headers={"Content-Type": "text/csv"})
        self._tell("organizations", len(city.rows))
        gate = asyncio.Semaphore(SIDE_BY_SIDE)
        offers = [self._offer(gate, offer, city.sessions[offer["offer_id"]], run) for offer in city.offers]
        await asyncio.gather(*offers)

    async def _offer(
        self, gate: asyncio.Semaphore, offer: dict[str, Any], sessions: list[dict[str, Any]], run: str
    ) -> None:
        offer_id = offer["offer_id"]
        async with gate:
            await self._post("/v1/offers", json=offer, headers={"Idempotency-Key": f"{run}-{offer_id}"})
            self._tell("offers", 1)
            for start in range(0, len(sessions), SESSIONS_A_CALL):
                some = sessions[start : start + SESSIONS_A_CALL]
                await self._post(
                    f"/v1/offers/{offer_id}/sessions",
                    json={"sessions": some},
                    headers={"Idempotency-Key": f"{run}-{offer_id}-{start}"},
                )
                self._tell("sessions", len(some))

    async def _post(self, path: str, headers: dict[str, str], **body: Any) -> None:
        for _ in range(TRIES):
            try:
                async with self._http.post(self._url + path, headers=self._headers | headers, **body) as answer:
                    if answer.status < 300:
                        return
                    if answer.status != 503:
                        raise StackError(f"Loading the city: {path} answered {answer.status}: {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.5)
        raise StackError(f"Loading the city: {path} did not answer: see `youai logs catalog`.")
