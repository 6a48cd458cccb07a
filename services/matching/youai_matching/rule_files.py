"""Loads the rule versions that come with this program."""

from importlib import resources

from youai_matching.domain import rules
from youai_matching.domain.rules import RuleVersion

_FOLDER = resources.files("youai_matching") / "rules"


class RuleBook:
    """Every rule version that this program has, by hash and by name."""

    def __init__(self) -> None:
        versions = [rules.parse(file.read_bytes()) for file in _FOLDER.iterdir() if file.name.endswith(".json")]
        self.by_version = {version.version: version for version in versions}
        self._by_name = {version.name: version for version in versions}

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
