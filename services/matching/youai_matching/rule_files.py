"""Loads the rule versions that come with this program, and those of a folder beside it."""

from importlib import resources
from pathlib import Path

from youai_matching.domain import rules
from youai_matching.domain.rules import RuleVersion

_FOLDER = resources.files("youai_matching") / "rules"


class RuleBook:
    """Every rule version that this program has, by hash and by name.

    `folder` holds more of them, as `<name>.json`: those that a city made for itself. ValueError, with the file, for one
    that is none, and for two versions of one name.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.by_version: dict[str, RuleVersion] = {}
        self._by_name: dict[str, RuleVersion] = {}
        more = sorted(folder.glob("*.json")) if folder else []
        for file in (*_FOLDER.iterdir(), *more):
            if file.name.endswith(".json"):
                self._add(file.name, file.read_bytes())

    def _add(self, file: str, raw: bytes) -> None:
        try:
            version = rules.parse(raw)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        if self._by_name.setdefault(version.name, version).version != version.version:
            raise ValueError(f"{file}: there is another rule version {version.name}, and a version never changes")
        self.by_version[version.version] = version

    def named(self, name: str) -> RuleVersion:
        """The version with this name; ValueError, with those that there are, for any other."""
        if name not in self._by_name:
            raise ValueError(f"there is no rule version {name!r}; there are {sorted(self._by_name)}")
        return self._by_name[name]

    @staticmethod
    def file(name: str) -> bytes:
        """The bytes of a version's file; ValueError if there is none of this name."""
        file = _FOLDER / f"{name}.json"
        if "/" in name or not file.is_file():
            raise ValueError(f"there is no rule version {name!r}")
        return file.read_bytes()
