"""Idempotency keys: the same call with the same key is done once, and gets the same answer again.

A service that uses this has a table `idempotency (key_hash bytea PRIMARY KEY, body_hash bytea, answer bytea,
created_at timestamptz DEFAULT now())`, and remembers the answer in the transaction of what the call does.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection
from youai_runtime.problems import Problem

MOST_FORGOTTEN = 5_000
"""Keys that one turn of pruning forgets, so that it holds no lock for long; what is left goes in the next turn."""

_KEY = re.compile(r"[\x21-\x7e]{1,200}")

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="1 to 200 visible ASCII characters; the same key gets the same answer"),
]


def required(key: str | None) -> str:
    """The key that a call came with; raises 400 where it is missing or none."""
    if key is None or not _KEY.fullmatch(key):
        raise Problem(
            400,
            "key-missing",
            "请带上 Idempotency-Key 请求头（1 到 200 个可见 ASCII 字符）。",
            "Send an Idempotency-Key header of 1 to 200 visible ASCII characters.",
        )
    return key


@dataclass(frozen=True)
class Keyed:
    """A call under its Idempotency-Key: the hash of organization, call and key, and the hash of the body."""

    key_hash: bytes
    body_hash: bytes

    @classmethod
    def of(cls, who: Principal, call: str, key: str, form: BaseModel) -> "Keyed":
        """`call` is method and path; the body counts as it was understood, so a time's offset makes no difference."""
        key_hash = hashlib.sha256("\x00".join((who.organization_id, call, key)).encode()).digest()
        return cls(key_hash, hashlib.sha256(form.model_dump_json().encode()).digest())

    def id(self, prefix: str, index: int | None = None) -> str:
        """The id that this call gives, to the item `index` of a list: always the same."""
        return f"{prefix}-{self.key_hash.hex()[:32]}" + ("" if index is None else f"-{index}")

    def answer_again(self, remembered: tuple[bytes, bytes]) -> bytes:
        """The answer that the key got, or 409 where its body was another."""
        body_hash, answer = remembered
        if body_hash != self.body_hash:
            raise Problem(
                409,
                "key-reused",
                "这个键已用于另一个请求，请换一个新键。",
                "This key was used for another request: take a new one.",
            )
        return answer

    async def answered(self, connection: Connection) -> bytes | None:
        """The answer that the key got before; None if it is new. Raises 409 where its body was another."""
        row = await connection.fetchrow("SELECT body_hash, answer FROM idempotency WHERE key_hash = $1", self.key_hash)
        return None if row is None else self.answer_again((row["body_hash"], row["answer"]))

    async def remember(self, connection: Connection, answer: bytes) -> bytes | None:
        """Keep the key's answer; None if that is done.

        If somebody else did so first (this waits for their transaction's end), theirs: then this call does nothing.
        """
        done = await connection.fetchval(
            "INSERT INTO idempotency (key_hash, body_hash, answer) VALUES ($1, $2, $3)"
            " ON CONFLICT (key_hash) DO NOTHING RETURNING true",
            self.key_hash,
            self.body_hash,
            answer,
        )
        if done is not None:
            return None
        theirs = await self.answered(connection)
        if theirs is None:  # cleared away in between; asked again, the key is new
            raise problems.unavailable()
        return theirs


async def prune(connection: Connection, before: datetime) -> int:
    """Forget at most MOST_FORGOTTEN of the keys that were used before `before`; returns how many.

    Ids are made of the key: what a call makes is not made twice even after that, for its id is taken.
    """
    done: str = await connection.execute(
        "DELETE FROM idempotency WHERE key_hash IN"
        " (SELECT key_hash FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        MOST_FORGOTTEN,
    )
    return int(done.removeprefix("DELETE "))
