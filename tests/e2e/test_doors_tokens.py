"""Forged tokens at every call of every service, strange roles, and the portal's cookies: nobody comes in."""

import asyncio
import json
import re
import time
import uuid
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from youai_stack.tokens import private_key_file, public_key_file

from tests.e2e.test_bad_input import forged
from tests.e2e.test_doors_schema import SERVICES, known
from tests.support.client import assert_problem
from tests.support.market import Market
from tests.support.permissions.portal import TABLE, Desk
from tests.support.permissions.scene import Scene
from tests.support.stack import Stack

GOOD: dict[str, Any] = {"iss": "youai-development", "aud": "youai", "sub": "x", "roles": ["center"]}


def more_forged(stack: Stack, elsewhere: str) -> dict[str, str]:
    """Tokens whose header tells where their key is, or of what kind it was; `elsewhere` is a server of ours."""
    own, other = private_key_file(stack.home.keys).read_text(), Ed25519PrivateKey.generate()
    public = public_key_file(stack.home.keys).read_bytes()
    raw = serialization.load_pem_public_key(public).public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    now = int(time.time())
    claims = GOOD | {"org": "center", "iat": now, "exp": now + 600}
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(other.public_key()))
    headers: dict[str, dict[str, Any]] = {
        "a key of its own": {"jwk": jwk},
        "a key elsewhere": {"jku": f"{elsewhere}/keys", "kid": "1"},
        "a certificate elsewhere": {"x5u": f"{elsewhere}/certificate", "x5c": ["MIIB"]},
        "a file for a key": {"kid": "../../../../dev/null"},
        "a statement for a key": {"kid": "' OR 1=1 --"},
        "what must be understood": {"crit": ["exp"], "exp": 1},
    }
    found = {name: jwt.encode(claims, other, "EdDSA", headers=header) for name, header in headers.items()}
    for name, secret in (("the public key as a secret", public), ("its bytes as a secret", raw), ("no secret", b"")):
        said = b".".join(jwt.utils.base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
        sealed = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(said, secret)
        found[name] = (said + b"." + jwt.utils.base64url_encode(sealed)).decode()
    whole = jwt.encode(claims, own, "EdDSA")
    head, body, mark = whole.split(".")
    found |= {
        "a mark cut short": f"{head}.{body}.{mark[:-4]}",
        "no mark": f"{head}.{body}.",
        "another's body": f"{head}.{jwt.encode(claims | {'org': 'x'}, own, 'EdDSA').split('.')[1]}.{mark}",
        "two tokens": f"{whole}, {whole}",
        "what must be understood, of ours": jwt.encode(claims, own, "EdDSA", headers={"crit": ["b64"], "b64": False}),
    }
    return found


async def calls(stack: Stack, market: Market, scene: Scene) -> list[tuple[str, str, str]]:
    """Service, method and path of every call that is described, on what there is."""
    there, found = known(scene), []
    for service in SERVICES:
        described = (await market.http.get(f"{stack.url(service)}/openapi.json")).json()
        for path, methods in described["paths"].items():
            filled = re.sub(r"\{(\w+)\}", lambda match: there.get(match[1], ["x-1"])[0], path)
            found += [(service, method.upper(), filled) for method in methods]
    return found


async def test_no_forged_token_opens_any_call(stack: Stack, market: Market, scene: Scene) -> None:
    asked_elsewhere: list[str] = []

    async def listener(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_elsewhere.append("asked")
        writer.close()

    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    elsewhere = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tokens: dict[str, str | None] = {**forged(stack), **more_forged(stack, elsewhere)}
    opened = []
    try:
        for service, method, path in await calls(stack, market, scene):
            for name, token in tokens.items():
                headers = {"Idempotency-Key": uuid.uuid4().hex}
                if token:
                    headers["Authorization"] = f"Bearer {token}"
                answer = await market.http.request(method, stack.url(service) + path, headers=headers, json={})
                # What is looked at before the token (the body's form) may be told first, and tells nothing of anybody.
                if answer.status_code != 401:
                    opened.append((service, method, path, name, answer.status_code))
                else:
                    assert_problem(answer, 401, "unauthorized")
    finally:
        server.close()
    assert opened == []
    assert asked_elsewhere == []


STRANGE_ROLES: list[Any] = [
    ["Center"], ["CENTER"], [" center"], ["center "], ["center,resident"], ["resident", ["center"]],
    [{"center": True}], [["center"]], ["ｃenter"], ["cеnter"], ["center\x00"], ["*"], [True], [None], [], ["admin"],
    "center", {"center": 1}, None, 7, True,
]  # fmt: skip


@pytest.mark.parametrize("roles", STRANGE_ROLES, ids=repr)
async def test_no_strange_role_is_the_centers(roles: Any, stack: Stack, market: Market, scene: Scene) -> None:
    now = int(time.time())
    claims = GOOD | {"org": market.center_id, "roles": roles, "role": "center", "iat": now, "exp": now + 600}
    token = jwt.encode(claims, private_key_file(stack.home.keys).read_text(), "EdDSA")
    override = {"venue_id": scene.venue.organization_id, "party_size": 1, "explanation": "x"}
    for service, path, body in (
        ("matching", f"/v1/slots/{scene.slot}/overrides", override),
        ("catalog", "/v1/calendar/overrides", {"days": []}),
        ("demand", f"/v1/demands/{scene.demand}/withdraw", {"reason": "x"}),
        ("notify", "/v1/inbox/read-all", {}),
    ):
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Authorization": f"Bearer {token}"}
        answer = await market.http.post(stack.url(service) + path, headers=headers, json=body)
        assert answer.status_code in (401, 403, 422), (service, answer.status_code, answer.text)
        if isinstance(roles, list):
            assert answer.status_code != 401, answer.text


async def test_no_made_up_cookie_is_anybodys_seat(stack: Stack, scene: Scene) -> None:
    desk = Desk(stack.url("portal"))
    browser, csrf = await desk.browser(scene.market.center_id, "center")
    (name, seat), *_ = [(name, value) for name, value in browser.cookies.items() if name.startswith("youai")][:1]
    value, _, mark = seat.rpartition(".")
    made_up = {
        "nothing": "", "a word": "x", "no mark": value, "an empty mark": f"{value}.", "a mark alone": f".{mark}",
        "half a mark": f"{value}.{mark[:20]}", "another seat": f"{'0' * len(value)}.{mark}", "dots": "." * 50,
        "the form's token": f"{value}.{csrf}", "capitals": f"{value}.{mark.upper()}", "long": "x" * 6_000,
        "a longer seat": f"{value}0.{mark}", "quotes": f'"{seat}', "the seat twice": f"{seat}.{mark}",
    }  # fmt: skip
    async with httpx.AsyncClient(base_url=stack.url("portal")) as nobody:
        for what, cookie in made_up.items():
            answer = await nobody.get("/inbox", headers={"Cookie": f"{name}={cookie}"})
            assert answer.status_code == 303, (what, answer.status_code)
            assert answer.headers["location"].startswith("/signin"), what
            headers = {"Cookie": f"{name}={cookie}", "Origin": stack.url("portal")}
            sent = await nobody.post("/inbox/read-all", data={"csrf": csrf}, headers=headers)
            assert sent.status_code in (303, 403, 404, 405), (what, sent.status_code)
            assert sent.status_code != 303 or sent.headers["location"].startswith("/signin"), what
        for raw in (b"\xff\xfe", b"youai=\xe5\xbc\xa0", b";;;===", name.encode() + b"=" + seat.encode()[:-1] + b"\xff"):
            assert (await nobody.get("/inbox", headers=[(b"cookie", raw)])).status_code == 303, raw
        # A service's token is no seat: pages are opened by the cookie alone.
        token = stack.token(scene.market.center_id, "center")
        assert (await nobody.get("/inbox", headers={"Authorization": f"Bearer {token}"})).status_code == 303
    assert (await browser.get("/inbox")).status_code == 200
    await desk.close()


HOSTILE = [
    "", "x" * 5_000, "\x00", "a\x00b", "%00", "../../etc/passwd", "' OR 1=1 --", "<script>alert(1)</script>", "-1",
    "9" * 40, "NaN", "\ud7ff\ue000", "\u202e", "{{7*7}}", "2027-13-45", "0001-01-01T00:00:00+14:00", "😀" * 300,
    "\r\nset-cookie: a=b", "\x7f", "a\tb",
]  # fmt: skip
NAMES = [
    "q", "cursor", "after", "before", "category", "town", "state", "month", "from", "until", "slot", "demand",
    "booking", "page", "lang", "organization", "back", "next", "limit", "day", "kind", "sort", "code", "error",
]  # fmt: skip


async def test_no_page_falls_over_what_it_is_asked(stack: Stack, scene: Scene) -> None:
    desk = Desk(stack.url("portal"))
    fallen = []
    try:
        for organization, role, step in ((scene.market.center_id, "center", 1), ("", "", 6)):
            browser, csrf = await desk.browser(organization, role)
            for call, page in TABLE.items():
                method, path, *_ = call.split()
                for number, text in enumerate(HOSTILE[::step]):
                    inside = re.sub(r"\{\w+\}", _quoted(text), path)
                    names = NAMES[number % 5 :: 5] if method == "GET" else []
                    more: dict[str, Any] = {"params": dict.fromkeys(names, text)} if names else {}
                    if method == "POST":
                        more["data"] = dict.fromkeys(page.fields or {"x": ""}, text) | {"csrf": csrf}
                    answer = await _status(browser, method, inside, more)
                    if answer >= 500:
                        fallen.append((role, method, inside[:80], text[:30], answer))
    finally:
        await desk.close()
    assert fallen == []


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode()[:300]) or "x"


async def _status(browser: httpx.AsyncClient, method: str, path: str, more: dict[str, Any]) -> int:
    async with browser.stream(method, path, **more) as answer:
        return answer.status_code
