"""TH201, above its floors: fires, stays quiet, does not apply."""

from __future__ import annotations

import pytest

from support.factories import a_spec, evidence
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.performance import challenger_floors


def floored(**floors: float) -> ModelSpec:
    return a_spec(judgement__floors=floors)


@pytest.mark.parametrize(
    ("floors", "metrics", "said"),
    [
        ({"roc_auc": 0.6}, {"roc_auc": 0.5999}, "On the holdout: roc_auc 0.5999 (floor 0.6)."),
        ({"brier": 0.2}, {"brier": 0.2001}, "On the holdout: brier 0.2001 (floor 0.2)."),
        (
            {"roc_auc": 0.6, "brier": 0.2},
            {"roc_auc": 0.7, "brier": 0.3},
            "On the holdout: brier 0.3000 (floor 0.2), roc_auc 0.7000 (floor 0.6).",
        ),
    ],
)
def test_fires_beyond_a_floor_in_the_metrics_own_direction(
    floors: dict[str, float], metrics: dict[str, float], said: str
) -> None:
    found = challenger_floors(evidence(floored(**floors), metrics=metrics))
    assert (found.code, found.status, found.severity) == ("TH201", "fail", "block")
    assert found.explanation == said
    assert found.numbers == {**metrics, **{f"{name}_floor": value for name, value in floors.items()}}


def test_fires_when_there_is_a_floor_but_nothing_was_measured() -> None:
    found = challenger_floors(evidence(floored(roc_auc=0.6), metrics={}))
    assert (found.status, found.explanation) == ("fail", "No metric could be computed on the holdout.")


@pytest.mark.parametrize(
    ("floors", "metrics"),
    [
        ({"roc_auc": 0.6}, {"roc_auc": 0.6}),
        ({"brier": 0.2}, {"brier": 0.2}),
        ({"brier": 0.2, "ks": 0.1}, {"brier": 0.1, "ks": 0.3, "roc_auc": 0.1}),
    ],
)
def test_stays_quiet_at_the_floor_and_on_its_right_side(floors: dict[str, float], metrics: dict[str, float]) -> None:
    assert challenger_floors(evidence(floored(**floors), metrics=metrics)).status == "pass"


def test_does_not_apply_without_floors() -> None:
    found = challenger_floors(evidence(floored(), metrics={"roc_auc": 0.1}))
    assert (found.status, found.explanation) == ("not_applicable", "The spec sets no floor.")
