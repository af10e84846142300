"""The spec itself: frozen, strict, restored to its equal, and with fingerprints that change with what they name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from support.factories import SQL, a_regression, a_spec, with_candidate
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.promotion import Notifications

SHIPPED = sorted(path.stem for path in DEFAULT_FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_spec_is_restored_to_its_equal_from_what_the_ledger_keeps(name: str) -> None:
    spec = load_specs(only=name)[name]
    again = ModelSpec.restore(json.loads(json.dumps(spec.model_dump(mode="json"))))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


def test_every_type_of_value_survives_the_ledger() -> None:
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
    ("windows__refit", "all_matured"),
    ("sql", SQL + " and true"),
    ("training__search__metric", "brier"),
    ("training__search__warm_start", "champion"),
]

JUDGED_BY: list[tuple[str, Any]] = [
    ("judgement__floors", {"roc_auc": 0.6}),
    ("judgement__minimum_gain", -0.01),
    ("judgement__confidence", 0.9),
    ("judgement__minimum_events", 6),
    ("judgement__rule", "sequential"),
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


def test_the_search_goes_by_log_loss_or_by_the_metric_that_decides_a_regression() -> None:
    assert [a_spec(judgement__metric=m).search_metric for m in ("roc_auc", "brier")] == ["log_loss"] * 2
    assert [a_regression(judgement__metric=m).search_metric for m in ("rmse", "mae")] == ["rmse", "mae"]
    assert a_spec(training__search__metric="roc_auc").search_metric == "roc_auc"
    assert a_regression(training__search__metric="r2").search_metric == "r2"


def test_a_metric_that_is_written_trains_as_the_same_one_by_default() -> None:
    written = a_spec(training__search__metric="log_loss")
    assert written.training_fingerprint() == a_spec().training_fingerprint()
    assert written.fingerprint() != a_spec().fingerprint()


def test_the_metric_that_decides_a_regression_is_part_of_its_training_unless_the_search_has_its_own() -> None:
    trained = [a_regression(judgement__metric=m).training_fingerprint() for m in ("rmse", "mae")]
    assert trained[0] != trained[1]
    apart = {"training__search__metric": "r2"}
    trained = [a_regression(judgement__metric=m, **apart).training_fingerprint() for m in ("rmse", "mae")]
    assert trained[0] == trained[1]


def test_equal_specs_have_equal_fingerprints_of_twelve_hex_digits() -> None:
    assert a_spec().fingerprint() == a_spec().fingerprint()
    assert len(a_spec().fingerprint()) == 12
    assert int(a_spec().fingerprint(), 16) > 0


def test_features_inputs_and_all_columns() -> None:
    columns = a_spec(columns__segments=["region", "purpose"]).columns
    assert columns.features == ["income", "debt", "purpose"]
    assert columns.all == [
        "loan_id", "issued_at", "known_at", "bad", "income", "debt", "purpose", "region", "age_band",
    ]  # fmt: skip
    assert columns.inputs == {"income": "double", "debt": "double", "purpose": "string"}
    weighted = a_spec(columns__weight="exposure", columns__cluster="customer").columns
    assert weighted.all[4:6] == ["exposure", "customer"]


def test_a_feature_may_be_known_later_and_scoring_waits_for_it() -> None:
    columns = a_spec(columns__known_after={"debt": "3 days", "income": "12 hours"}).columns
    assert columns.scoring_delay == timedelta(days=3)
    assert a_spec().columns.scoring_delay == timedelta(0)


@pytest.mark.parametrize(
    ("known_after", "message"),
    [
        ({"region": "3 days"}, "known_after names features, not region; valid: income, debt, purpose"),
        ({"debt": "200 days"}, "columns.known_after.debt: 200 days is longer than windows.label_maturity, 6 months"),
        ({"debt": "3 month"}, "a span of time is written as"),
    ],
)
def test_a_feature_that_is_known_after_its_outcome_is_refused(known_after: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_spec(columns__known_after=known_after)


def test_known_at_is_optional() -> None:
    assert "known_at" not in a_spec(columns__known_at=None).columns.all


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


def test_nobody_is_notified_by_default() -> None:
    assert a_spec().notifications == Notifications(deadline=None, email=None, slack=None)


def test_a_cooldown_has_no_hours() -> None:
    with pytest.raises(ValidationError, match="it has no hours or minutes"):
        a_spec(promotion__cooldown="12 hours")


def test_an_approval_can_have_hours() -> None:
    approval = a_spec(promotion__approval={"by": ["ann"], "within": "36 hours"}).promotion.approval
    assert approval.within == timedelta(days=1, hours=12)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "notifications",
    [
        {"deadline": "1 day 12 hours"},
        {"email": {"to": ["a@b", "c@d"]}},
        {"deadline": "30 minutes", "email": {"to": ["a@b"], "connection": "x"}, "slack": {}},
    ],
)
def test_notifications_change_neither_judgement_nor_training(notifications: dict[str, Any]) -> None:
    before, after = a_spec(), a_spec(notifications=notifications)
    assert after.fingerprint() != before.fingerprint()
    assert after.training_fingerprint() == before.training_fingerprint()
    assert after.judgement_fingerprint() == before.judgement_fingerprint()
    assert ModelSpec.restore(json.loads(json.dumps(after.model_dump(mode="json")))) == after


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"params": {"loss": "quantile", "quantile": 0.5}}, "quantile: 0.5 contradicts judgement.quantile 0.9"),
        ({"params": {"loss": "quantile", "alpha": 0.5}}, "alpha: 0.5 contradicts judgement.quantile 0.9"),
        ({"params": {"objective": "reg:quantileerror", "quantile_alpha": 0.1}}, "quantile_alpha: 0.1 contradicts"),
        ({"params": {"loss": "squared_error"}}, "loss: squared_error does not learn"),
        ({"params": {"loss": "absolute_error"}}, "loss: absolute_error does not learn"),
        ({"search": {"quantile": {"low": 0.1, "high": 0.9}}}, "quantile: is searched"),
        ({"search": {"loss": ["quantile", "squared_error"]}}, "loss: is searched"),
    ],
)
def test_a_candidate_that_contradicts_the_quantile_is_refused(candidate: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_quantile(0.9, **candidate)


def a_quantile(quantile: float, metric: str | None = None, **candidate: Any) -> ModelSpec:
    return a_regression(
        judgement__metric="pinball",
        judgement__quantile=quantile,
        training__search={"metric": metric},
        training__candidates={"it": {"estimator": "a.B", **candidate}},
    )


def test_the_median_may_be_learned_by_the_absolute_error() -> None:
    assert a_quantile(0.5, params={"loss": "absolute_error"}).judgement.predicted_quantile == 0.5
    assert a_quantile(0.9, params={"loss": "quantile", "alpha": 0.9}).judgement.predicted_quantile == 0.9


def test_a_quantile_is_searched_by_its_own_loss() -> None:
    with pytest.raises(ValidationError, match=r"training.search.metric: 'mae' does not search for the quantile"):
        a_quantile(0.9, metric="mae")
    assert a_quantile(0.9).search_metric == "pinball"


def test_a_quantile_is_judged_by_the_pinball_loss_only() -> None:
    """It was ignored under another metric, and the model was judged by its means."""
    with pytest.raises(ValidationError, match=r"judgement.quantile: a quantile is judged by metric: pinball, not by r"):
        a_regression(judgement__quantile=0.9)
    assert a_regression().judgement.predicted_quantile is None


@pytest.mark.parametrize("key", ["owner", "description"])
@pytest.mark.parametrize("text", ["risk\x1b[31m", "a\nb", "\N{RIGHT-TO-LEFT OVERRIDE}txt"])
def test_what_people_write_about_a_model_is_one_line_of_plain_text(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"one line of plain text, and has \\"):
        a_spec(**{key: text})
