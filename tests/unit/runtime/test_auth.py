"""Tokens: who asks; algorithm, issuer and audience are pinned, and nothing else is believed."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.problems import Problem
from youai_runtime.settings import ServiceSettings

ISSUER = "https://id.example.org/"
DEV = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
OIDC = generate_private_key(public_exponent=65537, key_size=2048)
OIDC_ED = Ed25519PrivateKey.generate()
PUBLIC_PEM = DEV.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DROPPED = object()


def settings(**more: Any) -> ServiceSettings:
    return ServiceSettings(kafka="127.0.0.1:1", database="postgresql://x", **more)


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Authenticator:
    path: Path = tmp_path_factory.mktemp("keys") / "dev.pem"
    path.write_bytes(PUBLIC_PEM)
    return Authenticator(settings(dev_public_key_file=path))


@pytest.fixture
def oidc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authenticator:
    """With an issuer and, beside it, a development key, which must count for nothing."""
    rsa = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OIDC.public_key()))
    edwards = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(OIDC_ED.public_key()))
    keys = {"keys": [{**rsa, "kid": "rsa", "use": "sig"}, {**edwards, "kid": "ed", "use": "sig"}]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _self: keys)
    (tmp_path / "dev.pem").write_bytes(PUBLIC_PEM)
    return Authenticator(settings(oidc_issuer=ISSUER, dev_public_key_file=tmp_path / "dev.pem"))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "youai-development", "aud": "youai", "sub": "staff-1", "org": "station-1", "roles": ["venue-staff"],
        "iat": now, "exp": now + 600,
    }  # fmt: skip
    return {name: value for name, value in (good | changes).items() if value is not DROPPED}


def signed(key: Any = DEV, algorithm: str = "EdDSA", kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid} if kid else None)


def raw_token(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def ask(authenticator: Authenticator, header: str | bytes | None) -> Principal:
    raw = header.encode("utf-8") if isinstance(header, str) else header
    headers = [] if raw is None else [(b"authorization", raw)]
    return await authenticator(Request({"type": "http", "headers": headers}))


async def refused(authenticator: Authenticator, header: str | bytes | None) -> Problem:
    with pytest.raises(Problem) as caught:
        await ask(authenticator, header)
    assert caught.value.status == 401
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}
    return caught.value


async def test_a_good_token_says_who_asks(development: Authenticator) -> None:
    token = signed(roles=["venue-staff", "center", "king"])
    principal = await ask(development, f"Bearer {token}")
    assert principal == Principal("staff-1", "station-1", frozenset({"venue-staff", "center"}))
    assert await ask(development, f"bearer {token}") == principal


def test_a_role_is_required() -> None:
    principal = Principal("s", "o", frozenset({"venue-staff"}))
    principal.require("center", "venue-staff")
    with pytest.raises(Problem) as caught:
        principal.require("center", "platform")
    assert (caught.value.status, caught.value.code) == (403, "forbidden")
    assert "center, platform" in caught.value.en


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic x", "Token x", b"\xff\xfe", b"Bearer \xff"])
async def test_no_bearer_token(header: str | bytes | None, development: Authenticator) -> None:
    await refused(development, header)


@pytest.mark.parametrize(
    "token", ["x", "x.y", "a.b.c", "..", "....", "e30.e30.e30", "null", "令牌", "A" * 60_000, "a b c", "\u0000"]
)
async def test_what_is_no_token(token: str, development: Authenticator, oidc: Authenticator) -> None:
    await refused(development, f"Bearer {token}")
    await refused(oidc, f"Bearer {token}")


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=70))
async def test_any_three_parts_are_refused(development: Authenticator, one: bytes, two: bytes, three: bytes) -> None:
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (one, two, three))
    await refused(development, b"Bearer " + b".".join(parts))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"alg": None},
        {"alg": 1},
        {"alg": ["EdDSA"]},
        {},
        {"alg": "none", "typ": "JWT"},
    ],
)
async def test_alg_none_and_its_like(header: dict[str, Any], development: Authenticator, oidc: Authenticator) -> None:
    await refused(development, f"Bearer {raw_token(header, claims())}")
    await refused(oidc, f"Bearer {raw_token({**header, 'kid': 'rsa'}, claims(iss=ISSUER))}")


async def test_the_public_key_as_a_shared_secret(development: Authenticator) -> None:
    body = raw_token({"alg": "HS256", "typ": "JWT"}, claims()).rpartition(".")[0]
    digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body.encode(), PUBLIC_PEM)
    forged = f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    assert "alg value" in (await refused(development, f"Bearer {forged}")).en


async def test_another_key_and_a_changed_body(development: Authenticator) -> None:
    assert "Signature" in (await refused(development, f"Bearer {signed(OTHER)}")).en
    header, _, signature = signed().split(".")
    body = raw_token({}, claims(org="center")).split(".")[1]
    assert "Signature" in (await refused(development, f"Bearer {header}.{body}.{signature}")).en


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"}, {"aud": ["other"]}, {"aud": DROPPED}, {"aud": 1}, {"iss": "other"}, {"iss": ISSUER},
        {"iss": DROPPED}, {"iss": ["youai-development"]}, {"exp": DROPPED}, {"exp": "tomorrow"}, {"iat": DROPPED},
        {"iat": "now"}, {"iat": int(time.time()) + 3600}, {"nbf": int(time.time()) + 3600}, {"sub": DROPPED},
        {"sub": 7}, {"sub": ""}, {"org": DROPPED}, {"org": None}, {"org": 7}, {"org": ["station-1"]},
        {"roles": DROPPED}, {"roles": "center"}, {"roles": {"center": True}}, {"roles": None},
    ],
)  # fmt: skip
async def test_claims_that_are_missing_or_not_ours(changes: dict[str, Any], development: Authenticator) -> None:
    token = raw_token({"alg": "EdDSA", "typ": "JWT"}, claims(**changes)).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(DEV.sign(token.encode())).rstrip(b"=").decode()
    await refused(development, f"Bearer {token}.{signature}")


async def test_expired_is_told_and_five_seconds_are_forgiven(development: Authenticator) -> None:
    now = int(time.time())
    problem = await refused(development, f"Bearer {signed(iat=now - 900, exp=now - 60)}")
    assert problem.en == "The token has expired. Sign in again."
    assert await ask(development, f"Bearer {signed(exp=now - 1)}")


HOSTILE = [
    "",
    " ",
    "a b",
    "a\nb",
    "a\x00b",
    "\x1b[2J",
    "a\u2028b",
    "\u202eevil",
    "x" * 201,
    "a\tb",
    "\ufeffx",
    "\ud800",
]


@pytest.mark.parametrize("name", ["org", "sub"])
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_ids(name: str, text: str, development: Authenticator) -> None:
    await refused(development, f"Bearer {signed(**{name: text})}")


async def test_roles_that_are_none_of_ours_count_for_nothing(development: Authenticator) -> None:
    roles = ["king", 7, None, "Center", " center"]
    assert (await ask(development, f"Bearer {signed(roles=roles)}")).roles == frozenset()


@pytest.mark.parametrize("role", [["center"], {"center": 1}])
async def test_a_role_that_is_no_word_counts_for_nothing(role: Any, development: Authenticator) -> None:
    assert (await ask(development, f"Bearer {signed(roles=[role])}")).roles == frozenset()


# With an issuer


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(OIDC, "RS256", "rsa"), (OIDC_ED, "EdDSA", "ed")])
async def test_the_issuers_keys_are_believed(key: Any, algorithm: str, kid: str, oidc: Authenticator) -> None:
    token = signed(key, algorithm, kid, iss=ISSUER)
    assert (await ask(oidc, f"Bearer {token}")).organization_id == "station-1"


@pytest.mark.parametrize("issuer", [ISSUER, "youai-development"])
@pytest.mark.parametrize("kid", [None, "ed", "rsa", "dev"])
async def test_the_development_key_is_refused(issuer: str, kid: str | None, oidc: Authenticator) -> None:
    await refused(oidc, f"Bearer {signed(DEV, kid=kid, iss=issuer)}")


async def test_the_development_issuer_is_refused_even_with_the_issuers_key(oidc: Authenticator) -> None:
    await refused(oidc, f"Bearer {signed(OIDC, 'RS256', 'rsa')}")


async def test_a_key_of_one_kind_with_the_algorithm_of_another(oidc: Authenticator) -> None:
    await refused(oidc, f"Bearer {signed(OIDC, 'RS256', 'ed', iss=ISSUER)}")
    await refused(oidc, f"Bearer {signed(OIDC, 'RS512', 'rsa', iss=ISSUER)}")
    await refused(oidc, f"Bearer {signed(OIDC, 'PS256', 'rsa', iss=ISSUER)}")


@pytest.mark.parametrize("kid", [1, None, [], {}, "x" * 10_000])
async def test_a_hostile_key_id(kid: Any, oidc: Authenticator) -> None:
    await refused(oidc, f"Bearer {raw_token({'alg': 'RS256', 'kid': kid}, claims(iss=ISSUER), b'x')}")


async def test_an_issuer_that_is_away_is_a_503(oidc: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_self: jwt.PyJWKClient) -> None:
        raise jwt.PyJWKClientConnectionError("secret host is away")

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", away)
    token = signed(OIDC, "RS256", "rsa", iss=ISSUER)
    with pytest.raises(Problem) as caught:
        await ask(oidc, f"Bearer {token}")
    assert caught.value.status == 503
    assert "secret" not in caught.value.en


def test_the_keys_are_looked_for_at_the_issuer_or_where_told() -> None:
    found = [
        Authenticator(settings(oidc_issuer=ISSUER)),
        Authenticator(settings(oidc_issuer=ISSUER, oidc_jwks_url="https://keys.example.org/jwks")),
    ]
    urls = [authenticator._jwks.uri for authenticator in found if authenticator._jwks]
    assert urls == ["https://id.example.org/.well-known/jwks.json", "https://keys.example.org/jwks"]


def test_without_issuer_and_key_a_service_does_not_start() -> None:
    with pytest.raises(ValueError, match="YOUAI_OIDC_ISSUER"):
        Authenticator(settings())
