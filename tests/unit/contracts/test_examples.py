"""Examples: every one ever published decodes for ever, and encodes back to what it was."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
import rfc8785
from youai_contracts import codec, schemas, topics
from youai_contracts.events import EVENTS, ClaimDecision, Decision, Event

from tests.unit.contracts.examples import ALL, EXAMPLES, FOLDER, Data, key_of


def decode(type_: str, data: Data) -> Event:
    topic = EVENTS[type_].topic
    headers = [("ce_id", b"x"), ("ce_type", type_.encode())]
    value = json.dumps(data, ensure_ascii=False).encode()
    return codec.decode(topic, key_of(type_, data), value, headers).event


def defaults(cls: type[Event]) -> Data:
    found = {f.name: f.default for f in msgspec.structs.fields(cls) if f.default is not msgspec.NODEFAULT}
    found |= {
        f.name: f.default_factory() for f in msgspec.structs.fields(cls) if f.default_factory is not msgspec.NODEFAULT
    }
    return {name: json.loads(msgspec.json.encode(value)) for name, value in found.items() if value is not msgspec.UNSET}


@pytest.mark.parametrize(("type_", "number"), ALL)
def test_it_decodes_and_encodes_back(type_: str, number: str) -> None:
    data = EXAMPLES[type_][number]
    event = decode(type_, data)
    assert type(event) is EVENTS[type_]
    assert shown(json.loads(codec.encode_data(event))) == shown({**defaults(EVENTS[type_]), **data})
    assert decode(type_, json.loads(codec.encode_data(event))) == event


def shown(data: Any) -> Any:
    """Data with times as one spelling: the codec leaves zeros of a fraction out."""
    if isinstance(data, dict):
        return {name: shown(value) for name, value in data.items()}
    if isinstance(data, str) and data.endswith("Z") and "." in data:
        return data[:-1].rstrip("0").rstrip(".") + "Z"
    return data


@pytest.mark.parametrize(("type_", "number"), ALL)
def test_readers_ignore_fields_that_they_do_not_know(type_: str, number: str) -> None:
    data = EXAMPLES[type_][number]
    grown = {**data, "later": {"深": [1, None, {"x": "y"}]}, "更多": "字段"}
    if "actor" in data:
        grown["actor"] = {**data["actor"], "later": 1}
    assert decode(type_, grown) == decode(type_, data)


def test_every_type_has_two_or_more_and_no_other_has_any() -> None:
    assert set(EXAMPLES) == set(EVENTS)
    assert {type_: len(files) for type_, files in EXAMPLES.items() if len(files) < 2} == {}


def test_every_type_of_every_topic_has_a_class() -> None:
    assert sorted(EVENTS) == sorted(type_ for topic in topics.TOPICS for type_ in topic.event_types)
    for type_, cls in EVENTS.items():
        assert cls.type == type_
        assert type_ in cls.topic.event_types
        named = {field.name for field in msgspec.structs.fields(cls)}
        assert cls.topic.key in named or cls.key is not Event.key, f"{type_} has no key"


def test_none_is_removed_or_changed() -> None:
    """SHA256SUMS is a ledger: an example is added to it and never taken from it (`sha256sum -c` reads it too)."""
    lines = (FOLDER / "SHA256SUMS").read_text("utf-8").splitlines()
    ledger = {path: digest for digest, path in (line.split("  ") for line in lines)}
    files = {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.glob("*/*.json")
    }
    assert files == ledger


@pytest.mark.parametrize(
    ("type_", "number"), [(t, n) for t, n in ALL if issubclass(EVENTS[t], Decision | ClaimDecision)]
)
def test_a_decisions_hash_is_true(type_: str, number: str) -> None:
    data = EXAMPLES[type_][number]
    body = {name: value for name, value in data.items() if name != "hash"}
    assert hashlib.sha256(rfc8785.dumps(body)).hexdigest() == data["hash"]


def test_some_example_leaves_out_all_that_it_may() -> None:
    for type_, cls in EVENTS.items():
        required = set(schemas.schema(cls)["required"])
        assert any(set(data) == required for data in EXAMPLES[type_].values()), type_


def test_a_revealed_seed_is_the_one_that_its_slot_announced() -> None:
    announced = {data["slot_id"]: data["seed_hash"] for data in EXAMPLES["slot-opened"].values() if "seed_hash" in data}
    seeds = {data["slot_id"]: bytes.fromhex(data["seed"]) for data in EXAMPLES["draw-revealed"].values()}
    drawn = {slot: seed for slot, seed in seeds.items() if 1 < len(slot) < 200}  # the others are bounds alone
    assert drawn
    assert {slot: hashlib.sha256(seed).hexdigest() for slot, seed in drawn.items()} == {s: announced[s] for s in drawn}
