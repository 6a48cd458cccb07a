"""Signing in: development tokens that services take, and an OIDC issuer whose every answer is checked."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from starlette.requests import Request
from youai_portal.signin import DevelopmentSignIn, NoSignIn, OidcSignIn, Person
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.problems import Problem
from youai_runtime.settings import ServiceSettings

PERSON = Person("venue-staff.station", "station", ("venue-staff",))
ISSUER = "https://id.example.org"
KEY = generate_private_key(public_exponent=65537, key_size=2048)
OTHER = generate_private_key(public_exponent=65537, key_size=2048)


async def test_a_development_token_is_what_services_take(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = tmp_path / "public.pem"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    sign_in = DevelopmentSignIn(private.decode())
    token = sign_in.token(PERSON)
    settings = ServiceSettings(kafka="x:1", database="postgresql://x", dev_public_key_file=public)
    bearer = Request({"type": "http", "headers": [(b"authorization", b"Bearer " + token.encode())]})
    who = await Authenticator(settings)(bearer)
    assert who == Principal("venue-staff.station", "station", frozenset({"venue-staff"}))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] <= 300
    assert sign_in.token(PERSON) == token  # not signed anew for each command
    assert sign_in.token(Person("x", "other", ("center",))) != token


def test_without_a_way_to_sign_in_it_says_so() -> None:
    with pytest.raises(Problem) as raised:
        NoSignIn().token(PERSON)
    assert raised.value.status == 503


class Issuer:
    """An issuer that answers as told."""

    def __init__(self) -> None:
        self.nonce = ""
        self.id_claims: dict[str, Any] = {}
        self.access_subject = "somebody"
        self.key = KEY
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        self.asked.append((method, url, more))
        if url.endswith("openid-configuration"):
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            return {"issuer": ISSUER} | {name: f"{ISSUER}/{name}" for name in names}
        if url.endswith("jwks_uri"):
            return {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k"}]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "youai-portal",
            "sub": "somebody",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 60,
        }
        signed = jwt.encode(claims | self.id_claims, self.key, algorithm="RS256", headers={"kid": "k"})
        access = jwt.encode({"exp": now + 600}, "k" * 40, algorithm="HS256")
        return {"id_token": signed, "access_token": access}

    async def authenticate(self, request: Request) -> Principal:
        assert request.headers["authorization"].startswith("Bearer ")
        return Principal(self.access_subject, "station", frozenset({"venue-staff"}))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def oidc(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> OidcSignIn:
    made = OidcSignIn(
        issuer=ISSUER,
        client_id="youai-portal",
        client_secret=None,
        redirect_url="https://portal.example.org/signin/back",
        authenticate=issuer.authenticate,
    )
    monkeypatch.setattr(made, "_ask", issuer.ask)
    return made


async def test_the_way_to_the_issuer_and_back(oidc: OidcSignIn, issuer: Issuer) -> None:
    url, kept = await oidc.begin()
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert query["state"] == kept["state"]
    assert query["nonce"] == kept["nonce"]
    assert kept["verifier"] not in url
    issuer.nonce = kept["nonce"]
    found = await oidc.finish(kept, kept["state"], "the-code")
    assert found.principal.organization_id == "station"
    assert 500 < found.expires_at - time.time() <= 600
    sent = next(more["data"] for method, _, more in issuer.asked if method == "POST")
    assert (sent["code"], sent["code_verifier"]) == ("the-code", kept["verifier"])
    assert "client_secret" not in sent
    assert oidc.token(Person("somebody", "station", (), token=found.token)) == found.token


@pytest.mark.parametrize(
    ("claims", "access_subject", "key"),
    [
        ({"nonce": "another"}, "somebody", KEY),
        ({"iss": "https://evil.example"}, "somebody", KEY),
        ({"aud": "another"}, "somebody", KEY),
        ({"exp": 1}, "somebody", KEY),
        ({}, "somebody else", KEY),
        ({}, "somebody", OTHER),
    ],
)
async def test_what_does_not_fit_signs_nobody_in(
    oidc: OidcSignIn, issuer: Issuer, claims: dict[str, Any], access_subject: str, key: Any
) -> None:
    _, kept = await oidc.begin()
    issuer.nonce, issuer.id_claims, issuer.access_subject, issuer.key = kept["nonce"], claims, access_subject, key
    with pytest.raises(Problem) as raised:
        await oidc.finish(kept, kept["state"], "code")
    assert raised.value.status == 401


@pytest.mark.parametrize("state", ["", "another"])
async def test_another_state_is_refused_before_anything_is_asked(oidc: OidcSignIn, issuer: Issuer, state: str) -> None:
    _, kept = await oidc.begin()
    asked = len(issuer.asked)
    with pytest.raises(Problem):
        await oidc.finish(kept, state, "code")
    with pytest.raises(Problem):
        await oidc.finish({}, "", "code")
    assert len(issuer.asked) == asked
