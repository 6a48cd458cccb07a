"""The lock is up to date, and every package declares what it imports."""

import subprocess
import sys

import pytest

from tests.architecture.test_alone import uv
from tests.architecture.workspace import PACKAGES, ROOT


def test_lock_is_up_to_date() -> None:
    result = subprocess.run([uv(), "lock", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_package_declares_what_it_imports(package: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deptry", ".", "--no-ansi", "--config", "pyproject.toml"],
        cwd=PACKAGES[package].parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
