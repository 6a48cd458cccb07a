"""What every page needs: who is here, in which language and size, forms that cannot be forged, and rendering."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from youai_runtime import pages
from youai_runtime.database import Pool
from youai_runtime.pages import Page
from youai_runtime.problems import Problem

from youai_portal import uploads, words
from youai_portal.clients import Services
from youai_portal.live import Hub
from youai_portal.signin import Person, SignIn
from youai_portal.store import people
from youai_portal.templating import HERE, environment, new_key, segment

__all__ = ["HERE", "Desk", "Fields", "Seal", "Visit", "back_path", "new_key", "part", "seat_hash", "segment"]

YEAR_S = 365 * 24 * 3600
MOST_FIELDS = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Seal:
    """Signs what a browser carries, and the tokens of its forms."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, purpose: str, value: str) -> str:
        """`value` with its signature."""
        return f"{value}.{self._mac(purpose, value)}"

    def open(self, purpose: str, signed: str) -> str | None:
        """The value, or None if nobody here signed it for this purpose."""
        value, _, mac = signed.rpartition(".")
        return value if value and hmac.compare_digest(mac.encode(), self._mac(purpose, value).encode()) else None

    def form_token(self, seat: str) -> str:
        """What a form of this seat must carry."""
        return self._mac("form", seat)

    def _mac(self, purpose: str, value: str) -> str:
        return hmac.new(self._key, f"{purpose}|{value}".encode(), hashlib.sha256).hexdigest()[:40]


@dataclass
class Desk:
    """What pages work with, passed in whole."""

    pool: Pool
    hub: Hub
    services: Services
    sign_in: SignIn
    secure: bool
    session_hours: float
    templates: jinja2.Environment = field(default_factory=environment)
    seal: Seal | None = None

    @property
    def cookie(self) -> str:
        """The session cookie's name."""
        return "__Host-youai" if self.secure else "youai"

    async def sealed(self) -> Seal:
        """The seal; its key is read from the database once."""
        if self.seal is None:
            self.seal = Seal(await people.secret(self.pool))
        return self.seal

    async def visit(self, request: Request) -> "Visit":
        """Who is here. Every page depends on it."""
        seal = await self.sealed()
        seat = seal.open("seat", request.cookies.get(self.cookie, ""))
        found = None
        if seat is not None:
            async with self.pool.acquire() as connection:
                found = await people.signed_in(connection, seat_hash(seat))
        person, unread = found or (None, 0)
        visit = Visit(self, request, seal, seat, person, unread)
        request.state.visit = visit
        if _CONTROL.search(request.scope["path"]):  # no id has one, and neither database nor header takes it
            raise Problem(404, "not-found", "没有这个页面。", "There is no such page.")
        return visit


def seat_hash(seat: str) -> bytes:
    """What is kept of a session's id."""
    return hashlib.sha256(seat.encode()).digest()


@dataclass
class Visit:
    """One request of one browser."""

    desk: Desk
    request: Request
    seal: Seal
    seat: str | None
    person: Person | None
    unread: int
    new_cookies: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def lang(self) -> str:
        """`zh` or `en`."""
        chosen = self.request.query_params.get("lang") or self.request.cookies.get("youai_lang", "")
        return "en" if chosen == "en" else "zh"

    @property
    def elder(self) -> bool:
        """True in the elders' version."""
        chosen = self.request.query_params.get("elder") or self.request.cookies.get("youai_elder", "")
        return chosen == "1"

    @property
    def who(self) -> Person:
        """The person; raises 401 (which leads to the sign-in) where nobody is signed in."""
        if self.person is None:
            raise Problem(401, "sign-in", "请先登录。", "Please sign in first.")
        return self.person

    @property
    def partial(self) -> bool:
        """True if htmx asks for a part of the page."""
        return "hx-request" in self.request.headers and "hx-history-restore-request" not in self.request.headers

    def t(self, zh: str, en: str) -> str:
        """The text in this visit's language."""
        return en if self.lang == "en" else zh

    def say(self, row: Mapping[str, Any], name: str) -> str:
        """`name`_zh or `name`_en of a row."""
        text: str = row[f"{name}_{self.lang}"]
        return text

    def require(self, *roles: str) -> Person:
        """The person, who must hold one of the roles: else 403."""
        if not self.who.has(*roles):
            named = "、".join(words.role(role, "zh") for role in roles)
            raise Problem(
                403,
                "forbidden",
                f"这一步需要以下身份之一：{named}。",
                f"This needs one of: {', '.join(words.role(role, 'en') for role in roles)}.",
            )
        return self.who

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page, or a part of one, with the cookies that are to be set."""
        if self.seat is None and context.get("forms"):
            self.seat = secrets.token_urlsafe(32)
            self.new_cookies[self.desk.cookie] = (self.seal.sign("seat", self.seat), None)
        html = self.desk.templates.get_template(template).render(
            visit=self,
            person=self.person,
            t=self.t,
            say=self.say,
            lang=self.lang,
            csrf=self.seal.form_token(self.seat) if self.seat else "",
            **context,
        )
        response = HTMLResponse(html, status)
        return self.with_cookies(response)

    def fragment(self, template: str, **context: Any) -> str:
        """A part of a page, as text."""
        return self.desk.templates.get_template(template).render(
            visit=self,
            person=self.person,
            t=self.t,
            say=self.say,
            lang=self.lang,
            csrf=self.seal.form_token(self.seat) if self.seat else "",
            **context,
        )

    def go(self, path: str) -> Response:
        """On to another page of ours, after a form."""
        return self.with_cookies(RedirectResponse(path, 303))

    def with_cookies(self, response: Response) -> Response:
        """Set what is to be kept in the browser."""
        query = self.request.query_params
        for name, values in (("lang", ("zh", "en")), ("elder", ("0", "1"))):
            if query.get(name) in values:
                self.new_cookies[f"youai_{name}"] = (query[name], YEAR_S)
        for name, (value, age) in self.new_cookies.items():
            response.set_cookie(
                name, value, max_age=age, path="/", secure=self.desk.secure, httponly=True, samesite="lax"
            )
        response.headers.setdefault("Cache-Control", "no-store" if self.person else "no-cache")
        return response

    def q(self, name: str, most: int = 100) -> str:
        """A parameter of the query, at most so long; empty if it is not there."""
        return self.request.query_params.get(name, "").replace("\x00", "").strip()[:most]

    def after(self, cursor_of: str) -> tuple[datetime, str] | None:
        """Where the part before ended: a time and an id. Raises 422 on any other cursor."""
        found = pages.after(Page(cursor=self.q("cursor", 1_000) or None), cursor_of, 2)
        if found is None:
            return None
        try:
            at = datetime.fromisoformat(found[0])
        except ValueError:
            raise pages.bad_cursor() from None
        if at.tzinfo is None:
            raise pages.bad_cursor()
        return at, found[1]

    def here(self, **changed: str | None) -> str:
        """This page's address with some of its query changed (None: taken out)."""
        query = {k: v for k, v in self.request.query_params.items() if k not in ("lang", "elder", "cursor")}
        query |= {k: v for k, v in changed.items() if v is not None}
        for name, value in changed.items():
            if value is None:
                query.pop(name, None)
        return self.request.url.path + (f"?{urlencode(query)}" if query else "")

    async def form(self, most: int = MOST_FIELDS) -> dict[str, str]:
        """A form's fields, at most `most`. Raises 403 where the form is not of this seat, or comes from elsewhere."""
        if self.request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            raise Problem(415, "not-a-form", "请用本站的表单提交。", "Send this page's own form.")
        try:
            text = (await self.request.body()).decode()
            fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=most))
        except ValueError:
            raise Problem(422, "invalid", "表单内容有误。", "The form cannot be read.") from None
        return self._own(fields)

    async def upload(self, name: str) -> tuple[dict[str, str], bytes]:
        """A form's fields and the file that was put into its field `name`; empty if there is none. Raises as `form`."""
        kind = self.request.headers.get("content-type", "")
        if not kind.startswith(uploads.MEDIA_TYPE):
            return await self.form(), b""
        try:
            parts = uploads.parts(await self.request.body(), kind, MOST_FIELDS)
            file = parts.pop(name, b"")
            fields = {name: content.decode() for name, content in parts.items()}
        except ValueError:
            raise Problem(422, "invalid", "表单内容有误。", "The form cannot be read.") from None
        return self._own(fields), file

    def _own(self, fields: dict[str, str]) -> dict[str, str]:
        site = self.request.headers.get("sec-fetch-site", "same-origin")
        origin = self.request.headers.get("origin")
        same = origin in (None, "null") or urlsplit(str(origin)).netloc == self.request.headers.get("host")
        given = fields.get("csrf", "")
        expected = self.seal.form_token(self.seat) if self.seat else ""
        if (
            not expected
            or not hmac.compare_digest(given.encode(), expected.encode())
            or not same
            or site == "cross-site"
        ):
            raise Problem(
                403,
                "stale-form",
                "这个页面已经过期（可能在别的标签页换了身份或退出了登录）。请刷新后再试，什么都没有提交。",
                "This page is out of date: somebody signed in or out in another tab. Load it again; nothing was sent.",
            )
        return {name: value.replace("\x00", "").strip() for name, value in fields.items() if name != "csrf"}

    def token(self) -> str:
        """The token that this person's commands are sent with."""
        return self.desk.sign_in.token(self.who)

    async def call(self, service: str, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Call a service as this person. Raises clients.Refused."""
        return await self.desk.services.call(service, method, path, token=self.token(), lang=self.lang, **more)


def part(
    rows: Sequence[dict[str, Any]], limit: int, cursor_of: str, at: str, id_: str
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """A part of a list of which one row more than `limit` was read, sorted by a time and an id; and the next cursor."""
    told = [row | {"_at": row[at].isoformat()} for row in rows]
    return pages.part(told, Page(limit=limit), cursor_of, ("_at", id_))


class Fields(dict[str, Any]):
    """A form's or an answer's fields; what is not there is empty."""

    def __missing__(self, name: str) -> str:
        return ""


def back_path(given: str, otherwise: str = "/") -> str:
    """A path of this site to go back to; anything else is not followed."""
    parts = urlsplit(given)
    fine = given.startswith("/") and not given.startswith(("//", "/\\")) and not parts.netloc and "\\" not in given
    return given if fine and given.isprintable() and len(given) < 500 else otherwise
