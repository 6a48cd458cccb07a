"""Tokens: who asks, for which organization, in which roles. Algorithm, issuer and audience are pinned."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Request

from youai_runtime.problems import Problem, forbidden, unavailable
from youai_runtime.settings import ServiceSettings

DEVELOPMENT_ISSUER = "youai-development"
MOST_REMEMBERED = 10_000
REMEMBERED_S = 60.0
"""A verified token is not verified again for so long, at most; a key that was withdrawn is refused after it."""

ROLES = ("collector", "venue-staff", "provider-staff", "center", "platform")


@dataclass(frozen=True)
class Principal:
    """Who asks: the token's subject, its organization, and what it may be."""

    subject: str
    organization_id: str
    roles: frozenset[str]

    def require(self, *roles: str) -> None:
        """Raise 403 unless one of `roles` is held."""
        if not self.roles.intersection(roles):
            names = ", ".join(roles)
            raise forbidden(f"这个操作需要以下角色之一：{names}。", f"This call needs one of these roles: {names}.")


class Authenticator:
    """Verifies bearer tokens against the OIDC issuer, or, where none is set, the development key."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._audience = settings.oidc_audience
        self._jwks: jwt.PyJWKClient | None = None
        self._key: Any = None
        self._verified: dict[str, tuple[float, Principal]] = {}
        if settings.oidc_issuer:
            self._issuer = settings.oidc_issuer
            self._algorithms = ["RS256", "EdDSA"]
            url = settings.oidc_jwks_url or settings.oidc_issuer.rstrip("/") + "/.well-known/jwks.json"
            self._jwks = jwt.PyJWKClient(url, cache_keys=True, lifespan=300, timeout=5)
        elif settings.dev_public_key_file:
            self._issuer = DEVELOPMENT_ISSUER
            self._algorithms = ["EdDSA"]
            self._key = load_pem_public_key(settings.dev_public_key_file.read_bytes())
        else:
            raise ValueError("set YOUAI_OIDC_ISSUER, or YOUAI_DEV_PUBLIC_KEY_FILE for trying things")

    async def __call__(self, request: Request) -> Principal:
        """The caller of a request; raises 401 with what is wrong."""
        return await self.of(request.headers.get("authorization", ""))

    async def of(self, authorization: str) -> Principal:
        """The caller that the Authorization header names; raises 401 with what is wrong."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("缺少访问令牌。", "The Authorization header must be: Bearer TOKEN.")
        known = self._verified.get(token)
        if known is not None and time.time() < known[0]:
            return known[1]
        claims = await self._claims(token)
        principal = _principal(claims)
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[token] = (min(float(claims["exp"]), time.time() + REMEMBERED_S), principal)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._signing_key(token),
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=5,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("访问令牌已过期，请重新登录。", "The token has expired. Sign in again.") from None
        except jwt.PyJWKClientConnectionError:
            raise unavailable() from None
        except (jwt.PyJWTError, TypeError) as error:  # TypeError: the key is of another kind than the algorithm
            raise unauthorized("访问令牌无效。", f"The token is not valid: {error}.") from None
        return claims

    async def _signing_key(self, token: str) -> Any:
        if self._jwks is None:
            return self._key
        key = await asyncio.to_thread(self._jwks.get_signing_key_from_jwt, token)
        return key.key


def unauthorized(zh: str, en: str) -> Problem:
    """401 with what is wrong with the token."""
    return Problem(401, "unauthorized", zh, en, {"WWW-Authenticate": "Bearer"})


def _principal(claims: dict[str, Any]) -> Principal:
    subject, organization, roles = claims.get("sub"), claims.get("org"), claims.get("roles")
    if not (isinstance(subject, str) and isinstance(organization, str) and isinstance(roles, list)):
        raise unauthorized("访问令牌缺少单位或角色。", "The token lacks org (a string) or roles (a list).")
    for text in (subject, organization):
        if not 0 < len(text) <= 200 or not text.isprintable() or " " in text:
            raise unauthorized("访问令牌内容有误。", "The token's sub or org is no identifier.")
    return Principal(subject, organization, frozenset(role for role in roles if role in ROLES))
