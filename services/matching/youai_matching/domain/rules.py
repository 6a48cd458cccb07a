"""Rule versions: immutable files of numbers and texts, each named by the SHA-256 of its bytes."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta


@dataclass(frozen=True, slots=True)
class Text:
    """A reason in plain Chinese and English, with the places where numbers go."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of the rules.

    `version` is the hex SHA-256 of the file; `early_tolerance_ms` is how far a request may come before opening without
    being refused, for clocks that differ between the door and the broker.
    """

    version: str
    name: str
    early_tolerance_ms: int
    texts: dict[str, Text]

    def say(self, code: str, values: dict[str, int | str | None]) -> Text:
        """The reason `code` with its values put in, in order; null ones empty. KeyError for an unknown code."""
        text = self.texts[code]
        zh, en = text.zh, text.en
        for name, value in values.items():
            shown = "" if value is None else str(value)
            zh, en = zh.replace(f"{{{name}}}", shown), en.replace(f"{{{name}}}", shown)
        return Text(zh, en)


class _Words(msgspec.Struct):
    zh: Annotated[str, Meta(min_length=1)]
    en: Annotated[str, Meta(min_length=1)]


class _File(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1)]
    early_tolerance_ms: Annotated[int, Meta(ge=0)]
    texts: dict[str, _Words]


def parse(raw: bytes) -> RuleVersion:
    """A rule version from the bytes of its file. ValueError, which says what is wrong, if it is none."""
    try:
        rules = msgspec.json.decode(raw.decode(), type=_File)
    except msgspec.DecodeError as error:
        raise ValueError(f"no rule version: {error}") from error
    return RuleVersion(
        version=hashlib.sha256(raw).hexdigest(),
        name=rules.name,
        early_tolerance_ms=rules.early_tolerance_ms,
        texts={code: Text(words.zh, words.en) for code, words in rules.texts.items()},
    )
