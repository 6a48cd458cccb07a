"""Problems: RFC 9457, in Chinese unless English is asked for, with the fields that are wrong."""

import json
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from youai_runtime.http import create_app
from youai_runtime.problems import Problem, not_found, response, unavailable, wants_english


@pytest.mark.parametrize(
    ("header", "english"),
    [
        ("", False), ("en", True), ("en-GB,en;q=0.9", True), ("EN-us", True), ("zh-CN,zh;q=0.9,en;q=0.8", False),
        ("zh", False), ("fr,en;q=0.5", True), ("fr, zh;q=0.5, en;q=0.4", False), ("fr", False), ("*", False),
        (",;=,,", False), ("en;q=0.1,zh;q=0.9", True), ("\x00\xff", False),
    ],
)  # fmt: skip
def test_the_first_language_that_we_have(header: str, english: bool) -> None:
    assert wants_english(header) is english


@pytest.mark.parametrize(
    ("header", "language", "detail"), [("", "zh-CN", "没有这个场次。"), ("en", "en", "There is no such session.")]
)
def test_a_problem_as_a_response(header: str, language: str, detail: str) -> None:
    answer = response(not_found("场次", "session"), header, "/v1/sessions/x")
    assert (answer.status_code, answer.media_type) == (404, "application/problem+json")
    assert answer.headers["content-language"] == language
    assert json.loads(bytes(answer.body)) == {
        "type": "/problems/not-found",
        "title": "not-found",
        "status": 404,
        "detail": detail,
        "instance": "/v1/sessions/x",
    }


def test_a_problems_own_headers_and_fields_are_told() -> None:
    answer = response(Problem(409, "x", "中", "en", {"Retry-After": "2"}, {"request_id": "b-1"}), "", "/")
    assert answer.headers["retry-after"] == "2"
    assert json.loads(bytes(answer.body))["request_id"] == "b-1"
    assert unavailable(3).headers == {"Retry-After": "3"}
    assert str(unavailable()).startswith("503 unavailable: ")


class Body(BaseModel):
    title: str = Field(min_length=1)
    places: int = Field(ge=1)
    town: dict[str, int] = {}


def make_app() -> FastAPI:
    async def ready() -> dict[str, str]:
        return {}

    app = create_app("test", ready=ready)

    @app.post("/things")
    async def things(body: Body, limit: int = 1) -> dict[str, str]:
        return {}

    @app.get("/fails/{what}")
    async def fails(what: str) -> None:
        raise {
            "problem": Problem(425, "early", "还早。", "Too early.", {"Retry-After": "9"}),
            "database": asyncpg.ConnectionDoesNotExistError("secret host"),
            "refused": ConnectionRefusedError("secret host"),
            "ours": KeyError("secret"),
        }[what]

    return app


def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["title"], body["type"]) == (status, code, f"/problems/{code}")
    assert answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ('{"title": "", "places": 0}', {"title", "places"}),
        ('{"title": 1, "places": "many"}', {"title", "places"}),
        ("{}", {"title", "places"}),
        ('{"title": "x", "places": 1, "town": {"杨舍镇": "x"}}', {"town.杨舍镇"}),
        ('{"title": "x", "places": 1e400}', {"places"}),
        ("[]", {""}),
        ("null", {""}),
        ("", {""}),
        ("{", {"1"}),
        ('{"title": "\\ud800", "places": 1}', {"title"}),
    ],
)
async def test_422_names_every_field_that_is_wrong(content: str, fields: set[str]) -> None:
    async with client() as http:
        answer = await http.post("/things", content=content, headers={"content-type": "application/json"})
    body = is_problem(answer, 422, "invalid")
    assert {error["field"] for error in body["errors"]} == fields
    assert all(error["message"] for error in body["errors"])
    assert all(field in body["detail"] for field in fields)


async def test_422_of_a_query_in_english() -> None:
    async with client() as http:
        answer = await http.post("/things?limit=x", json={"title": "x", "places": 1}, headers={"accept-language": "en"})
    body = is_problem(answer, 422, "invalid")
    assert body["detail"] == "The request does not fit this call. Mend: query.limit."


async def test_422_tells_at_most_fifty() -> None:
    async with client() as http:
        answer = await http.post("/things", json={"title": "x", "places": 1, "town": {f"t{n}": "x" for n in range(99)}})
    assert len(is_problem(answer, 422, "invalid")["errors"]) == 50


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"title": "\xff", "places": 1}', b"[" * 60_000])
async def test_a_body_that_is_no_json_is_a_4xx(content: bytes) -> None:
    async with client() as http:
        answer = await http.post("/things", content=content, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


async def test_404_and_405_are_problems_too() -> None:
    async with client() as http:
        missing, method = await http.get("/nothing"), await http.delete("/things")
    assert is_problem(missing, 404, "not-found")["detail"] == "没有这个地址。"
    assert is_problem(method, 405, "method-not-allowed")["detail"] == "这个地址不接受这种方法。"
    assert method.headers["allow"] == "POST"


@pytest.mark.parametrize("what", ["database", "refused"])
async def test_a_store_that_is_away_is_a_503_with_retry_after(what: str) -> None:
    async with client() as http:
        answer = await http.get(f"/fails/{what}")
    is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in answer.text


async def test_our_own_error_is_a_500_without_inner_detail() -> None:
    async with client() as http:
        answer = await http.get("/fails/ours", headers={"x-request-id": "abc"})
    is_problem(answer, 500, "internal")
    assert answer.headers["x-request-id"] == "abc"
    assert "secret" not in answer.text


async def test_a_problem_raised_in_a_call_keeps_its_headers() -> None:
    async with client() as http:
        answer = await http.get("/fails/problem")
    assert is_problem(answer, 425, "early")["detail"] == "还早。"
    assert answer.headers["retry-after"] == "9"
