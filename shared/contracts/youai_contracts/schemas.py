"""JSON Schemas of the events, made from their classes: `python -m youai_contracts.schemas` writes the files."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from youai_contracts.events import EVENTS, BookingPromoted, ClaimDecision, Decision, Event

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schema(cls: type[Event]) -> Schema:
    """The JSON Schema (draft 2020-12) that writers of `cls` are held to; readers ignore fields that they do not know.

    It is closed: no field that the class does not name, at any level. A decision has its hash and, as `outcome`, what
    its type says; all its fields are there but `hold_until`, which a held promotion alone has.
    """
    _, components = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
    for component in components.values():
        if "properties" in component:
            component["additionalProperties"] = False
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    body = components.pop(cls.__name__)
    if issubclass(cls, Decision | ClaimDecision):
        body["properties"]["outcome"] = {"const": cls.type.partition("-")[2]}
        if cls is not BookingPromoted:
            body["properties"].pop("hold_until", None)
        body["required"] = sorted(set(body["properties"]) - {"hold_until"})
    head = {"$schema": DIALECT, "$id": f"urn:youai:{cls.topic.name}:{cls.type}", "title": cls.type}
    return {**head, **{name: part for name, part in body.items() if name != "title"}, **_defs(components)}


def _defs(components: dict[str, Any]) -> Schema:
    return {"$defs": components} if components else {}


def text(cls: type[Event]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(cls), ensure_ascii=False, indent=2) + "\n"


def write() -> None:
    """Write every event type's schema to its file, and remove files of types that are no more."""
    FOLDER.mkdir(exist_ok=True)
    files = {FOLDER / f"{cls.type}.json": text(cls) for cls in EVENTS.values()}
    for stale in set(FOLDER.glob("*.json")) - set(files):
        stale.unlink()
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write()
