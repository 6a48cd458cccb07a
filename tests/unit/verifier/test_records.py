"""What the codec refuses, the verifier refuses, and nothing else."""

import copy
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_contracts import codec, topics
from youai_stack.export import line

from tests.unit.verifier.exports import (
    NINE,
    Row,
    accept,
    ask,
    at,
    cancel,
    claim,
    closed,
    decline,
    fired,
    give_back,
    opened,
    override,
    reveal,
    revise,
    verify,
)

IDS = st.sampled_from(["s", "r1", "张家港", "a b", "a\n", "\x7f", "", "x" * 200, "x" * 201, "\x85", "😀" * 200])
TIMES = st.one_of(
    st.sampled_from(
        [
            "2026-11-24T09:00:00Z",
            "2026-11-24 09:00:00z",
            "2026-11-24t09:00:00.123456789+08:00",
            "2026-11-24T09:00:00",
            "2026-02-29T09:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T23:59:60Z",
            "2026-11-24T09:00:00+24:00",
            "2026-11-24T09:00:00+0800",
            "2026-11-24T09:00:00-08",
            "0001-01-01T00:00:00+08:00",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T23:59:59.9999999Z",
            "0000-01-01T00:00:00Z",
            "2026-11-24T09:00:00.Z",
            "2026-11-24",
            " 2026-11-24",
        ]
    ),
    st.from_regex(
        r"\A[0129][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
        r"(\.[0-9]{0,9})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9])\Z"
    ),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 100_000, 100_001, 2**53 - 1, 2**53, 2**64, 10**50, 0.0, 1.0, 1.5, -0.0, 1e300]),
    st.text(max_size=5),
    IDS,
    TIMES,
    st.sampled_from(
        [
            "arrival",
            "draw",
            "demand",
            "closing",
            "shares",
            "lapsed",
            "limit",
            "x" * 1001,
            "id",
            "demand-expired",
            "0" * 64,
            "f" * 64 + "\n",
            "F" * 64,
        ]
    ),
)
HOSTILE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("subject"), inner, max_size=3)
    ),
    max_leaves=4,
)
VALID: dict[str, Row] = {
    "slot-opened": opened()["data"]
    | {"mode": "draw", "town_shares": {"杨舍镇": 1}, "waitlist": 3, "invited": ["v1"], "invited_until": at(NINE)}
    | {"seed_hash": "0" * 64, "kind": "session"},
    "slot-closed": closed()["data"],
    "booking-requested": ask(1)["data"]
    | {"auto_accept": True, "points": 1, "losses": 2, "wins": 3, "working_hours": ["08:30", "17:00"]},
    "booking-cancelled": cancel(1)["data"],
    "claim-requested": claim(1)["data"],
    "claim-end-requested": give_back(1)["data"],
    "timer-fired": fired()["data"],
    "slot-revised": revise(capacity=3, rule_version="0" * 64)["data"]
    | dict.fromkeys(("opens_at", "closes_at", "starts_at", "ends_at"), at(NINE)),
    "hold-accepted": accept(1)["data"],
    "hold-declined": decline(1)["data"],
    "override-requested": override(1, capacity=3)["data"],
    "draw-revealed": reveal("0" * 64)["data"],
}


def both_refuse(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> tuple[bool, bool]:
    """What the codec says of a record, and what the verifier says of it as it is exported."""
    try:
        codec.decode(topics.SLOT_LOG, key, value, headers)
        codec_refuses = False
    except codec.Undecodable:
        codec_refuses = True
    record = verify.read_record(line(0, 0, NINE, key, headers, value).decode())
    return codec_refuses, bool(verify.is_refused(record))


@st.composite
def hostile_records(draw: st.DrawFn) -> tuple[str, Any]:
    type_ = draw(st.sampled_from(sorted(VALID)))
    data = copy.deepcopy(VALID[type_])
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*sorted(VALID[type_]), "unknown"]))
        match draw(st.sampled_from(["drop", "put", "into"])):
            case "drop":
                data.pop(name, None)
            case "into" if isinstance(data.get(name), dict):
                data[name][draw(st.sampled_from(["subject", "organization_id", "other"]))] = draw(HOSTILE)
            case "into" if isinstance(data.get(name), list):
                data[name].append(draw(HOSTILE))
            case _:
                data[name] = draw(HOSTILE)
    return type_, draw(st.sampled_from([data] * 9 + [[data], None]))


@settings(deadline=None)
@given(hostile_records())
def test_the_codec_and_the_verifier_refuse_the_same(record: tuple[str, Any]) -> None:
    type_, data = record
    key = data.get("slot_id") if isinstance(data, dict) else "s"
    key_bytes = key.encode() if isinstance(key, str) else b"s"
    headers = [("ce_id", b"e1"), ("ce_type", type_.encode())]
    codec_refuses, verifier_refuses = both_refuse(key_bytes, json.dumps(data, ensure_ascii=False).encode(), headers)
    assert codec_refuses == verifier_refuses


@settings(deadline=None)
@given(st.text(max_size=210) | st.just("é" * 201), st.sampled_from(sorted(VALID)) | st.text(max_size=20), IDS)
def test_headers_and_keys_are_refused_alike(ce_id: str, ce_type: str, key: str) -> None:
    data = VALID.get(ce_type, VALID["slot-closed"])
    headers = [("ce_id", ce_id.encode()), ("ce_type", ce_type.encode())]
    codec_refuses, verifier_refuses = both_refuse(key.encode(), json.dumps(data).encode(), headers)
    assert codec_refuses == verifier_refuses


CLOSED = '{"slot_id":"s","reason":"session-cancelled"'


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        (CLOSED.encode() + b"}", False),
        (b" \n\t" + CLOSED.encode() + b"\r\n} ", False),
        (CLOSED.encode() + b',"x":1e999}', False),
        (CLOSED.encode() + b',"x":' + b"1" * 5000 + b"}", False),
        (CLOSED.encode() + b',"x":"\\ud83d\\ude00"}', False),
        (CLOSED.encode() + b',"x":"\\ud83d"}', True),
        (CLOSED.encode() + b',"x":"\xff"}', True),
        (CLOSED.encode() + b',"x":' + b"[" * 99 + b"]" * 99 + b"}", False),
        (CLOSED.encode() + b',"x":' + b"[" * 100 + b"]" * 100 + b"}", True),
        (CLOSED.encode() + b',"x":' + b'{"x":' * 99 + b"[]" + b"}" * 99 + b"}", True),
        (CLOSED.encode() + b',"x":' + b"[" * 900 + b"]" * 900 + b"}", True),
        (CLOSED.encode() + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", True),
        (CLOSED.encode() + b',"x":"' + b"[" * 200 + b'"}', False),
        (CLOSED.encode() + b',"x":NaN}', True),
        (CLOSED.encode() + b',"x":-Infinity}', True),
        (CLOSED.encode() + b',"x":01}', True),
        (CLOSED.encode() + b',"x":"a\tb"}', True),
        (CLOSED.encode() + b",}", True),
        (CLOSED.encode(), True),
        (b"\xef\xbb\xbf" + CLOSED.encode() + b"}", True),
        (b'{"slot_id":"s","reason":"session-cancelled\xff"}', True),
        (b"", True),
        (b"null", True),
        (b"[]", True),
        (b"7", True),
        (None, True),
    ],
)
def test_bytes_that_are_and_are_no_json(value: bytes | None, refused: bool) -> None:
    assert both_refuse(b"s", value, [("ce_id", b"e1"), ("ce_type", b"slot-closed")]) == (refused, refused)


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"t", b"s\n"])
def test_keys_that_are_refused(key: bytes | None) -> None:
    headers = [("ce_id", b"e1"), ("ce_type", b"slot-closed")]
    assert both_refuse(key, CLOSED.encode() + b"}", headers) == (True, True)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii"), max_size=9),
        st.none() | st.booleans() | st.text() | st.integers(-(2**53) + 1, 2**53 - 1),
    )
)
def test_its_canonical_json_is_rfc_8785(data: dict[str, Any]) -> None:
    assert verify.canonical(data) == rfc8785.dumps(data)


@settings(deadline=None)
@given(TIMES)
def test_its_times_are_those_of_the_codec(text: str) -> None:
    data = VALID["timer-fired"] | {"due_at": text}
    headers = [("ce_id", b"e1"), ("ce_type", b"timer-fired")]
    try:
        event: Any = codec.decode(topics.SLOT_LOG, b"s", json.dumps(data).encode(), headers).event
    except codec.Undecodable:
        assert verify.instant(text) is None
        return
    assert verify.instant(text) == (event.due_at - verify.EPOCH) // verify.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("field", "value", "refused"),
    [
        ("invited", [f"v{n}" for n in range(1_000)], False),
        ("invited", [f"v{n}" for n in range(1_001)], True),
        ("town_shares", {f"镇{n}": 1 for n in range(50)}, False),
        ("town_shares", {f"镇{n}": 1 for n in range(51)}, True),
        ("town_shares", {"镇" * 200: 1}, False),
        ("town_shares", {"镇" * 201: 1}, True),
        ("town_shares", {"": 1}, True),
        ("town_shares", {"镇\x00": 1}, True),
    ],
)
def test_bounds_of_a_slot(field: str, value: Any, refused: bool) -> None:
    data = VALID["slot-opened"] | {field: value}
    headers = [("ce_id", b"e1"), ("ce_type", b"slot-opened")]
    key = str(data["slot_id"]).encode()
    assert both_refuse(key, json.dumps(data).encode(), headers) == (refused, refused)
