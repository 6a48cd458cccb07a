"""The README's table of topics, made from the contracts: `python -m tests.architecture.topic_table` writes it in."""

import sys

from youai_contracts.topics import DAY_MS, FOREVER, TOPICS, Topic

from tests.architecture.workspace import ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- topics: ", "<!-- /topics -->"
HEAD = ("topic", "key", "writer", "readers here", "partitions", "kept", "event types")


def kept(topic: Topic) -> str:
    """How long records stay, in words."""
    if topic.compacted:
        return "latest of each key"
    return "for ever" if topic.retention_ms == FOREVER else f"{topic.retention_ms // DAY_MS} days"


def row(topic: Topic) -> tuple[str, ...]:
    """A topic's cells."""
    readers, types = ", ".join(topic.readers) or "–", ", ".join(topic.event_types) or "records as received"
    return (f"`{topic.name}`", topic.key, topic.writer, readers, str(topic.partitions), kept(topic), types)


def table() -> str:
    """The whole table as Markdown, with a line's end."""
    rows = [HEAD, ("---",) * len(HEAD), *(row(topic) for topic in TOPICS)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def split(readme: str) -> tuple[str, str, str]:
    """What stands before the table, the table, and what stands after it. ValueError where the marks are missing."""
    begin = readme.index("\n", readme.index(BEGIN)) + 1
    end = readme.index(END)
    return readme[:begin], readme[begin:end], readme[end:]


def main() -> None:
    """Write the table into the README."""
    before, _, after = split(README.read_text())
    README.write_text(f"{before}\n{table()}\n{after}")
    sys.stdout.write(table())


if __name__ == "__main__":
    main()
