"""The development key and its tokens."""

from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from youai_stack import tokens
from youai_stack.errors import StackError


def sign(keys: Path, **given: str) -> str:
    asked = {"organization": "station-1", "role": "venue-staff", "subject": "li"} | given
    return tokens.sign(keys, **asked, hours=2, now=datetime.now(UTC))


def test_a_token_carries_who_what_and_for_how_long(tmp_path: Path) -> None:
    tokens.ensure_keys(tmp_path)
    public = tokens.public_key_file(tmp_path).read_text()
    claims = jwt.decode(sign(tmp_path), public, algorithms=["EdDSA"], audience="youai", issuer="youai-development")
    assert (claims["sub"], claims["org"], claims["roles"]) == ("li", "station-1", ["venue-staff"])
    assert claims["exp"] - claims["iat"] == 7200


def test_keys_are_private_and_made_once(tmp_path: Path) -> None:
    tokens.ensure_keys(tmp_path)
    made = tokens.private_key_file(tmp_path).read_text()
    tokens.ensure_keys(tmp_path)
    assert tokens.private_key_file(tmp_path).read_text() == made
    assert tokens.private_key_file(tmp_path).stat().st_mode & 0o077 == 0


def test_bad_input_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="youai up"):
        sign(tmp_path)
    tokens.ensure_keys(tmp_path)
    with pytest.raises(StackError, match="choose one of collector"):
        sign(tmp_path, role="king")
    with pytest.raises(StackError, match="--org"):
        sign(tmp_path, organization=" ")
