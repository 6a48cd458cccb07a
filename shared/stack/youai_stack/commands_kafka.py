"""What the commands on topics and dead letters do and show."""

import asyncio
import contextlib
import os
import secrets
import select
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from youai_stack.commands import agreed, console
from youai_stack.errors import StackError


def topics(bootstrap: str) -> None:
    from youai_stack.topics import listed

    table = Table("topic", "partitions", "records", "written by", "key", box=None, pad_edge=False, header_style="dim")
    for topic in asyncio.run(listed(bootstrap)):
        table.add_row(topic.name, str(topic.partitions), f"{topic.records:,}", topic.writer, topic.key)
    console.print(table)


def tail(bootstrap: str, topic: str, begin: str | None, types: Collection[str]) -> None:
    from youai_stack import tail as run

    run.check_types(topic, types)
    since = None if begin is None else run.since(begin, datetime.now(UTC))

    reader = select.poll()
    reader.register(sys.stdout.fileno(), select.POLLERR)

    def write(lines: bytes) -> None:
        if reader.poll(0):  # `| head`: who read us is gone, and no next record may ever come to find out by
            raise BrokenPipeError
        try:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise BrokenPipeError(
                "who read this has enough"
            ) from None  # one with a number is click's, and exits with 1

    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        asyncio.run(run.tail(bootstrap, topic, since, types, write))


def export(bootstrap: str, topic: str, output: Path | None) -> None:
    from youai_stack.export import export as run

    if output is None:
        asyncio.run(run(bootstrap, topic, sys.stdout.buffer.write))
        sys.stdout.buffer.flush()
        return
    begun = time.monotonic()
    # Beside the file, then in its place: an export that was cut short leaves no half of itself.
    part = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "wb", buffering=1 << 20) as file:
            count = asyncio.run(run(bootstrap, topic, file.write))
        os.replace(part, output)
    except OSError as error:
        raise StackError(f"{output} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    took = time.monotonic() - begun
    print(f"{count:,} records of {topic} written to {output} in {took:.1f} s", file=sys.stderr)


def dlq_list(bootstrap: str, limit: int, *, everything: bool) -> None:
    from youai_stack import dlq

    found, total = asyncio.run(dlq.letters(bootstrap, limit, everything=everything))
    if not found:
        console.print("There are no dead letters.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("topic", "partition", "offset", "from", "error", *(["done"] if everything else [])):
        # A place is for copying into `dlq show`: folded where it must be, never cut.
        table.add_column(name, overflow="fold", no_wrap=name == "topic")
    for letter in found:
        place = (letter.topic, str(letter.partition), str(letter.offset))
        done = [letter.done] if everything else []
        table.add_row(*place, escape(letter.source), escape(letter.error), *done)
    console.print(table)
    if total > len(found):
        console.print(f"\n{len(found)} of {total} are shown: --limit shows more.", style="dim")


def dlq_show(bootstrap: str, topic: str, partition: int, offset: int) -> None:
    from youai_stack import dlq

    letter = asyncio.run(dlq.letter(bootstrap, topic, partition, offset))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in (
        ("from", letter.source),
        ("error", letter.error),
        ("attempts", letter.attempts),
        *((("done", letter.done),) if letter.done else ()),
        ("key", "(none)" if letter.key is None else letter.key),
    ):
        table.add_row(name, escape(text))
    for name, text in letter.headers.items():
        table.add_row(f"header {escape(name)}", escape(text))
    console.print(table)
    print(f"\n{letter.value}")


def dlq_retry(bootstrap: str, topic: str, partition: int, offset: int, *, yes: bool) -> None:
    from youai_stack import letters

    of = asyncio.run(letters.to_retry(bootstrap, topic, partition, offset))
    place = f"{of.topic}, partition {of.partition}"
    if not yes and not agreed("`youai dlq retry` appends a record", f"Append this record again to {place}?"):
        console.print("Nothing was appended.")
        return
    at = asyncio.run(letters.retry(bootstrap, (topic, partition, offset), of))
    console.print(f"Appended to {place}, as offset {at}. The letter is done.", soft_wrap=True)


def dlq_discard(bootstrap: str, topic: str, partition: int, offset: int, *, yes: bool) -> None:
    from youai_stack import letters

    asyncio.run(letters.open_letter(bootstrap, topic, partition, offset))
    if not yes and not agreed("`youai dlq discard` lays a record aside", "Discard this dead letter?"):
        console.print("Nothing was discarded.")
        return
    asyncio.run(letters.discard(bootstrap, topic, partition, offset))
    console.print("Discarded: it is no longer listed (`youai dlq list --all` shows it for 30 days).", soft_wrap=True)
