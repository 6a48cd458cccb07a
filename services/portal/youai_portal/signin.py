"""How people sign in, and the tokens that they act by: a development key's, or an OIDC issuer's."""

import base64
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
from starlette.requests import Request
from youai_runtime import logs
from youai_runtime.auth import DEVELOPMENT_ISSUER, Principal
from youai_runtime.problems import Problem

log = logs.get(__name__)

TOKEN_S = 300
"""Seconds that a development token is good for."""
_AUDIENCE = "youai"
_TIMEOUT = aiohttp.ClientTimeout(total=8, connect=3)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, for which organization, in which roles."""

    subject: str
    organization_id: str
    roles: tuple[str, ...]
    name: str = ""
    kind: str = ""
    level: str = ""
    town: str = ""
    token: str | None = None

    def has(self, *roles: str) -> bool:
        """True if one of the roles is held."""
        return any(role in self.roles for role in roles)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What an OIDC sign-in gave: who it is, the token to act by, and when that ends (seconds since 1970)."""

    principal: Principal
    token: str
    expires_at: float


class SignIn:
    """A way to sign in. `kind` is `development`, `oidc` or `none`."""

    kind = "none"

    def token(self, person: Person) -> str:
        """The token that a person's commands are sent with; it never leaves the server."""
        raise Problem(503, "no-sign-in", "本站还没有配置登录。", "Sign-in is not set up here.")

    async def close(self) -> None:
        """Release connections."""


class NoSignIn(SignIn):
    """Nobody can sign in: pages that need it say so."""


class DevelopmentSignIn(SignIn):
    """Whoever comes picks an organization and a role: for trying things on one machine."""

    kind = "development"

    def __init__(self, private_key: str) -> None:
        self._key = private_key
        self._signed: dict[tuple[str, str, tuple[str, ...]], tuple[float, str]] = {}

    def token(self, person: Person) -> str:
        who = (person.subject, person.organization_id, person.roles)
        now = time.time()
        known = self._signed.get(who)
        if known is not None and now < known[0]:
            return known[1]
        claims = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": _AUDIENCE,
            "sub": person.subject,
            "org": person.organization_id,
            "roles": list(person.roles),
            "iat": int(now),
            "exp": int(now) + TOKEN_S,
        }
        if len(self._signed) > 10_000:
            self._signed.clear()
        signed = jwt.encode(claims, self._key, algorithm="EdDSA")
        self._signed[who] = (now + TOKEN_S / 2, signed)
        return signed


class OidcSignIn(SignIn):
    """Authorization code with PKCE. State and nonce are kept in a cookie of the browser that began, and compared."""

    kind = "oidc"

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        redirect_url: str,
        authenticate: Callable[[Request], Awaitable[Principal]],
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_url = redirect_url
        self._authenticate = authenticate
        self._http: aiohttp.ClientSession | None = None
        self._found: dict[str, Any] = {}
        self._keys: jwt.PyJWKSet | None = None

    def token(self, person: Person) -> str:
        if person.token is None:
            raise Problem(401, "unauthorized", "请重新登录。", "Sign in again.")
        return person.token

    async def begin(self) -> tuple[str, dict[str, str]]:
        """Where to send the browser, and what to keep for its way back (state, nonce, verifier)."""
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(kept["verifier"].encode()).digest()).rstrip(b"=").decode()
        question = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_url,
            "scope": "openid",
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        found = await self._discover()
        return f"{found['authorization_endpoint']}?{urlencode(question)}", kept

    async def finish(self, kept: dict[str, str], state: str, code: str) -> SignedIn:
        """Trade the code for tokens and check them. Raises Problem 401 where anything does not fit."""
        if not kept.get("state") or not secrets.compare_digest(kept["state"], state):
            raise _refused("the state is not the one that this browser began with")
        found = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_url,
            "client_id": self._client_id,
            "code_verifier": kept["verifier"],
        }
        if self._client_secret:
            form["client_secret"] = self._client_secret
        tokens = await self._ask("POST", found["token_endpoint"], data=form)
        try:
            claims = await self._id_claims(str(tokens["id_token"]))
        except (KeyError, jwt.PyJWTError, TypeError) as error:
            raise _refused(f"the id token is not valid: {error}") from None
        if not secrets.compare_digest(str(claims.get("nonce", "")), kept["nonce"]):
            raise _refused("the nonce is not the one that this browser began with")
        access = str(tokens.get("access_token", ""))
        bearer = Request({"type": "http", "headers": [(b"authorization", b"Bearer " + access.encode())]})
        principal = await self._authenticate(bearer)
        if principal.subject != claims.get("sub"):
            raise _refused("the two tokens are of different people")
        verified = jwt.decode(access, options={"verify_signature": False})  # its signature was checked just now
        return SignedIn(principal, access, float(verified["exp"]))

    async def _id_claims(self, token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid")
        if self._keys is None or not any(key.key_id == kid for key in self._keys.keys):
            found = await self._discover()
            self._keys = jwt.PyJWKSet.from_dict(await self._ask("GET", found["jwks_uri"]))
        key = next((key for key in self._keys.keys if key.key_id == kid), None)
        if key is None:
            raise jwt.InvalidKeyError("its key is unknown")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=["RS256", "EdDSA"],
            audience=self._client_id,
            issuer=self._issuer,
            leeway=5,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
        )
        return claims

    async def _discover(self) -> dict[str, Any]:
        if not self._found:
            url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._ask("GET", url)
            if found.get("issuer") != self._issuer:
                raise _refused("the issuer calls itself by another name")
            self._found = found
        return self._found

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        try:
            async with self._http.request(method, url, **more) as answer:
                body = await answer.json(content_type=None)
                if answer.status != 200 or not isinstance(body, dict):
                    raise _refused(f"the issuer answered {answer.status}")
                return body
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("issuer-away", error=repr(error))
            raise Problem(
                503,
                "issuer-away",
                "统一身份认证暂时没有应答，请稍后再试。",
                "The identity provider does not answer. Try again soon.",
                {"Retry-After": "5"},
            ) from None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


def _refused(why: str) -> Problem:
    log.warning("sign-in-refused", why=why)
    return Problem(401, "sign-in-refused", "登录没有成功，请从头再来。", f"You were not signed in: {why}. Start again.")
