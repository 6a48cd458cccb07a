"""The other services' APIs, as a signed-in person's commands reach them: every wait bounded, every refusal in words."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from youai_runtime import logs
from youai_runtime.observed import current_traceparent

log = logs.get(__name__)

_OF_EVERY_PROBLEM = ("type", "title", "status", "detail", "instance", "errors")
MOST_ERRORS = 100
_TIMEOUT = aiohttp.ClientTimeout(total=8, connect=2)


@dataclass
class Refused(Exception):
    """A service did not do what was asked. `open`: it may have, so the same key must be used to ask again."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    retry_after: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.status >= 500


class Services:
    """Calls services by name; `urls` are their base URLs, empty where a service is not connected."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = {name: url.rstrip("/") for name, url in urls.items()}
        self._http: aiohttp.ClientSession | None = None

    def has(self, service: str) -> bool:
        """True if the service is connected."""
        return bool(self._urls.get(service))

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        token: str,
        lang: str,
        body: Any = None,
        file: tuple[bytes, str] | None = None,
        key: str | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call a service; returns its answer. Raises Refused with the service's own words.

        `file`: what is sent in place of a body of JSON, and its media type.
        """
        more = {"json": body} if file is None else {"data": file[0]}
        typed = {} if file is None else {"Content-Type": file[1]}
        content, _ = await self._ask(service, method, path, token, lang, typed, key=key, params=query, **more)
        told = json.loads(content) if content else {}
        return told if isinstance(told, dict) else {"items": told}

    async def download(self, service: str, path: str, *, token: str, lang: str) -> tuple[bytes, str]:
        """A file of a service, and its media type. Raises Refused."""
        return await self._ask(service, "GET", path, token, lang, {})

    async def _ask(
        self,
        service: str,
        method: str,
        path: str,
        token: str,
        lang: str,
        headers: dict[str, str],
        *,
        key: str | None = None,
        **more: Any,
    ) -> tuple[bytes, str]:
        if not self.has(service):
            raise Refused(
                503, "not-connected", _say(lang, "这项服务还没有接入。", "This service is not connected yet.")
            )
        headers |= {"Authorization": f"Bearer {token}", "Accept-Language": "en" if lang == "en" else "zh-CN"}
        if key is not None:
            headers["Idempotency-Key"] = key
        trace = current_traceparent()
        if trace is not None:
            headers["traceparent"] = trace
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=200))
        try:
            async with self._http.request(method, self._urls[service] + path, headers=headers, **more) as answer:
                content = await answer.read()
                if answer.status < 300:
                    return content, answer.headers.get("Content-Type", "")
                told = json.loads(content) if content else {}
                raise _refusal(answer.status, told, answer.headers.get("Retry-After"), lang)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("service-away", service=service, path=path, error=repr(error))
            raise Refused(
                503,
                "unavailable",
                _say(
                    lang,
                    "系统暂时没有应答。请直接再按一次：不会丢失，也不会重复。",
                    "The system did not answer. Just press again: nothing is lost and nothing is done twice.",
                ),
            ) from None

    async def close(self) -> None:
        """Release connections."""
        if self._http is not None:
            await self._http.close()


def _refusal(status: int, content: Any, retry_after: str | None, lang: str) -> Refused:
    problem = content if isinstance(content, dict) else {}
    detail = str(problem.get("detail") or _say(lang, f"没有成功（{status}）。", f"It was not done ({status})."))
    errors = [error for error in problem.get("errors", []) if isinstance(error, dict)]
    extra = {name: value for name, value in problem.items() if name not in _OF_EVERY_PROBLEM}
    return Refused(status, str(problem.get("title", "refused")), detail, errors[:MOST_ERRORS], retry_after, extra)


def _say(lang: str, zh: str, en: str) -> str:
    return en if lang == "en" else zh
