"""The examples in contracts, read: type to its files' data, by number."""

import json
from pathlib import Path
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.events import EVENTS, demand_slot

FOLDER = Path(codec.__file__).parent / "examples"

Data = dict[str, Any]


def load() -> dict[str, dict[str, Data]]:
    """Type to number to data."""
    return {
        folder.name: {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
        for folder in sorted(FOLDER.iterdir())
        if folder.is_dir()
    }


def key_of(type_: str, data: Data) -> bytes:
    """The key of a record with these data: a field of theirs, but of a claim's decision the demand's slot."""
    topic = EVENTS[type_].topic
    return (demand_slot(data["demand_id"]) if topic is topics.CLAIM else str(data[topic.key])).encode(
        "utf-8", "replace"
    )


EXAMPLES = load()
ALL = [(type_, number) for type_, files in EXAMPLES.items() for number in files]
