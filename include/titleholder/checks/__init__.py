"""The rules a challenger is held to. One module per family; each check has a stable code.

A check is a function of the `Evidence` that returns a `Result`; `CHECKS` is the registry, in the order of reading.
"""

from __future__ import annotations

from collections.abc import Callable

from titleholder.checks import floors, gain, outcomes
from titleholder.checks.base import Evidence, Result

CHECKS: dict[str, Callable[[Evidence], Result]] = {
    outcomes.CODE: outcomes.enough_outcomes,
    floors.CODE: floors.above_floors,
    gain.CODE: gain.gain_shown,
}


def run(evidence: Evidence) -> tuple[Result, ...]:
    """Every check's result, in the registry's order."""
    return tuple(check(evidence) for check in CHECKS.values())
