"""Ports: free, kept apart, and named with their holder when somebody else has them."""

import os
import socket
from collections.abc import Iterator

import pytest
from youai_stack import ports
from youai_stack.errors import StackError


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(busy: int) -> None:
    assert not ports.is_free(busy)


def test_chosen_ports_differ_and_lie_in_the_range() -> None:
    chosen = ports.choose(["a", "b", "c"], taken=set(), seed="home")
    assert len(set(chosen.values())) == 3
    assert all(ports.FIRST <= port <= ports.LAST for port in chosen.values())


def test_taken_ports_are_passed_over() -> None:
    first = ports.choose(["a"], taken=set(), seed="home")["a"]
    assert ports.choose(["a"], taken={first}, seed="home")["a"] != first


def test_homes_begin_at_different_ports() -> None:
    assert len({ports.choose(["a"], taken=set(), seed=f"home {n}")["a"] for n in range(20)}) > 15


def test_a_full_range_is_one_sentence() -> None:
    with pytest.raises(StackError, match="No free port"):
        ports.choose(["a"], taken=range(ports.FIRST, ports.LAST + 1), seed="home")


def test_the_holder_is_named_by_its_pid(busy: int) -> None:
    assert f"(pid {os.getpid()})" in ports.holder(busy)


def test_a_port_in_use_is_a_sentence_with_port_holder_and_remedy(busy: int) -> None:
    with pytest.raises(StackError) as caught:
        ports.require_free({"postgres": busy})
    sentence = str(caught.value)
    assert str(busy) in sentence
    assert str(os.getpid()) in sentence
    assert "--new-ports" in sentence
