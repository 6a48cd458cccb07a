"""What a service says of itself: problems as they are told, tokens, streams, and a key's first answer again."""

from fastapi import FastAPI, Response
from pydantic import BaseModel
from youai_runtime import description
from youai_runtime.http import create_app


class View(BaseModel):
    id: str


async def ready() -> dict[str, str]:
    return {}


def app() -> FastAPI:
    made = create_app("test", ready=ready)

    @made.post("/things", status_code=201, response_model=View, responses=description.again(View))
    async def make(body: View) -> View:
        return body

    @made.get("/events", response_class=Response, responses=description.STREAM)
    async def events() -> Response:
        return Response()

    return made


def test_every_call_is_described_as_it_answers() -> None:
    described = app().openapi()
    make, events = described["paths"]["/things"]["post"], described["paths"]["/events"]["get"]
    assert set(make["responses"]) == {"201", "200", "default"}
    assert make["responses"]["201"]["content"] == make["responses"]["200"]["content"]
    assert [*make["responses"]["default"]["content"]] == ["application/problem+json"]
    assert [*events["responses"]["200"]["content"]] == ["text/event-stream"]
    assert set(described["components"]["schemas"]) == {"View", "Problem"}
    assert described["security"] == [{"token": []}]
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_it_is_made_once() -> None:
    made = app()
    assert made.openapi() is made.openapi()
