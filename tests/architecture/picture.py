"""The README's picture, made from the contracts: `python -m tests.architecture.picture` draws docs/picture.svg.

Topics are rows and whoever writes or reads them columns, so that no arrow crosses another; one that passes behind a
column has nothing to do with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from youai_contracts.topics import BOOKING, CLAIM, SLOT_LOG, TOPICS, Topic

from tests.architecture.workspace import ROOT

FILE = ROOT / "docs" / "picture.svg"
ROW, PILL, PILL_LEFT, PILL_RIGHT = 50, 40, 20, 262
LEFT, STEP, WIDE = 310, 134, 108
TOP, HEAD = 120, 118


@dataclass(frozen=True)
class Column:
    """A service, or somebody outside that reads topics: its words, and who calls it by HTTP."""

    id: str
    kind: str
    words: tuple[str, ...]
    topics: tuple[Topic, ...] = ()
    callers: tuple[str, ...] = ()


COLUMNS = (
    Column("catalog", "service", ("offers, sessions,", "resources and", "organizations"), callers=("departments",)),
    Column("demand", "service", ("demands and", "what became", "of them"), callers=("departments", "venues")),
    Column(
        "matching", "service", ("door, intakes,", "timers; the", "decider: one", "order a slot"), callers=("venues",)
    ),
    Column("notify", "service", ("inboxes: each", "thing told once"), callers=("people",)),
    Column("portal", "service", ("pages and", "ledgers; calls", "the others"), callers=("people",)),
    Column("verifier", "outside", ("decides the", "export again"), (SLOT_LOG, BOOKING, CLAIM)),
    Column("engineers", "outside", ("of departments:", "examples/", "department"), (BOOKING, CLAIM)),
)
CALLERS = {
    "departments": ("部门 · departments", 300, 190),
    "venues": ("基层阵地 · venues", 508, 170),
    "people": ("众人 · everybody, in a browser", 712, 260),
}
STYLE = """\
    text { font: 14px system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; fill: #1f2328; }
    .small { font-size: 12px; fill: #57606a; }
    .name { font-weight: 600; }
    .service rect { fill: #dbeafe; stroke: #1d4ed8; }
    .topic rect { fill: #fef3c7; stroke: #b45309; }
    .outside rect { fill: #f3f4f6; stroke: #6b7280; }
    rect { stroke-width: 1.5; }
    path.writes, path.reads, path.calls { fill: none; stroke: #6b7280; stroke-width: 1.5; marker-end: url(#tip); }
    path.writes { stroke: #b45309; stroke-width: 2; }
    path.calls { stroke-dasharray: 5 4; }"""


def x_of(column: str) -> int:
    """A column's left edge."""
    return LEFT + STEP * [other.id for other in COLUMNS].index(column)


def arrows(topic: Topic) -> list[tuple[str, str]]:
    """A topic's arrows from top to bottom: (writes or reads, column), the farthest first."""
    readers = {*topic.readers, *(column.id for column in COLUMNS if topic in column.topics)}
    return [("writes", topic.writer), *(("reads", name) for name in sorted(readers, key=x_of, reverse=True))]


def heights(topic: Topic) -> list[tuple[str, str, int]]:
    """A topic's arrows with their heights, within its pill."""
    found, middle = arrows(topic), TOP + HEAD + ROW * TOPICS.index(topic) + ROW // 2
    step = min(14, (PILL - 6) // max(1, len(found) - 1))
    first = middle - step * (len(found) - 1) // 2
    return [(kind, column, first + step * number) for number, (kind, column) in enumerate(found)]


def box(id: str, kind: str, x: int, y: int, width: int, height: int, words: tuple[str, ...], radius: int = 6) -> str:
    """A group with its rectangle, its name and its words below."""
    head = f'<text class="name" x="{x + 10}" y="{y + 26}">{words[0]}</text>'
    small = (
        f'<text class="small" x="{x + 10}" y="{y + 48 + 16 * n}">{word}</text>' for n, word in enumerate(words[1:])
    )
    rect = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'
    return f'  <g class="{kind}" id="{id}">\n    ' + "\n    ".join([rect, head, *small]) + "\n  </g>"


def path(kind: str, source: str, target: str, x1: int, y1: int, x2: int, y2: int) -> str:
    """A straight arrow."""
    return f'  <path class="{kind}" data-from="{source}" data-to="{target}" d="M{x1} {y1} L{x2} {y2}"/>'


def parts() -> Iterator[str]:
    """What is drawn, the arrows first: they pass behind the columns."""
    for topic in TOPICS:
        for kind, name, y in heights(topic):
            if kind == "writes":
                yield path(kind, name, topic.name, x_of(name), y, PILL_RIGHT, y)
            else:
                yield path(kind, topic.name, name, PILL_RIGHT, y, x_of(name), y)
    for column in COLUMNS:
        height = HEAD + ROW * len(TOPICS)
        yield box(column.id, column.kind, x_of(column.id), TOP, WIDE, height, (column.id, *column.words))
        for number, caller in enumerate(column.callers, 1):
            x = x_of(column.id) + WIDE * number // (len(column.callers) + 1)
            yield path("calls", caller, column.id, x, 66, x, TOP)
    for topic in TOPICS:
        y = TOP + HEAD + ROW * TOPICS.index(topic) + (ROW - PILL) // 2
        pill = box(topic.name, "topic", PILL_LEFT, y, PILL_RIGHT - PILL_LEFT, PILL, (topic.name,), 10)
        yield pill.replace('class="name" ', "")
        for kind, name, y_arrow in heights(topic):
            yield f'  <text class="small" x="{x_of(name) + 8}" y="{y_arrow + 4}">{kind}</text>'
    for id, (words, x, width) in CALLERS.items():
        yield box(id, "outside", x, 24, width, 42, (words,))
    yield '  <text class="small" x="276" y="98">HTTP</text>'


def picture() -> str:
    """The whole file."""
    width, height = LEFT + STEP * len(COLUMNS), TOP + HEAD + ROW * len(TOPICS) + 20
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            head + ' role="img" aria-labelledby="title">',
            '  <title id="title">Services, topics and who writes and reads them</title>',
            f"  <style>\n{STYLE}\n  </style>",
            f'  <defs>{tip}<path d="M0 0 L8 4 L0 8 z" fill="#374151"/></marker></defs>',
            f'  <rect x="1" y="1" width="{width - 2}" height="{height - 2}" rx="10" fill="#ffffff" stroke="#d0d7de"/>',
            *parts(),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    FILE.write_text(picture(), encoding="utf-8")
