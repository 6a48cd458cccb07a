"""Rows as asyncpg gives them: tuples whose values have names too."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar


class Record(tuple[Any, ...]):
    """A row, as asyncpg.Record is one."""

    __slots__ = ()
    names: tuple[str, ...] = ()
    _at: ClassVar[dict[str, int]] = {}

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self._at[key] if type(key) is str else key)

    def get(self, key: str, default: Any = None) -> Any:
        return tuple.__getitem__(self, self._at[key]) if key in self._at else default

    def keys(self) -> Iterator[str]:
        return iter(self.names)

    def values(self) -> Iterator[Any]:
        return iter(tuple(self))

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self.names, self, strict=True)

    def __contains__(self, key: object) -> bool:
        return key in self._at

    def __repr__(self) -> str:
        return f"<Record {' '.join(f'{name}={value!r}' for name, value in self.items())}>"


def record_class(names: Sequence[str]) -> type[Record]:
    """The class of rows with these columns."""
    return _class(tuple(names))


@functools.cache
def _class(names: tuple[str, ...]) -> type[Record]:
    at = {name: number for number, name in enumerate(names)}
    return type("Record", (Record,), {"__slots__": (), "names": names, "_at": at})
