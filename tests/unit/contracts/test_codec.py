"""The codec: an envelope that others read, canonical decisions, and nothing but Undecodable for what is hostile."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st
from youai_contracts import codec, topics
from youai_contracts.codec import Undecodable
from youai_contracts.events import EVENTS, BookingConfirmed, BookingWaitlisted, ClaimRejected, Decision
from youai_contracts.topics import Topic

from tests.unit.contracts.examples import ALL, EXAMPLES, key_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AT = datetime(2026, 11, 24, 17, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
CLOSED = b'{"slot_id":"s","reason":"session-cancelled"}'


def headers(type_: str, id: str = "x") -> list[tuple[str, bytes]]:
    return [("ce_id", id.encode()), ("ce_type", type_.encode())]


def event_of(type_: str, number: str) -> Any:
    data = EXAMPLES[type_][number]
    return codec.decode(EVENTS[type_].topic, key_of(type_, data), json.dumps(data).encode(), headers(type_)).event


# The envelope


@pytest.mark.parametrize(("type_", "number"), ALL)
def test_the_cloudevents_library_reads_our_records(type_: str, number: str) -> None:
    event = event_of(type_, number)
    message = codec.encode(event, id="catalog-17", source="/youai/catalog", at=AT, traceparent=TRACE)
    read = from_binary(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat())
    assert (read.get_id(), read.get_type(), read.get_source()) == ("catalog-17", type_, "/youai/catalog")
    assert (read.get_specversion(), read.get_datacontenttype()) == ("1.0", "application/json")
    assert read.get_time() == datetime(2026, 11, 24, 9, 0, 0, 123000, tzinfo=UTC)
    assert read.get_data() == json.loads(codec.encode_data(event))
    assert read.get_extension("partitionkey") == event.key()


@pytest.mark.parametrize(("type_", "number"), ALL)
def test_we_read_the_cloudevents_librarys_records(type_: str, number: str) -> None:
    data, topic = EXAMPLES[type_][number], EVENTS[type_].topic
    attributes = {"id": "dept-17", "type": type_, "source": "/dept", "datacontenttype": "application/json"}
    written = to_binary(CloudEvent(attributes, data), JSONFormat(), key_mapper=lambda _: key_of(type_, data).decode())
    assert isinstance(written.key, str)
    received = codec.decode(topic, written.key.encode(), written.value, list(written.headers.items()))
    assert (received.id, received.event, received.traceparent) == ("dept-17", event_of(type_, number), None)


def test_a_record_is_bound_to_its_topic_key_and_trace() -> None:
    event = event_of("booking-requested", "1")
    message = codec.encode(event, id="x", source="/youai/matching", at=AT, traceparent=TRACE)
    assert (message.topic, message.key) == ("youai.slot-log.v1", event.slot_id.encode())
    assert dict(message.headers)["ce_time"] == b"2026-11-24T09:00:00.123Z"
    received = codec.decode(topics.SLOT_LOG, message.key, message.value, message.headers)
    assert (received.id, received.event, received.traceparent) == ("x", event, TRACE)


def test_without_a_trace_there_is_no_such_header() -> None:
    message = codec.encode(event_of("slot-closed", "1"), id="x", source="/youai/matching", at=AT)
    assert [name for name, _ in message.headers] == [
        "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type",
    ]  # fmt: skip


# Canonical decisions


def decision(**changes: Any) -> Decision:
    cls = BookingWaitlisted if changes.get("outcome") == "waitlisted" else BookingConfirmed
    data = {name: value for name, value in EXAMPLES[cls.type]["1"].items() if name != "hash"}
    return cls(**(data | changes))


whole = st.integers(0, 2**53 - 1)
digest = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(
    st.fixed_dictionaries(
        {name: st.text() for name in ("reason", "reason_en", "reason_zh", "request_id", "slot_id", "venue_id")}
        | {"ahead": st.none() | whole, "place": st.none() | whole, "outcome": st.sampled_from(["x", "waitlisted"])}
        | {"taken": whole, "capacity": whole, "log_offset": whole, "hash": digest}
    )
)
@example({"reason": '\x00\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80\u2028\u2029"\\/</script>\ufeff\uffff', "outcome": "x"})
@example({"reason_zh": "名额已满😀𠮷", "slot_id": "é", "outcome": "waitlisted"})
def test_a_decisions_bytes_are_canonical(changes: dict[str, Any]) -> None:
    event = decision(**changes)
    written = codec.encode_data(event)
    assert written == rfc8785.dumps(json.loads(written))
    assert json.loads(written).items() >= changes.items()


@given(
    st.fixed_dictionaries(
        {name: st.text() for name in ("reason", "reason_en", "reason_zh", "request_id", "demand_id", "provider_id")}
        | {"winner_id": st.none() | st.text(), "winner_name": st.none() | st.text()}
        | {"taken": whole, "capacity": whole, "log_offset": whole, "hash": digest}
    )
)
@example({"winner_name": "{winner}\n\u2028名額", "winner_id": "é"})
def test_a_claim_decisions_bytes_are_canonical(changes: dict[str, Any]) -> None:
    written = codec.encode_data(ClaimRejected(**(EXAMPLES["claim-rejected"]["1"] | changes)))
    assert written == rfc8785.dumps(json.loads(written))
    assert json.loads(written).items() >= changes.items()


def test_a_claim_decision_stands_under_its_demands_slot() -> None:
    data = EXAMPLES["claim-confirmed"]["1"]
    message = codec.encode(event_of("claim-confirmed", "1"), id="41-1224-0", source="/youai/matching", at=AT)
    assert (message.topic, message.key) == ("youai.claim.v1", f"demand:{data['demand_id']}".encode())
    assert "the key is not" in refusal(topics.CLAIM, data["demand_id"].encode(), message.value, message.headers)


def test_a_decision_without_its_hash_leaves_the_field_out() -> None:
    assert "hash" not in json.loads(codec.encode_data(decision()))
    body = codec.encode_data(decision())
    assert hashlib.sha256(body).hexdigest() == EXAMPLES["booking-confirmed"]["1"]["hash"]


# What is hostile


def refusal(topic: Topic, key: bytes | None, value: bytes | None, record_headers: Any) -> str:
    with pytest.raises(Undecodable) as caught:
        codec.decode(topic, key, value, record_headers)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "record_headers", "says"),
    [
        (b"s", None, headers("slot-closed"), "no value"),
        (None, CLOSED, headers("slot-closed"), "the key is not"),
        (b"", CLOSED, headers("slot-closed"), "the key is not"),
        (b"t", CLOSED, headers("slot-closed"), "the key is not"),
        (b"\xff", CLOSED, headers("slot-closed"), "the key is not"),
        (b"s", CLOSED, [], "ce_id is missing"),
        (b"s", CLOSED, [("ce_id", b"x")], "ce_type is missing"),
        (b"s", CLOSED, [("ce_type", b"slot-closed")], "ce_id is missing"),
        (b"s", CLOSED, [("ce_id", b""), ("ce_type", b"slot-closed")], "ce_id is missing"),
        (b"s", CLOSED, [("ce_id", None), ("ce_type", b"slot-closed")], "ce_id is missing"),
        (b"s", CLOSED, [("ce_id", b"\xff"), ("ce_type", b"slot-closed")], "not UTF-8"),
        (b"s", CLOSED, [("ce_id", b"x\n"), ("ce_type", b"slot-closed")], "control characters"),
        (b"s", CLOSED, [("ce_id", b"\x1b[2J"), ("ce_type", b"slot-closed")], "control characters"),
        (b"s", CLOSED, [("ce_id", b"x\x00"), ("ce_type", b"slot-closed")], "control characters"),
        (b"s", CLOSED, headers("slot-closed", "x" * 201), "longer than 200"),
        (b"s", CLOSED, headers("slot-exploded"), "'slot-exploded' is not one of youai.slot-log.v1"),
        (b"s", CLOSED, headers("booking-confirmed"), "is not one of youai.slot-log.v1"),
        (b"s", b"", headers("slot-closed"), "no slot-closed"),
        (b"s", b"{", headers("slot-closed"), "no slot-closed"),
        (b"s", b"null", headers("slot-closed"), "no slot-closed"),
        (b"s", b"[]", headers("slot-closed"), "no slot-closed"),
        (b"s", b"\xef\xbb\xbf" + CLOSED, headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED + b"x", headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED.replace(b'"s"', b"1"), headers("slot-closed"), "slot_id"),
        (b"s", CLOSED.replace(b'"s"', b'""'), headers("slot-closed"), "slot_id"),
        (b"s", CLOSED.replace(b'"s"', b'"a b"'), headers("slot-closed"), "slot_id"),
        (b"s", CLOSED.replace(b'"s"', b'"\\u0000"'), headers("slot-closed"), "slot_id"),
        (b"s\n", CLOSED.replace(b'"s"', b'"s\\n"'), headers("slot-closed"), "slot_id"),
        (b"s", CLOSED.replace(b'"s"', b'"\\ud800"'), headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED.replace(b"session-c", b"because-c"), headers("slot-closed"), "reason"),
        (b"s", CLOSED[:-1] + b',"x":"\xff"}', headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED[:-1] + b',"x":"\xed\xa0\x80"}', headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED[:-1] + b',"x":NaN}', headers("slot-closed"), "no slot-closed"),
        (b"s", CLOSED[:-1] + b',"x":' + b"[" * 500_000, headers("slot-closed"), "nested more than 100"),
        (b"s", CLOSED[:-1] + b',"x":' + b'{"a":' * 100 + b"1" + b"}" * 101, headers("slot-closed"), "nested more"),
    ],
)
def test_what_is_no_event_of_its_topic_says_why(key: Any, value: Any, record_headers: Any, says: str) -> None:
    assert says in refusal(topics.SLOT_LOG, key, value, record_headers)


@pytest.mark.parametrize(
    "value",
    [
        CLOSED[:-1] + b',"x":' + b"[" * 99 + b"]" * 99 + b"}",  # as deep as may be
        CLOSED[:-1] + b',"x":[' + b"[]," * 5_000 + b"[]]}",  # wide is not deep
        CLOSED[:-1] + b',"x":"' + b"[{" * 5_000 + b'\\"[{"}',  # in a string is not deep
        CLOSED[:-1] + b',"x":1e999,"y":' + b"9" * 5_000 + b"}",
        CLOSED[:-1] + b',"x":"' + "长".encode() * 200_000 + b'"}',
        b" \r\n\t" + CLOSED + b"\n",
    ],
)
def test_what_is_only_odd_is_read(value: bytes) -> None:
    assert codec.decode(topics.SLOT_LOG, b"s", value, headers("slot-closed")).event.key() == "s"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_type", "traceparent", "ce_source"]),
        st.binary(max_size=6) | st.sampled_from([t.encode() for t in EVENTS]) | st.none(),
    ),
    max_size=5,
)


def tried(topic: Topic, key: bytes | None, value: bytes | None, record_headers: Any) -> None:
    """Reads or refuses; what is read is JSON to the standard library too, and encodes."""
    try:
        received = codec.decode(topic, key, value, record_headers)
    except Undecodable:
        return
    assert key == received.event.key().encode()
    assert isinstance(json.loads((value or b"").decode()), dict)
    codec.encode_data(received.event)


@given(st.sampled_from(topics.TOPICS), st.none() | st.binary(max_size=8), st.none() | st.binary(), HEADERS)
def test_any_bytes_are_read_or_refused(topic: Topic, key: Any, value: Any, record_headers: Any) -> None:
    tried(topic, key, value, record_headers)


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300)
def test_an_example_with_fields_of_any_kind_is_read_or_refused(where: tuple[str, str], data: st.DataObject) -> None:
    type_, number = where
    changed = dict(EXAMPLES[type_][number])
    changed[data.draw(st.sampled_from(sorted(changed)))] = data.draw(JSON)
    tried(EVENTS[type_].topic, key_of(type_, changed), json.dumps(changed).encode(), headers(type_))


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300)
def test_an_example_with_damaged_bytes_is_read_or_refused(where: tuple[str, str], data: st.DataObject) -> None:
    type_, number = where
    raw = bytearray(json.dumps(EXAMPLES[type_][number], ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\"])
        )
    tried(EVENTS[type_].topic, key_of(type_, EXAMPLES[type_][number]), bytes(raw), headers(type_))


@given(st.datetimes(timezones=st.timezones()))
def test_times_are_utc_with_milliseconds(at: datetime) -> None:
    written = codec.rfc3339(at)
    assert len(written) == len("2026-11-24T09:00:00.000Z")
    assert timedelta(0) <= at - datetime.fromisoformat(written) < timedelta(milliseconds=1)


ENDS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
NO_MOMENTS = ("soon", "", "2027-02-30T00:00:00.000Z", "2027-13-01T00:00:00.000Z", "2027-01-01T00:00:00Z", "a\x00b")


@pytest.mark.parametrize(
    ("type_", "field", "texts"),
    [
        ("session-opened", "opens_at", ENDS),
        ("demand-posted", "wanted_until", ENDS),
        ("demand-scheduled", "scheduled_at", ENDS),
        ("resource-asked", "wanted_from", ENDS),
        ("notification-sent", "occurred_at", ENDS),
        ("booking-confirmed", "decided_at", NO_MOMENTS),
        ("booking-promoted", "hold_until", NO_MOMENTS),
        ("claim-confirmed", "decided_at", NO_MOMENTS),
        ("booking-confirmed", "reason_zh", ("a\x00b",)),
        ("claim-rejected", "reason", ("a\x00b",)),
    ],
)
def test_what_a_lane_could_neither_reckon_with_nor_store_is_no_event(
    type_: str, field: str, texts: tuple[str, ...]
) -> None:
    """A lane never skips: a record that it could read and not write would stop it."""
    data = next(iter(EXAMPLES[type_].values()))
    cls = EVENTS[type_]
    attributes = headers(type_)
    key = key_of(type_, data)
    assert codec.decode(cls.topic, key, json.dumps(data).encode(), attributes)
    for text in texts:
        with pytest.raises(Undecodable):
            codec.decode(cls.topic, key, json.dumps(data | {field: text}).encode(), attributes)
