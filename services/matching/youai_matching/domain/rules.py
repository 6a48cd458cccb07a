"""Rule versions: immutable files of numbers and texts, each named by the SHA-256 of its bytes."""

import hashlib
import json
from dataclasses import dataclass


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

    def say(self, code: str, numbers: dict[str, int | None]) -> Text:
        """The reason `code` with its numbers put in; null numbers are left empty. KeyError for an unknown code."""
        text = self.texts[code]
        zh, en = text.zh, text.en
        for name, number in numbers.items():
            shown = "" if number is None else str(number)
            zh, en = zh.replace(f"{{{name}}}", shown), en.replace(f"{{{name}}}", shown)
        return Text(zh, en)


def parse(raw: bytes) -> RuleVersion:
    """A rule version from the bytes of its file. KeyError or ValueError if it is none."""
    rules = json.loads(raw)
    return RuleVersion(
        version=hashlib.sha256(raw).hexdigest(),
        name=rules["name"],
        early_tolerance_ms=rules["early_tolerance_ms"],
        texts={code: Text(text["zh"], text["en"]) for code, text in rules["texts"].items()},
    )
