"""The calls of importing offers with their sessions: the empty file to be filled in, and the filled one."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Pool

from youai_catalog import answers, offer_import, offer_template, sheets
from youai_catalog.answers import Holding
from youai_catalog.offer_columns import BY_NAME
from youai_catalog.organizations import Refused
from youai_catalog.views import OffersImportedView

IMPORT = "/v1/offers:import"
MOST_BODY = 2 * 1024 * 1024

_ELSE = {"file": ("文件", "file"), "header": ("表头", "header"), "row": ("整行", "whole row")}


def import_routes(pool: Pool, holding: Holding) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["offers"])
    publisher = Annotated[Principal, Depends(holding("provider-staff", "center"))]

    @routes.post(IMPORT, response_model=OffersImportedView, openapi_extra=answers.FILE)
    async def import_file(request: Request, who: publisher) -> OffersImportedView:
        """Publish the offers of a CSV file, or of an Excel workbook's first sheet, and open their sessions.

        A row is a session, at most 2,000. The template names the columns. All is done or nothing; what was imported
        before, by provider, offer number and session number, is left as it is.
        """
        excel = answers.is_excel(request)
        try:
            done = await offer_import.import_file(pool, who, await request.body(), excel=excel)
        except Refused as refused:
            raise answers.refused(request, refused.faults, of_file=True, label=_label) from None
        return OffersImportedView(offers=done.offers, sessions=done.sessions, unchanged=done.unchanged)

    @routes.get("/v1/offers:template", response_class=Response)
    async def template(
        request: Request, who: publisher, kind: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx"
    ) -> Response:
        """The file to fill in, in Chinese, or in English if that is asked for."""
        english = problems.wants_english(request.headers.get("accept-language", ""))
        make = offer_template.as_csv if kind == "csv" else offer_template.as_excel
        media_type = "text/csv; charset=utf-8" if kind == "csv" else sheets.MEDIA_TYPE
        named = {"Content-Disposition": f'attachment; filename="youai-offers.{kind}"'}
        return Response(await asyncio.to_thread(make, english), media_type=media_type, headers=named)

    return routes


def _label(field: str, english: bool) -> str:
    column = BY_NAME.get(field)
    return column.label(english) if column else _ELSE.get(field, (field, field))[english]
