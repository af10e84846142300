"""Many random cases: few in every run of the tests, as many as asked for by `make fuzz CASES=100000`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, settings

ASKED = os.environ.get("FUZZ_CASES", "")
CASES = int(ASKED or 200)
"""The cases of all tests together."""
LONGEST = 10.0
"""Seconds of processor time of a case; more is a hang."""


def share(part: float) -> Callable[[Any], Any]:
    """The settings of a property test that gets this part of the cases; without `FUZZ_CASES` always the same ones."""
    return settings(
        max_examples=max(1, round(CASES * part)), deadline=None, database=None, derandomize=not ASKED,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@contextmanager
def no_hang() -> Iterator[None]:
    """What takes longer than `LONGEST` is interrupted with a TimeoutError."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"a case took more than {LONGEST:g} seconds of processor time")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
