"""The description of notify's calls can be made, and has them all."""

from contextlib import asynccontextmanager
from typing import Any, cast

from youai_notify.api import make_api
from youai_runtime.live import Listeners


def test_openapi_describes_every_call() -> None:
    async def nothing(*_: Any) -> Any: ...

    app = make_api(
        pool=cast(Any, None),
        listeners=Listeners(1, 1),
        authenticate=cast(Any, nothing),
        ready=cast(Any, nothing),
        lifespan=asynccontextmanager(cast(Any, nothing)),
    )
    paths = app.openapi()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == {
        "GET /v1/inbox",
        "GET /v1/inbox/count",
        "GET /v1/inbox/events",
        "POST /v1/inbox/read-all",
        "POST /v1/inbox/{notification_id}/read",
        "GET /v1/preferences",
        "POST /v1/preferences",
    }
    assert "text/event-stream" in paths["/v1/inbox/events"]["get"]["responses"]["200"]["content"]
