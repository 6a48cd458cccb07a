"""CloudEvents 1.0 in Kafka's binary mode: attributes as `ce_*` headers, the JSON data alone as the value."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from youai_contracts.events import EVENTS, Event
from youai_contracts.events.base import check_shapes
from youai_contracts.topics import Topic

Headers = Sequence[tuple[str, bytes]]

MOST_NESTED = 100
"""Objects and arrays inside each other in a record's data. A bound of our own: without it what can be read would
hang on how deep the reader's stack happens to be."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Event]] = {name: msgspec.json.Decoder(cls) for name, cls in EVENTS.items()}
_TYPES = {name.encode(): name for name in EVENTS}


class Undecodable(ValueError):
    """A record that is no event of its topic. The message says what is wrong with it."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A record ready to be appended: topic, key, value and headers."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Received(msgspec.Struct, frozen=True, gc=False):
    """A decoded record: the event and its attributes. `traceparent` is the W3C trace context, or None."""

    id: str
    event: Event
    traceparent: str | None


def rfc3339(at: datetime) -> str:
    """`at` (aware) in UTC with milliseconds, e.g. 2026-11-24T09:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def headers(
    *, id: str, type: str, source: str, time: str, traceparent: str | None = None
) -> tuple[tuple[str, bytes], ...]:
    """The CloudEvents attributes as record headers; `time` is RFC 3339 UTC."""
    attributes = (
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.encode()),
        ("content-type", b"application/json"),
    )
    return attributes if traceparent is None else (*attributes, ("traceparent", traceparent.encode()))


def encode_data(event: Event) -> bytes:
    """The event's data as JSON."""
    return _encoder.encode(event)


def encode(event: Event, *, id: str, source: str, at: datetime, traceparent: str | None = None) -> Message:
    """An event as a record of its topic.

    `id` is the CloudEvents id (unique for its source), `source` a URI reference such as `/youai/catalog`.
    """
    return Message(
        topic=event.topic.name,
        key=event.key().encode(),
        value=encode_data(event),
        headers=headers(id=id, type=event.type, source=source, time=rfc3339(at), traceparent=traceparent),
    )


def decode(topic: Topic, key: bytes | None, value: bytes | None, record_headers: Headers) -> Received:
    """A record of `topic` as an event.

    Fields that are not known are ignored. Raises Undecodable, with a sentence on what is wrong, when attributes are
    missing, when the type is not one of the topic's, when the data are no JSON or nested too deeply, when they do not
    fit the type, or when the key is not the data's key.
    """
    if value is None:
        raise Undecodable("the record has no value")
    attributes = dict(record_headers)
    id_ = _text(attributes, "ce_id")
    type_ = _TYPES.get(attributes.get("ce_type") or b"") or _text(attributes, "ce_type")
    if type_ not in topic.event_types:
        raise Undecodable(f"type {type_!r} is not one of {topic.name}")
    if _nested(value) > MOST_NESTED:
        raise Undecodable(f"the data are nested more than {MOST_NESTED} deep")
    try:
        value.decode()  # the decoder checks no UTF-8 in fields that it skips
        event = _decoders[type_].decode(value)
        check_shapes(event, value)
        event.check()
    except (msgspec.DecodeError, ValueError) as error:
        raise Undecodable(f"the data are no {type_}: {error}") from error
    if key is None or key != event.key().encode("utf-8", "surrogatepass"):
        raise Undecodable(f"the key is not the data's {topic.key}")
    trace = attributes.get("traceparent")
    return Received(id_, event, trace.decode("ascii", "replace") if trace else None)


def _nested(value: bytes) -> int:
    """How deep objects and arrays stand inside each other; a cheap upper bound where that is low enough."""
    most = value.count(b"{") + value.count(b"[")
    if most <= MOST_NESTED:
        return most
    depth = deepest = 0
    for byte in _STRING.sub(b"", value):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _text(attributes: dict[str, bytes], name: str) -> str:
    raw = attributes.get(name)
    if not raw:
        raise Undecodable(f"header {name} is missing")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(f"header {name} is not UTF-8") from error
    if len(text) > 200 or not text.isprintable():
        raise Undecodable(f"header {name} is longer than 200 characters or has control characters")
    return text
