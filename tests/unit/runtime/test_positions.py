"""Partitions of keys, and where records stand at their source."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from youai_contracts import topics
from youai_runtime.kafka import partition_of
from youai_runtime.seen import source_position
from youai_runtime.work import fingerprint

# Kafka's own test vectors of murmur2 (org.apache.kafka.common.utils.UtilsTest).
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@dataclass(frozen=True)
class Raw:
    partition: int = 3
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def with_id(raw: bytes, partition: int = 3) -> Raw:
    return Raw(partition=partition, headers=(("ce_type", b"x"), ("ce_id", raw)))


@pytest.mark.parametrize(("key", "hashed"), MURMUR2.items())
@pytest.mark.parametrize("partitions", [1, 8, 64, 2**31 - 1])
def test_a_key_goes_where_every_kafka_client_puts_it(key: bytes, hashed: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


@given(st.binary(), st.integers(1, 1000))
def test_a_partition_is_one_of_those_that_there_are(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


@pytest.mark.parametrize(
    ("id", "position"),
    [
        (b"catalog-1", (1,)),
        (b"catalog-999999999999999999", (999999999999999999,)),
        (b"3-17-0", (17, 0)),
        (b"3-0-12", (0, 12)),
        (b"4-17-0", None),  # a decision of another partition
        (b"matching-1", None),  # not this topic's writer
        (b"catalog", None),
        (b"catalog-", None),
        (b"catalog--1", None),
        (b"catalog-1x", None),
        (b"catalog-1.5", None),
        (b"catalog- 1", None),
        (b"catalog-" + b"9" * 19, None),  # past what a bigint holds
        ("catalog-１".encode(), None),  # a digit of another script
        (b"booking-00ff", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_where_a_record_stands_at_its_source(id: bytes, position: tuple[int, ...] | None) -> None:
    assert source_position(topics.OFFER, 3, id) == position


def test_a_record_without_an_id_has_the_fingerprint_of_nothing() -> None:
    assert fingerprint(Raw()) == hashlib.sha256(b"").digest()


@given(st.binary())
def test_any_id_has_a_fingerprint_and_a_position_or_none(id: bytes) -> None:
    assert fingerprint(with_id(id)) == hashlib.sha256(id).digest()
    position = source_position(topics.OFFER, 3, id)
    assert position is None or all(0 <= number < 2**63 for number in position)


@given(st.integers(0, 63), st.tuples(st.integers(0, 10**15), st.integers(0, 10**6)))
def test_a_decisions_id_is_read_back(partition: int, position: tuple[int, int]) -> None:
    raw = f"{partition}-{position[0]}-{position[1]}".encode()
    assert source_position(topics.BOOKING, partition, raw) == position
