"""The development key of a home, and the tokens that it signs for trying things."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from youai_stack.errors import StackError
from youai_stack.files import locked, write_private

ROLES = ("collector", "venue-staff", "provider-staff", "center", "platform")
ISSUER = "youai-development"
AUDIENCE = "youai"


def private_key_file(keys: Path) -> Path:
    return keys / "development.pem"


def public_key_file(keys: Path) -> Path:
    return keys / "development.pub.pem"


def ensure_keys(keys: Path) -> None:
    """Make the Ed25519 pair in the folder (PEM, 0600) where it is not there yet."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with locked(keys / ".lock"):
        if private_key_file(keys).exists() and public_key_file(keys).exists():
            return
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        write_private(public_key_file(keys), public.decode())
        write_private(private_key_file(keys), private.decode())


def sign(keys: Path, *, organization: str, role: str, subject: str, hours: float, now: datetime | None = None) -> str:
    """A signed JWT (EdDSA) that says who `subject` is, for `hours` from `now`.

    Raises StackError on an unknown role, an empty organization, or where the folder holds no key.
    """
    import jwt

    if role not in ROLES:
        raise StackError(f"There is no role `{role}`: choose one of {', '.join(ROLES)}.")
    if not organization.strip():
        raise StackError("A token needs the id of an organization: --org ID.")
    try:
        key = private_key_file(keys).read_text()
    except FileNotFoundError as error:
        raise StackError(f"There is no development key in {keys}: run `youai up` first.") from error
    issued = now or datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "org": organization,
        "roles": [role],
        "iat": int(issued.timestamp()),
        "exp": int((issued + timedelta(hours=hours)).timestamp()),
    }
    return jwt.encode(claims, key, algorithm="EdDSA")
