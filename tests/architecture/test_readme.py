"""What a stranger reads agrees with the code: the topic table, the commands, the settings, the links, the picture."""

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from youai_contracts.topics import TOPICS
from youai_runtime.settings import ServiceSettings

from tests.architecture import commands, topic_table, workspace
from tests.architecture import picture as drawing
from tests.architecture.workspace import ROOT, SERVICES

README = ROOT / "README.md"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "services/*/README.md", "shared/*/README.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_topic_table_is_the_contracts() -> None:
    stands = topic_table.split(README.read_text())[1]
    assert stands.strip() == topic_table.table().strip(), "run: python -m tests.architecture.topic_table"


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_commands_exist(page: Path) -> None:
    known = commands.group()
    assert [fault for words in commands.calls(page.read_text()) for fault in commands.faults(words, known)] == []


def test_every_command_is_in_the_readme() -> None:
    named = {words[0] for words in commands.calls(README.read_text()) if words}
    assert set(commands.group().commands) - named == set()


def test_commands_check_bites() -> None:
    known = commands.group()
    for text in ("`./youai fly`", "`./youai up --detached`", "./youai dlq find\n", "$(./youai token --organisation x)"):
        (words,) = commands.calls(text)
        assert list(commands.faults(words, known)), text


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    links = {link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    assert [link for link in links if link and not (page.parent / link).exists()] == []
    # A path in backticks is from the repository's root, and begins with one of its folders.
    paths = set(re.findall(r"`((?:services|shared|verifier|examples|deploy|docs|tests)/[\w./-]+)`", text))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def unknown_functions(text: str) -> list[str]:
    """The functions that a walk names, as `name()` or `Class.name()`, and that no file of their section defines."""
    lost = []
    for section in re.split(r"^#{2,3} ", text, flags=re.MULTILINE):
        files = [ROOT / path for path in re.findall(r"`((?:services|shared|verifier)/[\w./-]+\.py)`", section)]
        defined = {
            f"{owner}.{node.name}" if owner else node.name
            for file in files
            for owner, node in workspace.functions(ast.parse(file.read_text()))
        }
        named = re.findall(r"`([\w.]+)\(\)`", section)
        plain = {name.split(".")[-1] for name in defined}
        lost += [name for name in named if name not in (defined if "." in name else plain)]
    return lost


def test_walkthrough_names_functions_that_are_there() -> None:
    assert unknown_functions((ROOT / "docs" / "walkthrough.md").read_text()) == []


def test_walkthrough_check_bites() -> None:
    text = "### `services/matching/youai_matching/domain/turn.py`\n`finish()` `finished()` `Turn.open()` `_Turn.open()`"
    assert unknown_functions(text) == ["finished", "_Turn.open"]


def test_settings_table_is_the_settings() -> None:
    table = README.read_text().split("| variable | meaning |")[1].split("\n\n")[0]
    known = {f"YOUAI_{name.upper()}" for name in ServiceSettings.model_fields}
    assert set(re.findall(r"`(YOUAI_[A-Z_]+)`", table)) == known


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_page_says_what_it_reads_and_writes_and_how_to_run_it(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text()
    rows = dict(re.findall(r"^\| (owns|reads|writes|processes) \| (.*) \|$", text, re.MULTILINE))
    assert set(rows) == {"owns", "reads", "writes", "processes"}
    own = [topic for topic in TOPICS if ".dead-letter." not in topic.name]
    read = {topic.name for topic in own if service in topic.readers}
    written = {topic.name for topic in own if topic.writer == service}
    assert set(re.findall(r"`(youai\.[a-z-]+\.v1)`", rows["reads"])) == read
    assert set(re.findall(r"`(youai\.[a-z-]+\.v1)`", rows["writes"])) == written
    for command in ("migrate", "api", "worker"):
        assert f"python -m youai_{service} {command}" in text


def test_every_decision_is_a_page() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in decisions)
    assert [path.name for path in decisions if path.read_text().count("\n") > 80] == []


class Picture:
    """docs/picture.svg: boxes by id, arrows by class."""

    def __init__(self) -> None:
        self.root = ElementTree.parse(ROOT / "docs" / "picture.svg").getroot()
        self.boxes: dict[str, tuple[str, list[float]]] = {}
        for group in self._all("g"):
            rect = group.find("{*}rect")
            assert rect is not None
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            self.boxes[group.attrib["id"]] = (group.attrib["class"], [x, y, x + width, y + height])

    def _all(self, tag: str) -> list[ElementTree.Element]:
        return self.root.findall(f".//{{*}}{tag}")

    def of_class(self, name: str) -> set[str]:
        return {id for id, (kind, _) in self.boxes.items() if kind == name}

    def arrows(self, kind: str) -> set[tuple[str, str]]:
        paths = [path for path in self._all("path") if path.get("class") == kind]
        found = [(path.attrib["data-from"], path.attrib["data-to"]) for path in paths]
        assert len(set(found)) == len(found)
        return set(found)

    def loose_ends(self) -> list[str]:
        """Arrows that do not begin and end on the border of the boxes that they name."""
        loose = []
        for path in self._all("path"):
            if "data-from" not in path.attrib:
                continue
            numbers = [float(number) for number in re.findall(r"[\d.]+", path.attrib["d"])]
            for end, (x, y) in (("data-from", numbers[:2]), ("data-to", numbers[-2:])):
                left, top, right, bottom = self.boxes[path.attrib[end]][1]
                on_side = x in (left, right) and top <= y <= bottom
                on_top = y in (top, bottom) and left <= x <= right
                if not (on_side or on_top):
                    loose.append(f"{path.attrib['data-from']} -> {path.attrib['data-to']} at {end}: {x}, {y}")
        return loose


def test_picture_is_the_contracts() -> None:
    assert drawing.FILE.read_text("utf-8") == drawing.picture(), "run: python -m tests.architecture.picture"
    picture = Picture()
    assert picture.of_class("service") == set(SERVICES)
    assert picture.of_class("topic") == {topic.name for topic in TOPICS}
    assert picture.arrows("writes") == {(topic.writer, topic.name) for topic in TOPICS}
    reads = {(topic.name, reader) for topic in TOPICS for reader in topic.readers}
    outside = picture.of_class("outside")
    assert {(topic, reader) for topic, reader in picture.arrows("reads") if reader not in outside} == reads
    assert picture.loose_ends() == []


def test_picture_labels_are_their_ids() -> None:
    for group in Picture().root.findall(".//{*}g"):
        text = group.find("{*}text")
        assert text is not None
        if group.attrib["class"] in ("service", "topic"):
            assert "".join(text.itertext()) == group.attrib["id"]
