"""Ids that the door gives: the same organization, call and Idempotency-Key always come to the same id."""

import hashlib


def command_id(prefix: str, organization_id: str, call: str, key: str) -> str:
    """`prefix`-32 hex digits, from who asks, which call, and the call's Idempotency-Key."""
    digest = hashlib.sha256("\x00".join((organization_id, call, key)).encode()).hexdigest()
    return f"{prefix}-{digest[:32]}"


def body_hash(*parts: object) -> bytes:
    """SHA-256 of what a command asks for, by which a key's second use with another body is known."""
    return hashlib.sha256(repr(parts).encode()).digest()
