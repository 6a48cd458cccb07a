"""Import rules: import-linter's contracts hold, and each of them bites."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.workspace import PACKAGES, ROOT, SERVICES

FORBIDDEN = {
    "No service imports another": ("youai_catalog", "import youai_matching.domain.rules"),
    "Contracts import nothing of ours": ("youai_contracts", "import youai_runtime.errors"),
    "The runtime imports contracts alone, and no service": ("youai_runtime", "import youai_matching.domain.rules"),
    "The stack runs services as processes and imports none of them": ("youai_stack", "import youai_matching"),
    "No service imports the stack": ("youai_matching", "import youai_stack.errors"),
}


def lint(*search: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter; packages are looked for in `search` first."""
    places = [str(path) for path in (*search, *{package.parent for package in PACKAGES.values()})]
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_contracts_hold() -> None:
    result = lint()
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(FORBIDDEN)} kept, 0 broken" in result.stdout


def test_every_package_and_service_is_under_contract() -> None:
    text = (ROOT / ".importlinter").read_text()
    roots = text.split("root_packages =")[1].split("\n\n")[0].split()
    assert sorted(roots) == sorted(PACKAGES)
    independent = text.split("type = independence\nmodules =")[1].split("\n\n")[0].split()
    assert sorted(independent) == [f"youai_{service}" for service in SERVICES]


def test_every_import_contract_bites(tmp_path: Path) -> None:
    for contract, (package, statement) in FORBIDDEN.items():
        ignored = shutil.ignore_patterns("__pycache__", "*.csv")
        shutil.copytree(PACKAGES[package], tmp_path / package, ignore=ignored)
        (tmp_path / package / "forbidden.py").write_text(f'"""Breaks: {contract}."""\n\n{statement}\n')
    result = lint(tmp_path)
    assert result.returncode != 0
    said = " ".join(result.stdout.split())
    assert [contract for contract in FORBIDDEN if f"{contract} BROKEN" not in said] == []
