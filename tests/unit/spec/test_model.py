"""The spec itself: frozen, strict, restored to its equal, and with fingerprints that change with what they name."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
import yaml
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from support.factories import SQL, a_regression, a_spec, with_candidate
from titleholder.spec import loader
from titleholder.spec.criteria import METRICS, Judgement
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import Duration

SHIPPED = sorted(path.stem for path in DEFAULT_FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_spec_is_restored_to_its_equal_from_what_the_ledger_keeps(name: str) -> None:
    spec = load_specs(only=name)[name]
    again = ModelSpec.restore(json.loads(json.dumps(spec.model_dump(mode="json"))))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


def test_every_kind_of_part_survives_the_ledger() -> None:
    spec = a_spec(
        end_date="2030-01-01",
        windows={"label_maturity": "1 year 6 months", "train": "all", "holdout": "12 weeks"},
        promotion__approval={"by": ["risk-lead"], "within": "3 days"},
        training__candidates={
            "it": {
                "estimator": "a.B",
                "params": {"on": True, "off": None, "n": 1, "x": 1.0, "s": "1", "sizes": [3, 4]},
                "search": {"whole": {"low": 1, "high": 3}, "real": {"low": 1.0, "high": 3.0}, "mixed": [1, 1.5, "a"]},
            }
        },
    )
    again = ModelSpec.restore(json.loads(json.dumps(spec.model_dump(mode="json"))))
    assert again == spec
    candidate = again.training.candidates["it"]
    assert candidate.params == {"on": True, "off": None, "n": 1, "x": 1.0, "s": "1", "sizes": (3, 4)}
    assert [type(v) for v in candidate.params.values()] == [bool, type(None), int, float, str, tuple]
    whole, real = candidate.search["whole"], candidate.search["real"]
    assert (type(whole.low), type(real.low)) == (int, float)  # type: ignore[union-attr]


@pytest.mark.parametrize("part", ["name", "windows", "training"])
def test_nothing_can_be_assigned(part: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(a_spec(), part, None)
    with pytest.raises(ValidationError, match="frozen"):
        a_spec().training.seed = 1  # type: ignore[misc]


TRAINED_BY: list[tuple[str, Any]] = [
    ("training__seed", 8),
    ("training__search__trials", 3),
    ("training__candidates__trees__params", {"max_iter": 11}),
    ("training__candidates__trees__increasing", ["debt"]),
    ("columns__numeric", ["income"]),
    ("columns__weight", "exposure"),
    ("windows__train", "13 months"),
    ("windows__label_maturity", "7 months"),
    ("sql", SQL + " and true"),
    ("judgement__metric", "brier"),
]
JUDGED_BY: list[tuple[str, Any]] = [
    ("judgement__floors", {"roc_auc": 0.6}),
    ("judgement__minimum_gain", -0.01),
    ("judgement__confidence", 0.9),
    ("judgement__minimum_events", 6),
    ("judgement__rule", "single"),
    ("judgement__cut_off", {"accept": "below", "share": 0.8}),
    ("judgement__checks", {"segments": {"tolerance": 0.05}}),
    ("promotion__cooldown", "3 months"),
    ("judgement__metric", "brier"),
    ("promotion__approval", {"by": ["risk-lead"], "within": "3 days"}),
]
NEITHER: list[tuple[str, Any]] = [
    ("description", "other words"),
    ("schedule", None),
    ("start_date", "2021-01-01"),
    ("owner", "someone"),
]


def changed(path: str, value: Any) -> ModelSpec:
    return a_spec(**{path: value})


@pytest.mark.parametrize(("path", "value"), TRAINED_BY + JUDGED_BY + NEITHER)
def test_each_fingerprint_changes_with_its_own_parts_only(path: str, value: Any) -> None:
    before, after = a_spec(), changed(path, value)
    assert after.fingerprint() != before.fingerprint()
    assert (after.training_fingerprint() != before.training_fingerprint()) == ((path, value) in TRAINED_BY)
    assert (after.judgement_fingerprint() != before.judgement_fingerprint()) == ((path, value) in JUDGED_BY)


def test_equal_specs_have_equal_fingerprints_of_twelve_hex_digits() -> None:
    assert a_spec().fingerprint() == a_spec().fingerprint()
    assert len(a_spec().fingerprint()) == 12
    assert int(a_spec().fingerprint(), 16) > 0


@pytest.mark.parametrize(
    ("text", "delta", "canonical"),
    [
        ("1 day", relativedelta(days=1), "1 day"),
        ("90 days", relativedelta(days=90), "90 days"),
        ("12 weeks", relativedelta(days=84), "84 days"),
        ("18 months", relativedelta(months=18), "1 year 6 months"),
        ("1 year 6 months", relativedelta(months=18), "1 year 6 months"),
        ("1 month 15 days", relativedelta(months=1, days=15), "1 month 15 days"),
        ("1 month 1 month", relativedelta(months=2), "2 months"),
        (" 2 years ", relativedelta(years=2), "2 years"),
    ],
)
def test_a_duration_in_plain_words(text: str, delta: relativedelta, canonical: str) -> None:
    assert Duration.parse(text) == delta
    assert str(Duration.parse(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "six months", "6", "6 m", "6months", "-6 months", "1.5 years", "6 months ago", "6 months, 2 days", 6]
)
def test_what_is_no_duration_is_answered_with_what_one_looks_like(text: object) -> None:
    with pytest.raises(ValueError, match="plain words such as '90 days', '12 weeks', '18 months' or '1 year 6 months'"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["0 days", "0 months 0 days"])
def test_no_time_at_all_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        Duration.parse(text)


@given(years=st.integers(0, 50), months=st.integers(0, 50), days=st.integers(0, 800))
def test_a_duration_reads_back_what_it_prints(years: int, months: int, days: int) -> None:
    if years or months or days:
        duration = Duration.parse(f"{years} years {months} months {days} days")
        assert Duration.parse(str(duration)) == duration
        assert date(2000, 1, 1) + duration == date(2000, 1, 1) + relativedelta(years=years, months=months, days=days)


def test_columns_tell_features_from_the_rest() -> None:
    columns = a_spec(columns__segments=["region", "purpose"]).columns
    assert columns.features == ["income", "debt", "purpose"]
    assert columns.all == [
        "loan_id", "issued_at", "known_at", "bad", "income", "debt", "purpose", "region", "age_band",
    ]  # fmt: skip
    assert columns.inputs == {"income": "double", "debt": "double", "purpose": "string"}
    weighted = a_spec(columns__weight="exposure", columns__cluster="customer").columns
    assert weighted.all[4:6] == ["exposure", "customer"]


def test_known_at_is_optional() -> None:
    assert "known_at" not in a_spec(columns__known_at=None).columns.all


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


def test_what_the_deciding_metric_is_made_of_is_part_of_the_training() -> None:
    one, other = judged_by("profit"), judged_by("profit")
    assert one.training_fingerprint() == other.training_fingerprint()
    dearer = one.model_copy(update={"judgement": one.judgement.model_copy(update={"cut_off": None})})
    assert dearer.training_fingerprint() != one.training_fingerprint()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"judgement__profit": {"accepted_1": -8.0, "accepted_0": 1.0}}, "profit needs a cut_off"),
        ({"judgement__cut_off": {"accept": "below"}}, "give either score or share"),
        ({"judgement__cut_off": {"accept": "below", "score": 0.1, "share": 0.5}}, "give either score or share"),
        ({"judgement__emp": {"p0": 0.8, "p1": 0.3}}, "add up to more than 1: 0.8 and 0.3"),
        ({"judgement__checks": {"too_good": {"ceilings": {"auc": 0.9}}}}, "no metric 'auc'; valid: roc_auc, gini"),
        ({"judgement__checks": {"calibration": {"severity": "blok"}}}, "'block', 'warn' or 'off'"),
        ({"judgement__rule": "monthly"}, "'sequential' or 'single'"),
    ],
)
def test_a_judgement_that_makes_no_sense_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        a_spec(**change)


def test_a_spec_that_says_nothing_about_checks_has_all_of_them() -> None:
    checks = a_spec().judgement.checks
    assert {name for name in type(checks).model_fields if getattr(checks, name).severity == "warn"} == {
        "cohorts", "champion_floors", "drift", "shift", "fairness",
    }  # fmt: skip


def test_off_needs_no_quotes_in_yaml() -> None:
    spec = a_spec(judgement__checks={"fairness": yaml.safe_load("severity: off")})
    assert spec.judgement.checks.fairness.severity == "off"


def test_the_documentation_tells_the_defaults() -> None:
    page = (DEFAULT_FOLDER.parents[1] / "docs" / "validation.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "checks:" in b)
    told = loader._Loader(block).get_single_data()["judgement"]
    assert Judgement.model_validate_json(json.dumps(told)) == Judgement(metric="roc_auc", floors={"roc_auc": 0.6})
    known = {name: set(type(rule).model_fields) for name, rule in Judgement(metric="roc_auc").checks}
    assert {name: set(rule) for name, rule in told["checks"].items()} == known, "every threshold is told"


def test_the_order_in_which_a_search_and_floors_are_written_does_not_matter() -> None:
    """The ledger keeps a spec as jsonb, which has an order of its own; a search goes by the order of its parameters."""
    wide = {"max_leaf_nodes": [4, 8], "learning_rate": {"low": 0.1, "high": 0.2}, "l2_regularization": [0.0, 1.0]}
    trees = "sklearn.ensemble.HistGradientBoostingClassifier"
    specs = [
        with_candidate(estimator=trees, search=dict(sorted(wide.items(), key=lambda item: order * len(item[0]))))
        for order in (1, -1)
    ]
    assert [list(s.training.candidates["it"].search) for s in specs] == [sorted(wide)] * 2
    assert list(a_spec(judgement__floors={"roc_auc": 0.6, "brier": 0.2}).judgement.floors) == ["brier", "roc_auc"]
