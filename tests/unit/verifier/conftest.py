"""The rush that most lies are told about."""

import copy

import pytest

from tests.unit.verifier.exports import RUSH, Export, export, quiet


@pytest.fixture
def rush() -> Export:
    return export(quiet("s0"), copy.deepcopy(RUSH), quiet("s2"))
