"""Calls at every depth are equally fast: none takes memory from the system and gives it back each time."""

from __future__ import annotations

import resource
import sys

import pytest

from titleholder.call_stack import SLOTS, with_room

OF_THIS_THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
CALLS, DEPTHS = 500, 800
"""A chunk has room for 2,048 references, and a call takes some 15: so many depths pass five or six edges."""


def called(first: int, second: int = 0, third: int = 0) -> int:
    return first + second + third


def loop() -> None:
    for n in range(CALLS):
        called(n)


def page_faults(depth: int) -> int:
    """Of a loop so many calls below."""
    if depth:
        return page_faults(depth - 1)
    before = resource.getrusage(OF_THIS_THREAD).ru_minflt
    loop()
    return resource.getrusage(OF_THIS_THREAD).ru_minflt - before


def test_with_room_no_depth_takes_memory_for_each_call() -> None:
    assert with_room.__code__.co_stacksize == SLOTS
    assert max(with_room(page_faults, depth) for depth in range(DEPTHS)) < CALLS / 10


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="newer releases of 3.13 and 3.14 keep a chunk")
def test_without_room_some_depth_does() -> None:
    assert max(page_faults(depth) for depth in range(DEPTHS)) >= CALLS


def test_arguments_results_and_errors_pass() -> None:
    assert with_room(called, 1, third=2) == 3
    with pytest.raises(ValueError, match="no number"):
        with_room(int, "no number")
