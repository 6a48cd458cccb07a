"""Golden logs: whatever the code becomes, each rule version's log replays to the same bytes, for ever."""

import json
from typing import Any

import pytest
import rfc8785
from youai_contracts.topics import BOOKING, CLAIM, SLOT_LOG, Topic

from tests.unit.matching.fakes import RULES, LogRecord, Partition
from tests.unit.matching.golden import FOLDER, PARTITION
from tests.unit.verifier.exports import verify

VERSIONS = sorted(version.name for version in RULES.by_version.values())


def read(version: str, topic: Topic) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / version / f"{topic.name}.jsonl").read_text("utf-8").splitlines()]


def on_log(row: dict[str, Any]) -> LogRecord:
    value = json.dumps(row["data"], ensure_ascii=False).encode()
    headers = tuple((name, text.encode()) for name, text in row["headers"].items())
    return LogRecord(row["partition"], row["offset"], row["timestamp"], row["key"].encode(), value, headers)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_version_decides_as_ever(version: str) -> None:
    partition = Partition(PARTITION)
    await partition.append([on_log(row) for row in read(version, SLOT_LOG)])
    for topic in (BOOKING, CLAIM):
        published = [record for record in partition.outbox.published if record.topic == topic.name]
        golden = read(version, topic)
        assert [record.value for record in published] == [rfc8785.dumps(row["data"]) for row in golden]
        assert [(record.key or b"").decode() for record in published] == [row["key"] for row in golden]
        said = [{name: value.decode() for name, value in record.headers} for record in published]
        assert said == [row["headers"] for row in golden]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_verifier_says_so_too(version: str) -> None:
    assert verify.Verdict(FOLDER / version, verify.RULES, None).lie is None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_text_of_the_version_is_in_it(version: str) -> None:
    decisions = [row["data"] for topic in (BOOKING, CLAIM) for row in read(version, topic)]
    assert {decision["reason"] for decision in decisions} == set(RULES.named(version).texts)
    assert {decision["rule_version"] for decision in decisions} == {RULES.named(version).version}
