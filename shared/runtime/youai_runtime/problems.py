"""Errors over HTTP: RFC 9457 problem+json, in Chinese unless English is asked for."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from youai_runtime import logs
from youai_runtime.errors import is_database_transient

log = logs.get(__name__)


@dataclass
class Problem(Exception):
    """Raise to answer with a problem. `code` names it for programs; `zh` and `en` say what to mend."""

    status: int
    code: str
    zh: str
    en: str
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.en}"


def wants_english(accept_language: str) -> bool:
    """True if the header's first language that we have is English."""
    for part in accept_language.lower().split(","):
        tag = part.split(";")[0].strip()
        if tag.startswith("zh"):
            return False
        if tag.startswith("en"):
            return True
    return False


def response(problem: Problem, accept_language: str, path: str) -> JSONResponse:
    """The problem as a response."""
    english = wants_english(accept_language)
    body = {
        "type": f"/problems/{problem.code}",
        "title": problem.code,
        "status": problem.status,
        "detail": problem.en if english else problem.zh,
        "instance": path,
        **problem.extra,
    }
    headers = {"Content-Language": "en" if english else "zh-CN", **problem.headers}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


def unavailable(retry_after_s: int = 1) -> Problem:
    """The database or the broker is away; nothing was written."""
    return Problem(
        503,
        "unavailable",
        "系统暂时不可用，没有写入任何内容，请稍后用同一个键重试。",
        "A store is away for the moment and nothing was written. Ask again with the same key.",
        {"Retry-After": str(retry_after_s)},
    )


def forbidden(zh: str, en: str) -> Problem:
    """The token's organization or role may not do this."""
    return Problem(403, "forbidden", zh, en)


def not_found(what_zh: str, what_en: str) -> Problem:
    """There is no such thing, or not for this organization."""
    return Problem(404, "not-found", f"没有这个{what_zh}。", f"There is no such {what_en}.")


async def on_problem(request: Request, error: Exception) -> JSONResponse:
    """Handler of Problem."""
    assert isinstance(error, Problem)
    return _respond(request, error)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Handler of requests that do not fit the call's form: every field that is wrong, and how."""
    assert isinstance(error, RequestValidationError)
    fields = [
        {"field": ".".join(str(part) for part in item["loc"] if part != "body"), "message": item["msg"]}
        for item in error.errors()[:50]
    ]
    named = ", ".join(f["field"] for f in fields if f["field"])
    return _respond(
        request,
        Problem(
            422,
            "invalid",
            f"请求内容有误，请改正这些字段：{named or '请求体'}。",
            f"The request does not fit this call. Mend: {named or 'the body'}.",
            extra={"errors": fields},
        ),
    )


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """Handler of the framework's own refusals (404, 405 …)."""
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    zh = {404: "没有这个地址。", 405: "这个地址不接受这种方法。"}.get(error.status_code, "请求被拒绝。")
    problem = Problem(error.status_code, code, zh, str(error.detail), dict(error.headers or {}))
    return _respond(request, problem)


async def on_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of everything else: 503 if a store is away, else 500 with no inner detail."""
    if is_database_transient(error):
        log.warning("store-away", error=repr(error), path=request.url.path)
        return _respond(request, unavailable())
    log.error("failed", path=request.url.path, exc_info=error)
    return _respond(
        request,
        Problem(500, "internal", "系统内部错误，已记录。", "Something went wrong inside; it has been logged."),
    )


def _respond(request: Request, problem: Problem) -> JSONResponse:
    return response(problem, request.headers.get("accept-language", ""), request.url.path)
