"""The values that a lane is replayed with."""

from __future__ import annotations

import pytest

from support.factories import a_spec
from titleholder.errors import UsageError
from titleholder.workflow.backtest.what_if import grid


def values(*given: tuple[float, ...]) -> tuple[list[float], list[float]]:
    found = grid(a_spec(judgement__minimum_gain=0.002), *given)
    gains, levels = ({getattr(s, k) for s in found} for k in ("minimum_gain", "confidence"))
    assert len(found) == len(gains) * len(levels)
    return sorted(gains), sorted(levels)


def test_the_specs_own_values_are_always_among_them() -> None:
    assert values((), ()) == ([pytest.approx(-0.003), 0.002, pytest.approx(0.007), 0.01], [0.8, 0.9, 0.95, 0.99])
    assert values((0.1,), (0.6,)) == ([0.002, 0.1], [0.6, 0.95])


@pytest.mark.parametrize(
    ("gains", "levels", "named"), [((), (0.4,), "confidence: 0.4"), ((float("nan"),), (), "minimum_gain")]
)
def test_a_value_that_no_spec_could_have_is_refused(
    gains: tuple[float, ...], levels: tuple[float, ...], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        grid(a_spec(), gains, levels)
