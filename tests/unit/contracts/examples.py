"""The examples in contracts, read: type to its files' data, by number."""

import json
from pathlib import Path
from typing import Any

from youai_contracts import codec

FOLDER = Path(codec.__file__).parent / "examples"

Data = dict[str, Any]


def load() -> dict[str, dict[str, Data]]:
    """Type to number to data."""
    return {
        folder.name: {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
        for folder in sorted(FOLDER.iterdir())
        if folder.is_dir()
    }


EXAMPLES = load()
ALL = [(type_, number) for type_, files in EXAMPLES.items() for number in files]
