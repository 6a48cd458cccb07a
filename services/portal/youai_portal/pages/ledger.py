"""Both ledgers side by side: what people want and what the city has, as charts, tables and a workbook."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response

from youai_portal import domain, words, workbook
from youai_portal.recent import Recent
from youai_portal.store import demands, ledger
from youai_portal.web import Desk, Visit

MOST_PROVIDERS = 200
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the page and the workbook."""
    here = Annotated[Visit, Depends(desk.visit)]
    recent = Recent()

    @routes.get("/ledger")
    async def page(visit: here) -> Response:
        found = await _read(visit, recent)
        return visit.page("ledger.html", charts=_charts(visit, found), **found)

    @routes.get("/ledger.xlsx")
    async def download(visit: here) -> Response:
        found = await _read(visit, recent)
        made = datetime.now(words.SHANGHAI)
        content = await asyncio.to_thread(workbook.make, found, visit.lang, made)
        name = f"youai-ledger-{found['month'] or 'all'}.xlsx"
        return Response(content, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _read(visit: Visit, recent: Recent) -> dict[str, Any]:
    month = visit.q("month")
    bounds = domain.month_bounds(month) if month else None
    since, until = bounds or (None, None)
    scope = ledger.Scope(visit.q("category"), visit.q("town"), since, until)
    known: dict[str, Any] | None = recent.get(scope)
    if known is not None:
        return known
    async with visit.desk.pool.acquire() as connection:
        sums = await ledger.balance(connection, scope)
        providers = await ledger.providers(connection, scope, MOST_PROVIDERS)
        known_towns = await demands.towns(connection)
        known_months = await ledger.months(connection)
    categories = sums["category"]
    names = [name for name in categories[0] if name != "name"] if categories else []
    read = {
        "scope": scope,
        "month": month if bounds else "",
        "categories": categories,
        "towns": sums["town"],
        "months": sums["month"],
        "providers": [dict(row) for row in providers],
        "known_towns": known_towns,
        "month_pairs": [(one, one) for one in known_months],
        "total": {name: sum(row[name] for row in categories) for name in names},
    }
    recent.put(scope, read)
    return read


def _charts(visit: Visit, found: dict[str, Any]) -> str:
    """What the page's charts draw; the same numbers stand in its tables."""
    rows = found["categories"]
    names = [words.category(row["name"], visit.lang) for row in rows]
    best = found["providers"][:12][::-1]
    return msgspec.json.encode(
        {
            "balance": {
                "names": names,
                "series": [
                    {
                        "name": visit.t("群众要什么（人次）", "Wanted (people)"),
                        "data": [row["residents"] + row["unmet_places"] for row in rows],
                    },
                    {"name": visit.t("还空着的名额", "Places still free"), "data": [row["free"] for row in rows]},
                ],
            },
            "rate": {
                "names": [row["provider_name"] for row in best],
                "series": [
                    {
                        "name": visit.t("预约率 %", "Booking rate %"),
                        "data": [round(row["taken"] / row["places"] * 100, 1) for row in best],
                    }
                ],
            },
        }
    ).decode()
