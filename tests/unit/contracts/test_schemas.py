"""JSON Schemas: what the classes say, closed for writers, and never demanding more than they did."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from youai_contracts import codec, schemas
from youai_contracts.events import EVENTS, ClaimDecision, Decision

from tests.unit.contracts.examples import ALL, EXAMPLES, key_of

Schema = dict[str, Any]
TYPES = sorted(EVENTS)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")


def validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_files_are_what_the_classes_say() -> None:
    """After a change of the events: python -m youai_contracts.schemas."""
    files = {path.stem: path.read_text("utf-8") for path in schemas.FOLDER.glob("*.json")}
    assert files == {type_: schemas.text(cls) for type_, cls in EVENTS.items()}


@pytest.mark.parametrize("type_", TYPES)
def test_a_schema_is_one_and_says_whose(type_: str) -> None:
    schema = schemas.schema(EVENTS[type_])
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:youai:{EVENTS[type_].topic.name}:{type_}"
    assert schema["title"] == type_
    assert schema["description"]


@pytest.mark.parametrize("type_", ["session-opened", "slot-opened"])
def test_towns_and_the_invited_are_bounded(type_: str) -> None:
    """So that no session makes a record that the broker does not take."""
    fields = schemas.schema(EVENTS[type_])["properties"]
    assert fields["invited"]["maxItems"] == 1_000
    assert fields["town_shares"]["maxProperties"] == 50
    assert fields["town_shares"]["propertyNames"]["maxLength"] == 200


def test_date_time_is_checked() -> None:
    schema = schemas.schema(EVENTS["timer-fired"])
    timer = EXAMPLES["timer-fired"]["1"]
    assert not validator(schema).is_valid({**timer, "due_at": "yesterday"})


@pytest.mark.parametrize("type_", TYPES)
def test_a_schema_is_closed_at_every_level(type_: str) -> None:
    objects = [part for part in parts(schemas.schema(EVENTS[type_])) if "properties" in part]
    assert objects
    assert all(part["additionalProperties"] is False for part in objects)
    data = next(iter(EXAMPLES[type_].values()))
    assert not validator(schemas.schema(EVENTS[type_])).is_valid({**data, "unknown": 1})
    if "actor" in data:
        stretched = {**data, "actor": {**data["actor"], "unknown": 1}}
        assert not validator(schemas.schema(EVENTS[type_])).is_valid(stretched)


@pytest.mark.parametrize(("type_", "number"), ALL)
def test_every_example_fits_its_schema(type_: str, number: str) -> None:
    validator(schemas.schema(EVENTS[type_])).validate(EXAMPLES[type_][number])


@pytest.mark.parametrize("type_", TYPES)
def test_a_schema_that_demands_more_fails_an_example(type_: str) -> None:
    """A version only gains optional fields; so for each way to demand more there is an example that shows it."""
    missed = [
        what
        for what, stricter in stricter_ones(type_)
        if all(validator(stricter).is_valid(data) for data in EXAMPLES[type_].values())
    ]
    assert missed == []


def stricter_ones(type_: str) -> Iterator[tuple[str, Schema]]:
    """The type's schema with one more demand each: a field required, a field taken away, a bound drawn closer."""
    schema = schemas.schema(EVENTS[type_])
    for name in schema["properties"]:
        if name not in schema["required"]:
            stricter = copy.deepcopy(schema)
            stricter["required"].append(name)
            yield f"{name} required", stricter
        stricter = copy.deepcopy(schema)
        del stricter["properties"][name]
        yield f"{name} taken away", stricter
    if issubclass(EVENTS[type_], Decision | ClaimDecision):
        return  # their examples are true decisions, and none is at every bound
    most = (("maxLength", -1), ("maximum", -1), ("maxItems", -1), ("maxProperties", -1))
    for number, part in enumerate(parts(schema)):
        for bound, step in (*most, ("minimum", 1), ("minLength", 1)):
            if bound in part:
                stricter = copy.deepcopy(schema)
                list(parts(stricter))[number][bound] += step
                yield f"{bound} of {part}", stricter


def parts(schema: Any) -> Iterator[Schema]:
    """Every object of a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
    values = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for value in values:
        yield from parts(value)


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all strings in some data."""
    if isinstance(value, str):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from strings(inner, (*path, key))


def put(data: Any, path: tuple[Any, ...], value: str) -> Any:
    """The data with another string at a path."""
    changed = copy.deepcopy(data)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize("type_", TYPES)
def test_a_reader_refuses_the_characters_that_the_schema_forbids_and_no_others(type_: str) -> None:
    """Readers check most of them by all fields at once, and not by the schema's patterns."""
    cls, schema = EVENTS[type_], schemas.schema(EVENTS[type_])
    decided = issubclass(cls, Decision | ClaimDecision)
    data = next(iter(EXAMPLES[type_].values()))
    for path in strings(data):
        if (decided and path == ("outcome",)) or data[path[0]] == data.get(cls.topic.key):
            continue  # the schema says which word it is; the key is compared with the record's
        old = _at(data, path)
        if _INSTANT.match(old):
            continue  # the schema's library takes a date with a line break behind it for one
        field = validator({**schema["properties"][path[0]], "$defs": schema.get("$defs", {})})
        for character in ("\0", " ", "\n", "\x1f", "\x7f", "好"):
            for value in (old + character, character + old[1:]):
                odd = put(data, path, value)
                assert _reads(type_, odd) == field.is_valid(odd[path[0]]), (path, value)


def _at(data: Any, path: tuple[Any, ...]) -> str:
    for key in path:
        data = data[key]
    assert isinstance(data, str)
    return data


def _reads(type_: str, data: Any) -> bool:
    value = json.dumps(data).encode()
    headers = codec.headers(id="a-1", type=type_, source="/test", time="2026-11-24T09:00:00.000Z")
    try:
        codec.decode(EVENTS[type_].topic, key_of(type_, data), value, headers)
    except codec.Undecodable:
        return False
    return True
