"""The resource pool: search, one resource with who asked for it, and the open windows of a place day by day."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_contracts.codec import rfc3339
from youai_runtime import problems

from youai_portal import words
from youai_portal.clients import Refused
from youai_portal.store import demands, inbox
from youai_portal.web import Desk, Fields, Visit, new_key, segment

MOST = 60
DAYS = 28


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/resources")
    async def table(visit: here) -> Response:
        wanted = {name: visit.q(name) for name in ("q", "category", "town", "kind")}
        async with desk.pool.acquire() as connection:
            found = await inbox.resources(
                connection, wanted["q"], wanted["category"], wanted["town"], wanted["kind"], MOST
            )
            towns = await demands.towns(connection)
        return visit.page("resources.html", wanted=wanted, resources=found, towns=towns)

    @routes.get("/resources/{resource_id}")
    async def one(resource_id: str, visit: here) -> Response:
        return await show(visit, resource_id)

    @routes.post("/resources/{resource_id}/{command}")
    async def command(resource_id: str, command: str, visit: here) -> Response:
        if command not in ("ask", "answer"):
            raise problems.not_found("操作", "command")
        form = await visit.form()
        visit.who  # noqa: B018
        body: dict[str, Any] = {"message": form.get("message", "")}
        if command == "ask":
            at = words.parse_local(form.get("wanted_from", ""))
            if at is not None:
                body["wanted_from"] = rfc3339(at)
        else:
            body |= {"ask_id": form.get("ask_id", ""), "accepted": form.get("accepted") == "1"}
        path = f"/v1/resources/{segment(resource_id)}/{command}"
        try:
            await visit.call("catalog", "POST", path, body=body, key=form.get("key") or new_key())
        except Refused as refused:
            return await show(visit, resource_id, refused, form)
        return visit.go(f"/resources/{segment(resource_id)}?done={command}")

    @routes.get("/places/{resource_id}")
    async def place(resource_id: str, visit: here) -> Response:
        visit.who  # noqa: B018
        async with desk.pool.acquire() as connection:
            resource = await inbox.resource(connection, resource_id)
        if resource is None or resource["kind"] != "place":
            raise problems.not_found("场地", "place")
        today = datetime.now(words.SHANGHAI).date()
        query = {"from": today.isoformat(), "to": (today + timedelta(days=DAYS - 1)).isoformat()}
        days: dict[str, Any] = {}
        refused = None
        try:
            days = await visit.call("catalog", "GET", f"/v1/places/{segment(resource_id)}/windows", query=query)
        except Refused as error:
            refused = error
        return visit.page("place.html", resource=resource, days=Fields(days), refused=refused)


async def show(
    visit: Visit, resource_id: str, refused: Refused | None = None, form: dict[str, str] | None = None
) -> Response:
    """A resource's page, after a refusal with its words."""
    async with visit.desk.pool.acquire() as connection:
        resource = await inbox.resource(connection, resource_id)
        if resource is None:
            raise problems.not_found("资源", "resource")
        asks = await inbox.asks(connection, resource_id, visit.person.organization_id) if visit.person else []
    owner = visit.person is not None and visit.person.organization_id == resource["owner_id"]
    return visit.page(
        "resource.html",
        min(refused.status, 503) if refused else 200,
        resource=resource,
        asks=asks,
        owner=owner,
        refused=refused,
        form=Fields({"key": new_key()} | (form or {})),
        done=visit.q("done"),
    )
