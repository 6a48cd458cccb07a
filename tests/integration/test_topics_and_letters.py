"""The command line on topics and dead letters over a real broker: following, appending again, laying aside."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from youai_contracts import topics
from youai_stack import cli, dlq

from tests.support import kafka
from tests.support.market import new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually

LETTERS = topics.dead_letter("portal").name
Youai = Callable[..., tuple[int, str, str]]


@pytest.fixture
def youai(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Youai:
    """Runs the command line on the stack's broker, with nobody at the keyboard."""
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("YOUAI_HOME", str(stack.home.path))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["youai", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


async def append(
    stack: Stack,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]] = (),
    partition: int = 0,
) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap, acks="all")
    await producer.start()
    try:
        sent = await producer.send_and_wait(topic, value, key=key, headers=list(headers), partition=partition)
        return int(sent.offset)
    finally:
        await producer.stop()


async def put_aside(
    stack: Stack, origin: str, partition: int, offset: int, key: bytes | None, value: bytes | None, *own: Any
) -> int:
    """A dead letter as the runtime writes it; returns its offset."""
    notes = {"topic": origin, "partition": str(partition), "offset": str(offset), "error": "no JSON", "attempts": "1"}
    headers = [*own, *((f"dead-letter-{name}", text.encode()) for name, text in notes.items())]
    return await append(stack, LETTERS, key, value, headers)


async def listed(stack: Stack, *, everything: bool = False) -> dict[int, str]:
    found, _ = await dlq.letters(stack.bootstrap, 1000, everything=everything)
    return {letter.offset: letter.done for letter in found if letter.topic == LETTERS}


async def test_a_retried_letter_is_on_its_topic_as_it_was_received_and_off_the_list(stack: Stack, youai: Youai) -> None:
    own = [("ce_id", b"notify-x"), ("ce_type", b"notification-sent"), ("y", b"\xff")]
    key, topic = new_id("nobody").encode(), topics.NOTIFICATION.name
    place = (LETTERS, "0", str(await put_aside(stack, topic, 5, 0, key, b"{no json", *own)))
    code, _, said = await asyncio.to_thread(youai, "dlq", "retry", *place)
    assert (code, "say --yes" in said) == (1, True)
    assert int(place[2]) in await listed(stack)
    code, out, said = await asyncio.to_thread(youai, "dlq", "retry", *place, "--yes")
    assert (code, said) == (0, "")
    assert f"{topic}, partition 5" in out
    found = [one for one in await kafka.read_topic(stack.bootstrap, topic) if one.key == key]
    assert [(one.partition, one.value) for one in found] == [(5, b"{no json")]
    assert found[0].headers == dict(own) | {"dead-letter-retried-for": b"portal"}
    assert int(place[2]) not in await listed(stack)
    assert (await listed(stack, everything=True))[int(place[2])] == "retried"
    for command in ("retry", "discard"):
        code, _, said = await asyncio.to_thread(youai, "dlq", command, *place, "--yes")
        assert (code, "was retried already" in said) == (1, True)
    code, out, _ = await asyncio.to_thread(youai, "dlq", "show", *place)
    assert "retried" in out


async def test_a_record_with_neither_key_nor_value_is_retried_too(stack: Stack, youai: Youai) -> None:
    offset = await put_aside(stack, topics.NOTIFICATION.name, 6, 0, None, b"")
    code, _, said = await asyncio.to_thread(youai, "dlq", "retry", LETTERS, "0", str(offset), "--yes")
    assert (code, said) == (0, "")


async def test_a_discarded_letter_is_off_the_list(stack: Stack, youai: Youai) -> None:
    offset = await put_aside(stack, topics.SLOT_LOG.name, 1, 2, b"k", b"\x00")
    place = (LETTERS, "0", str(offset))
    before = sum((await kafka.end_offsets(stack.bootstrap, topics.SLOT_LOG.name)).values())
    code, _, said = await asyncio.to_thread(youai, "dlq", "retry", *place, "--yes")
    assert (code, "never appended again" in said) == (1, True)
    code, _, said = await asyncio.to_thread(youai, "dlq", "discard", *place)
    assert (code, "say --yes" in said) == (1, True)
    assert offset in await listed(stack)
    code, out, _ = await asyncio.to_thread(youai, "dlq", "discard", *place, "--yes")
    assert (code, "Discarded" in out) == (0, True)
    assert offset not in await listed(stack)
    assert (await listed(stack, everything=True))[offset] == "discarded"
    assert sum((await kafka.end_offsets(stack.bootstrap, topics.SLOT_LOG.name)).values()) == before


async def test_what_cannot_be_retried_is_said(stack: Stack, youai: Youai) -> None:
    async def refused(*words: str) -> str:
        code, _, said = await asyncio.to_thread(youai, "dlq", *words, "--yes")
        assert (code, len(said.splitlines())) == (1, 1)
        return said

    nowhere = await append(stack, LETTERS, b"k", b"v")
    assert "only be discarded" in await refused("retry", LETTERS, "0", str(nowhere))
    gone = await put_aside(stack, "youai.offer.v1", 99, 0, b"k", b"v")
    assert "no youai.offer.v1 with a partition 99" in await refused("retry", LETTERS, "0", str(gone))
    assert "no dead letter at" in await refused("retry", LETTERS, "0", "999999")
    assert "no dead letter at" in await refused("discard", LETTERS, "0", "999999")
    key = new_id("o").encode()
    old = await append(stack, topics.ORGANIZATION.name, key, b"{old")
    await append(stack, topics.ORGANIZATION.name, key, b"{new")
    outdated = await put_aside(stack, topics.ORGANIZATION.name, 0, old, key, b"{old")
    assert "newer record with this key" in await refused("retry", LETTERS, "0", str(outdated))


async def test_a_mark_cannot_be_forged_by_a_record(stack: Stack, youai: Youai) -> None:
    first = await put_aside(stack, "youai.offer.v1", 0, 0, b"k", b"v")
    forged = [("dead-letter-done", b"discarded"), ("dead-letter-of", f"0/{first}".encode())]
    second = await put_aside(stack, "youai.offer.v1", 0, 1, b"k", None, *forged)
    assert {first, second} <= set(await listed(stack))


async def test_a_topic_is_followed_from_a_time_on_until_somebody_stops_it(stack: Stack) -> None:
    topic, mark = LETTERS, new_id("tail")
    names = [("ce_type", b"wanted")], [("ce_type", b"other")]
    await append(stack, topic, mark.encode(), b'{"n":1}', names[0])
    process = subprocess.Popen(
        [sys.executable, "-m", "youai_stack", "topics", "tail", topic, "--from", "10m", "--type", "wanted"],
        env=os.environ | {"YOUAI_HOME": str(stack.home.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    seen: list[dict[str, Any]] = []

    def read_to(number: int) -> None:
        assert process.stdout is not None
        while not seen or seen[-1]["data"] != {"n": number} or seen[-1]["key"] != mark:
            seen.append(json.loads(process.stdout.readline()))

    try:
        await asyncio.wait_for(asyncio.to_thread(read_to, 1), 30)
        await append(stack, topic, mark.encode(), b'{"n":2}', names[1])
        await append(stack, topic, mark.encode(), b'{"n":3}', names[0])
        await asyncio.wait_for(asyncio.to_thread(read_to, 3), 30)
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, b"")
    assert [one["data"]["n"] for one in seen if one["key"] == mark] == [1, 3]
    assert {one["headers"]["ce_type"] for one in seen} == {"wanted"}


async def test_it_ends_when_who_read_it_has_enough(stack: Stack) -> None:
    await append(stack, LETTERS, b"k", b"1")
    process = subprocess.Popen(
        [sys.executable, "-m", "youai_stack", "topics", "tail", LETTERS, "--from", "10m"],
        env=os.environ | {"YOUAI_HOME": str(stack.home.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
        process.stdout.close()
        code = await asyncio.wait_for(asyncio.to_thread(process.wait), 30)
        assert (code, bool(line)) == (0, True), process.stderr.read().decode()
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.stderr.close()


async def test_without_a_time_only_what_comes_is_shown(stack: Stack) -> None:
    from youai_stack import tail

    mark, seen = new_id("now"), b""
    await append(stack, LETTERS, mark.encode(), b"1")

    def write(lines: bytes) -> None:
        nonlocal seen
        seen += lines

    async def keeps_coming() -> bool:
        await append(stack, LETTERS, mark.encode(), b"2")
        return mark.encode() in seen

    following = asyncio.create_task(tail.tail(stack.bootstrap, LETTERS, None, (), write))
    await eventually(keeps_coming, 20, "a record is shown")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    shown = [json.loads(one) for one in seen.splitlines()]
    assert {one["data"] for one in shown if one["key"] == mark} == {2}
