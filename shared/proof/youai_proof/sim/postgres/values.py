"""What SQL's operators and functions mean, on Python values; None is null. Compiled statements call these by name."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any


class Months(int):
    """An interval of whole months."""


def eq(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a == b


def ne(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a != b


def lt(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a < b


def le(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a <= b


def gt(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a > b


def ge(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a >= b


def row_compare(op: Callable[[Any, Any], Any], a: Sequence[Any], b: Sequence[Any]) -> Any:
    """Rows, column by column: the first pair that differs decides; null where that is not known."""
    for one, other in zip(a, b, strict=True):
        if one is None or other is None:
            return None
        if one != other:
            return op(one, other)
    return op(0, 0)


def not_(a: Any) -> Any:
    return None if a is None else not a


def and_(*parts: Any) -> Any:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def or_(*parts: Any) -> Any:
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def add(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if isinstance(b, Months):
        month = a.month - 1 + b
        return a.replace(year=a.year + month // 12, month=month % 12 + 1)
    return a + b


def subtract(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a - b


def multiply(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a * b


def divide(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


def concat(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a + b


def in_(value: Any, found: Iterable[Any]) -> Any:
    """`value IN (found)`; rows are tuples."""
    if value is None or (isinstance(value, tuple) and None in value):
        return None
    if isinstance(found, dict):
        return True if value in found else None if None in found else False
    unknown = False
    for one in found:
        if one == value:
            return True
        unknown = unknown or one is None
    return None if unknown else False


def any_(op: Callable[[Any, Any], Any], value: Any, array: Any) -> Any:
    return None if array is None else or_(*(op(value, one) for one in array_of(array)))


def all_(op: Callable[[Any, Any], Any], value: Any, array: Any) -> Any:
    return None if array is None else and_(*(op(value, one) for one in array_of(array)))


def array_of(value: Any) -> Any:
    """An array, where it is still its text as `{1,2}`."""
    if not isinstance(value, str):
        return value
    inside = value[1:-1]
    return [None if part == "NULL" else part.strip('"') for part in inside.split(",")] if inside else []


def uniq(array: Any) -> Iterable[Any]:
    """An array's different values, in order."""
    return dict.fromkeys(array) if array else ()


def unnest(*arrays: Any) -> list[tuple[Any, ...]]:
    if len(arrays) == 1:
        return [(value,) for value in arrays[0] or ()]
    return list(zip_longest(*(array or () for array in arrays)))


def item(array: Any, index: Any) -> Any:
    """`array[index]`, from 1."""
    return None if array is None or index is None or not 0 < index <= len(array) else array[index - 1]


def array_position(array: Any, value: Any) -> Any:
    return array.index(value) + 1 if array and value in array else None


def coalesce(*parts: Any) -> Any:
    return next((part for part in parts if part is not None), None)


def greatest(*parts: Any) -> Any:
    return max((part for part in parts if part is not None), default=None)


def least(*parts: Any) -> Any:
    return min((part for part in parts if part is not None), default=None)


# Aggregates


def sum_(parts: list[Any]) -> Any:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def max_(parts: list[Any]) -> Any:
    return max((part for part in parts if part is not None), default=None)


def min_(parts: list[Any]) -> Any:
    return min((part for part in parts if part is not None), default=None)


def array_agg(parts: list[Any]) -> Any:
    return parts or None


def json_object_agg(parts: list[tuple[Any, Any]]) -> Any:
    return "{ " + ", ".join(f"{to_json(str(k))} : {to_json(v)}" for k, v in parts) + " }" if parts else None


# Functions


def to_json(value: Any) -> Any:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def json_build_object(*parts: Any) -> str:
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return "{" + ", ".join(f"{to_json(str(k))} : {json.dumps(v, ensure_ascii=False)}" for k, v in pairs) + "}"


def convert_to(value: Any, _encoding: str) -> Any:
    return None if value is None else value.encode()


def string_to_array(value: Any, between: str, null: str | None = None) -> Any:
    if value is None:
        return None
    return [None if part == null else part for part in value.split(between)] if value else []


def hashtext(value: Any) -> Any:
    return None if value is None else zlib.crc32(value.encode()) - 2**31


def interval(text: str) -> Any:
    number, unit = text.split()
    if unit.startswith("month"):
        return Months(number)
    return timedelta(**{unit.rstrip("s") + "s": float(number)})


def make_interval(*, secs: Any) -> Any:
    return None if secs is None else timedelta(seconds=secs)


def to_timestamp(seconds: Any) -> Any:
    return None if seconds is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def timezone(name: str, value: Any) -> Any:
    assert name == "UTC", name
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def date_trunc(unit: str, value: Any) -> Any:
    assert unit == "month", unit
    return None if value is None else value.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def to_char(value: Any, form: str) -> Any:
    assert form == "YYYY-MM", form
    return None if value is None else f"{value.year:04}-{value.month:02}"


def extract(unit: str, value: Any) -> Any:
    assert unit == "epoch", unit
    if value is None:
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    since = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    seconds = (since - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1) / 1_000_000
    return int(seconds) if seconds == int(seconds) else seconds


def cast(kind: str, value: Any) -> Any:
    """`value::kind`."""
    if value is None:
        return None
    if kind.endswith("[]"):
        found = array_of(value)
        return [int(one) for one in found] if kind in ("bigint[]", "integer[]") and isinstance(value, str) else found
    if kind in ("bigint", "integer"):
        return int(value) if isinstance(value, str | bool) else round(value)
    if kind == "float8":
        return float(value)
    if kind == "text":
        return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return value


OPERATORS = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "||": "concat"}
AGGREGATES = {
    "count": "len",
    "sum": "sum_",
    "max": "max_",
    "min": "min_",
    "array_agg": "array_agg",
    "json_object_agg": "json_object_agg",
}
FUNCTIONS = frozenset(
    [
        "coalesce",
        "greatest",
        "least",
        "array_position",
        "to_json",
        "json_build_object",
        "convert_to",
        "hashtext",
        "string_to_array",
        "interval",
        "make_interval",
        "to_timestamp",
        "timezone",
        "date_trunc",
        "to_char",
        "extract",
        "unnest",
    ]
)
"""Those that are called as they are; others are the compiler's or the schema's."""
