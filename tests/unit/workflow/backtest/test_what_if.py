"""The values that a lane is replayed with."""

from __future__ import annotations

import pytest

from support.factories import a_spec
from titleholder.errors import UsageError
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.backtest.what_if import grid


def values(rule: str = "fresh", **given: tuple[float, ...]) -> tuple[list[float], list[float], list[float]]:
    spec = a_spec(judgement__minimum_gain=0.002, judgement__rule=rule)
    *found, one, another = grid(spec, **given)
    own = Setting.of(spec.judgement)
    assert [one, another] == [own.model_copy(update={"rule": other.rule}) for other in (one, another)]
    assert {s.rule for s in found} == {rule}
    assert {rule, one.rule, another.rule} == {"record", "fresh", "sequential"}
    losses, gains, levels = (
        sorted({getattr(s, k) for s in found}) for k in ("tolerated_loss", "minimum_gain", "confidence")
    )
    assert len(found) == len(losses) * len(gains) * len(levels)
    return losses, gains, levels


def test_the_specs_own_values_are_always_among_them_and_the_other_rules_are_too() -> None:
    assert values() == ([0.0, 0.005, 0.01, 0.02], [0.002], [0.8, 0.9, 0.95, 0.99])
    assert values("record") == values()
    assert values("sequential") == ([0.01], [0.002], [0.8, 0.9, 0.95, 0.99])
    assert values(tolerated_losses=(0.03,), minimum_gains=(0.1,), confidences=(0.6,)) == (
        [0.01, 0.03], [0.002, 0.1], [0.6, 0.95]
    )  # fmt: skip


def test_the_values_around_a_large_tolerated_loss_are_valid_too() -> None:
    assert [s.tolerated_loss for s in grid(a_spec(judgement__tolerated_loss=0.9))[:-2:4]] == [0.0, 0.45, 0.9]


def test_the_rule_without_a_horizon_is_replayed_without_one() -> None:
    *own, one, another = grid(a_spec(judgement__rule="sequential", judgement__horizon=12))
    assert {s.horizon for s in own} == {12}
    assert [(other.rule, other.horizon) for other in (one, another)] == [("record", None), ("fresh", None)]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"confidences": (0.4,)}, "confidence: 0.4"),
        ({"minimum_gains": (float("nan"),)}, "minimum_gain"),
        ({"tolerated_losses": (-0.01,)}, "tolerated_loss: -0.01"),
        ({"tolerated_losses": (1.0,)}, "tolerated_loss: 1.0"),
    ],
)
def test_a_value_that_no_spec_could_have_is_refused(given: dict[str, tuple[float, ...]], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        grid(a_spec(), **given)
