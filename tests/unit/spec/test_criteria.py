"""The thresholds for a challenger: their defaults, directions, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from support.factories import a_regression, a_spec
from titleholder.spec.criteria import Judgement
from titleholder.spec.files import SpecLoader
from titleholder.spec.loader import DEFAULT_FOLDER
from titleholder.spec.metrics import METRICS
from titleholder.spec.model import ModelSpec

NEEDS: dict[str, Any] = {
    "profit": {"cut_off": {"accept": "below", "share": 0.8}, "profit": {"accepted_1": -8.0, "accepted_0": 1.0}},
    "emp": {"emp": {}},
    "pinball": {"quantile": 0.9},
}


def judged_by(metric: str) -> ModelSpec:
    make = a_spec if METRICS[metric].task == "classification" else a_regression
    more = {f"judgement__{key}": value for key, value in NEEDS.get(metric, {}).items()}
    return make(judgement__metric=metric, **more)


@pytest.mark.parametrize(("metric", "better"), [(name, info.greater_is_better) for name, info in METRICS.items()])
def test_the_direction_of_the_deciding_metric(metric: str, better: bool) -> None:
    assert judged_by(metric).judgement.greater_is_better is better


def test_lower_is_better_for_errors_only() -> None:
    lower = [m for m, info in METRICS.items() if not info.greater_is_better]
    assert lower == ["brier", "log_loss", "rmse", "mae", "pinball"]


@pytest.mark.parametrize(("metric", "key"), [("profit", "profit"), ("emp", "emp")])
def test_a_metric_names_what_it_needs(metric: str, key: str) -> None:
    with pytest.raises(ValidationError, match=f"judgement.metric: '{metric}' needs judgement.{key}; valid: roc_auc"):
        a_spec(judgement__metric=metric)


def test_what_the_metric_of_the_search_is_made_of_is_part_of_the_training() -> None:
    more = {f"judgement__{key}": value for key, value in NEEDS["profit"].items()}
    one, other = (a_spec(training__search__metric="profit", **more) for _ in range(2))
    assert one.training_fingerprint() == other.training_fingerprint()
    without_cut_off = one.model_copy(update={"judgement": one.judgement.model_copy(update={"cut_off": None})})
    assert without_cut_off.training_fingerprint() != one.training_fingerprint()


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("rmse", "is no classification metric; valid: roc_auc"),
        ("profit", "needs judgement.profit; valid: roc_auc"),
        ("auc", "is no classification metric; valid: roc_auc"),
    ],
)
def test_the_metric_of_the_search_is_one_of_the_task(metric: str, why: str) -> None:
    with pytest.raises(ValidationError, match=f"training.search.metric: '{metric}' {why}"):
        a_spec(training__search__metric=metric)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judgement__profit": {"accepted_1": -8.0, "accepted_0": 1.0}}, "profit needs a cut_off"),
        ({"judgement__cut_off": {"accept": "below"}}, "give either score or share"),
        ({"judgement__cut_off": {"accept": "below", "score": 0.1, "share": 0.5}}, "give either score or share"),
        ({"judgement__emp": {"p0": 0.8, "p1": 0.3}}, "add up to more than 1: 0.8 and 0.3"),
        ({"judgement__checks": {"too_good": {"ceilings": {"auc": 0.9}}}}, "no metric 'auc'; valid: roc_auc, gini"),
        ({"judgement__checks": {"calibration": {"severity": "blok"}}}, "'block', 'warn' or 'off'"),
        ({"judgement__rule": "monthly"}, "'fresh' or 'sequential'"),
        ({"judgement__tolerated_loss": 1.0}, "judgement.tolerated_loss"),
        ({"judgement__horizon": 36}, "horizon: only the rule sequential has one, not the rule fresh"),
        ({"judgement__rule": "sequential", "judgement__horizon": 121}, "less than or equal to 120"),
    ],
)
def test_an_invalid_judgement_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        a_spec(**change)


def test_a_spec_without_checks_has_all_of_them() -> None:
    checks = a_spec().judgement.checks
    assert {name for name in type(checks).model_fields if getattr(checks, name).severity == "warn"} == {
        "cohorts", "champion_floors", "grade_calibration", "grade_order", "drift", "shift", "fairness", "benchmark",
        "feature_drift", "missing_rates", "missing_inputs", "constant_features",
        "sealed_scores", "skew",
    }  # fmt: skip


def test_off_needs_no_quotes_in_yaml() -> None:
    spec = a_spec(judgement__checks={"fairness": yaml.safe_load("severity: off")})
    assert spec.judgement.checks.fairness.severity == "off"


def test_the_documentation_shows_the_defaults() -> None:
    pages = (page.read_text(encoding="utf-8") for page in (DEFAULT_FOLDER.parents[1] / "docs").glob("*.md"))
    blocks = (block for page in pages for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    found = yaml.load(next(b for b in blocks if "\n  checks:" in b and "too_good:" in b), SpecLoader)["judgement"]
    assert Judgement.model_validate_json(json.dumps(found)) == Judgement(metric="roc_auc", floors={"roc_auc": 0.6})
    known = {name: set(type(rule).model_fields) for name, rule in Judgement(metric="roc_auc").checks}
    assert {name: set(rule) for name, rule in found["checks"].items()} == known, "every threshold is shown"
