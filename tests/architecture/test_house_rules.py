"""House rules: pure domains, settings read in one place, files that fit a sitting; and that each rule bites."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.workspace import PACKAGES, ROOT, SERVICES, domain_files, python_files

MOST_LINES = 400
MOST_LINES_OF = {
    # One file on purpose: whoever doubts us reads one thing, and nothing of ours.
    "verifier/verify.py": 600,
}


def findings(paths: list[Path], rule: Callable[[str, Path], Iterator[str]]) -> list[str]:
    """What the rule says of each file, one line a finding."""
    return [f"{path.relative_to(ROOT)}: {said}" for path in paths for said in rule(path.read_text(), path)]


@pytest.mark.parametrize("service", SERVICES)
def test_domain_is_pure(service: str) -> None:
    package = PACKAGES[f"youai_{service}"]
    files = domain_files(package)
    assert files, f"{service} has no domain"
    assert findings(files, lambda source, path: rules.impurities(source, package.name)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_only_main_reads_settings(service: str) -> None:
    package = PACKAGES[f"youai_{service}"]
    found = findings(
        python_files(package), lambda source, path: rules.readings_of_settings(source, package.name, path.name)
    )
    assert found == []


def test_contracts_and_runtime_leave_the_environment_alone() -> None:
    files = python_files(PACKAGES["youai_contracts"], PACKAGES["youai_runtime"])
    assert findings(files, lambda source, path: rules.readings_of_environment(source)) == []


def test_files_fit_a_sitting_and_say_their_job() -> None:
    def rule(source: str, path: Path) -> Iterator[str]:
        return rules.shape(source, MOST_LINES_OF.get(str(path.relative_to(ROOT)), MOST_LINES))

    assert findings(python_files(), rule) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import asyncpg",
        "import time",
        "from random import shuffle",
        "import os",
        "from pathlib import Path",
        "from youai_runtime import errors",
        "from youai_matching import store",
        "from youai_matching.store import write",
        "import youai_catalog.domain",
        "at = datetime.now(UTC)",
        "name = uuid.uuid4()",
        "text = open('rules.json').read()",
        "async def decide() -> None: ...",
        "def late() -> None:\n    import socket",
    ],
)
def test_purity_rule_bites(statement: str) -> None:
    assert list(rules.impurities(statement, "youai_matching"))


def test_purity_rule_lets_pure_code_pass() -> None:
    source = "import hashlib\nfrom youai_contracts.events import Event\nfrom youai_matching.domain import rules\n"
    assert list(rules.impurities(source, "youai_matching")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from youai_matching.settings import Settings",
        "from youai_runtime.settings import ServiceSettings",
        "import os\nport = os.environ['PORT']",
        "from os import getenv\nport = getenv('PORT')",
    ],
)
def test_settings_rule_bites(statement: str) -> None:
    assert list(rules.readings_of_settings(statement, "youai_matching", "api.py"))


def test_shape_rule_bites() -> None:
    assert list(rules.shape('"""Long."""\n' + "\n" * 400, 400))
    assert list(rules.shape("x = 1\n", 400))
