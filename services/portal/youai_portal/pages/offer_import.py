"""Many offers at once: the empty file to download, the filled one to send, and what is wrong in it, row by row."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from youai_portal.clients import Refused
from youai_portal.web import Desk, Visit

PATH = "/offers/import"
MOST_FILE = 2 * 1024 * 1024
LARGE_BODIES = {PATH: MOST_FILE + 16 * 1024}
ROLES = ("provider-staff", "center")
COUNTS = ("offers", "sessions", "unchanged")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# How an Excel file begins: .xlsx is an archive; .xls, which the service refuses in words, is not.
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages. They come before the page of one offer, which would take `import` for an id."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get(PATH)
    async def blank(visit: here) -> Response:
        visit.require(*ROLES)
        counts = [visit.q(name, 6) for name in COUNTS]
        done = dict(zip(COUNTS, counts, strict=True)) if all(count.isdecimal() for count in counts) else None
        return visit.page("offer_import.html", done=done, refused=None)

    @routes.get(f"{PATH}/template")
    async def template(visit: here) -> Response:
        visit.require(*ROLES)
        kind = "csv" if visit.q("format") == "csv" else "xlsx"
        path = f"/v1/offers:template?format={kind}"
        content, media_type = await desk.services.download("catalog", path, token=visit.token(), lang=visit.lang)
        name = f"youai-offers-{visit.lang}.{kind}"
        return Response(
            content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    @routes.post(PATH)
    async def load(visit: here) -> Response:
        _, file = await visit.upload("file")
        visit.require(*ROLES)
        try:
            if not file:
                raise Refused(422, "invalid", visit.t("请先选择文件。", "Choose a file first."))
            sent = (file, XLSX if file.startswith(_EXCEL) else "text/csv")
            done = await visit.call("catalog", "POST", "/v1/offers:import", file=sent)
        except Refused as refused:
            return visit.page("offer_import.html", min(refused.status, 503), done=None, refused=refused)
        counts = "&".join(f"{name}={int(done[name])}" for name in COUNTS)
        return visit.go(f"{PATH}?{counts}")
