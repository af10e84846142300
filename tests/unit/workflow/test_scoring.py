"""Scores of both models on the same rows: which rows are judged, what is stored, and what a reload is compared with."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import AS_OF, REIGN, a_nominee, a_spec, rows, spans_of
from titleholder.data import snapshots
from titleholder.data.scores import ScoreKey, ScoreStore
from titleholder.data.snapshots import Extract
from titleholder.errors import ColumnsError, DataError, TrainingError
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import midnight
from titleholder.training import benchmark
from titleholder.validation.checks import CHECKS
from titleholder.validation.verdict import Reign
from titleholder.workflow import scoring
from titleholder.workflow.scorer import RELOADED_ROWS, SAMPLE_ROWS, Scorer, predict, spread, store_training_scores
from titleholder.workflow.scoring import Comparison, compare
from titleholder.workflow.trained_versions import TrainedVersion, missing_columns

SPEC = a_spec()
SPANS = spans_of(SPEC)
CHALLENGER, TWIN = 7, 70
CHAMPION = TrainedVersion(REIGN.version, a_nominee(run_id="run-of-champion", model=str(REIGN.version)), SPEC)


class DebtModel:
    """Scores by debt alone."""

    classes_ = np.array([0, 1])

    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        score = 1 / (1 + np.exp(-self.slope * X["debt"].to_numpy()))
        return np.column_stack([1 - score, score])


class Case(NamedTuple):
    """A snapshot of the small spec, a store, and models by version; `loaded` are the versions that were loaded."""

    comparison: Comparison
    root: Path
    store: ScoreStore
    models: dict[int, DebtModel]
    loaded: list[int]

    def scorer(self, retrained: dict[str, Any] | None = None) -> Scorer:
        def read(uri: str, sha256: dict[str, str], spec: ModelSpec) -> DebtModel:
            version = int(uri.rpartition("/")[2])
            assert sha256 == {"model.skops": f"hash of {version}"}
            self.loaded.append(version)
            return self.models[version]

        registry: Any = SimpleNamespace(models=SimpleNamespace(read=read))
        return Scorer(registry, self.store, retrained)

    @property
    def key(self) -> ScoreKey:
        return self.comparison.challenger.key(self.comparison.sha256)

    def trained(self) -> None:
        """Store what a training stores."""
        with snapshots.opened(self.comparison.uri, self.comparison.sha256) as extract:
            self.store_scores(self.key, self.models[CHALLENGER], extract)

    def store_scores(self, key: ScoreKey, model: Any, extract: Extract) -> None:
        training = extract.positions("issued_at", end=SPANS.holdout_start)
        store_training_scores(self.store, key, model, SPEC, extract, training)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    table = pa.Table.from_pandas(rows(SPEC, n=150), preserve_index=False)
    extract = snapshots.write(str(tmp_path), "small", table.schema, iter(table.to_batches()))
    comparison = Comparison(
        spec=SPEC,
        as_of=AS_OF,
        version=CHALLENGER,
        nominee=a_nominee(run_id="run-of-challenger", model=str(CHALLENGER), twin=str(TWIN)),
        uri=extract.uri,
        sha256=extract.sha256,
        spans=SPANS,
    )
    models = {CHALLENGER: DebtModel(), REIGN.version: DebtModel(-1)}
    return Case(comparison, tmp_path, ScoreStore(str(tmp_path)), models, [])


@pytest.mark.parametrize("n", [0, 1, 10, SAMPLE_ROWS, SAMPLE_ROWS + 1, 3 * SAMPLE_ROWS])
def test_the_training_sample_is_all_rows_or_spread_evenly_over_them(n: int) -> None:
    sample = spread(np.arange(n))
    assert len(sample) == min(n, SAMPLE_ROWS)
    if n:
        assert (sample[0], sample[-1]) == (0, n - 1)
    assert np.ptp(np.diff(sample)) <= 1 if n > 2 else True


@pytest.mark.parametrize(
    ("trained_through", "start", "noted"),
    [
        (SPANS.holdout_start - timedelta(days=60), SPANS.holdout_start, False),
        (SPANS.holdout_start, SPANS.holdout_start, False),
        (SPANS.holdout_start + timedelta(days=9), SPANS.holdout_start + timedelta(days=9), True),
        (SPANS.matured + timedelta(days=9), SPANS.matured, True),
    ],
)
def test_rows_are_judged_that_neither_model_was_trained_on(
    case: Case, trained_through: date, start: date, noted: bool
) -> None:
    reign = REIGN.model_copy(update={"trained_through": trained_through})
    found, note = scoring.judged_from(case.comparison, reign)
    assert (found, bool(note)) == (start, noted)
    scored = compare(case.comparison, reign, CHAMPION, case.scorer())
    assert scored.holdout == (start, SPANS.matured)
    assert (scored.evidence.frame["issued_at"] >= midnight(start)).all()
    assert len(scored.evidence.challenger) == len(scored.evidence.frame) == len(scored.evidence.champion)  # type: ignore[arg-type]
    assert bool(len(scored.evidence.frame)) == (start < SPANS.matured)


def test_without_a_champion_the_whole_holdout_is_judged(case: Case) -> None:
    assert scoring.judged_from(case.comparison, None) == (SPANS.holdout_start, "")
    assert compare(case.comparison, None, None, case.scorer()).evidence.champion is None


def test_a_second_comparison_loads_no_model_and_finds_the_same(case: Case) -> None:
    case.trained()
    first = compare(case.comparison, REIGN, CHAMPION, case.scorer(), reload=False)
    assert sorted(set(case.loaded)) == [REIGN.version, CHALLENGER]
    case.loaded.clear()
    second = compare(case.comparison, REIGN, CHAMPION, case.scorer(), reload=False)
    assert case.loaded == []
    for name in ("challenger", "champion", "y"):
        np.testing.assert_array_equal(getattr(first.evidence, name), getattr(second.evidence, name))
    debt = first.evidence.frame["debt"].to_numpy()
    np.testing.assert_allclose(first.evidence.challenger, 1 / (1 + np.exp(-debt)))
    np.testing.assert_allclose(first.evidence.champion, 1 / (1 + np.exp(debt)))


def test_the_benchmark_is_fitted_once_for_a_snapshot_and_its_scores_are_stored(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    fit = benchmark.fit
    monkeypatch.setattr(benchmark, "fit", lambda frame, spec: (fitted.append(len(frame)), fit(frame, spec))[1])
    first = compare(case.comparison, None, None, case.scorer(), reload=False).evidence
    reign = REIGN.model_copy(update={"trained_through": SPANS.holdout_start + timedelta(days=9)})
    later = compare(case.comparison, reign, CHAMPION, case.scorer(), reload=False).evidence
    with snapshots.opened(case.comparison.uri, case.comparison.sha256) as extract:
        training = extract.read(event_time="issued_at", end=SPANS.holdout_start)
    assert fitted == [len(training)]
    assert first.benchmark is not None
    assert later.benchmark is not None
    expected = predict(fit(training, SPEC), SPEC, first.frame)
    np.testing.assert_allclose(first.benchmark.scores, expected)  # type: ignore[arg-type]
    kept = (first.frame["issued_at"] >= midnight(reign.trained_through)).to_numpy()
    np.testing.assert_array_equal(later.benchmark.scores, first.benchmark.scores[kept])  # type: ignore[index,arg-type]


def test_a_benchmark_that_does_not_fit_stops_no_run(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TrainingError("small: the untuned benchmark does not fit: Input contains infinity.")

    monkeypatch.setattr(benchmark, "fit", fail)
    result = CHECKS["TH208"](compare(case.comparison, None, None, case.scorer(), reload=False).evidence)
    assert (result.status, result.explanation) == (
        "not_applicable", "small: the untuned benchmark does not fit: Input contains infinity.",
    )  # fmt: skip


def test_without_its_check_no_benchmark_is_fitted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "fit", None)
    spec = a_spec(judgement__checks={"benchmark": {"severity": "off"}})
    comparison = case.comparison.model_copy(update={"spec": spec})
    assert compare(comparison, None, None, case.scorer(), reload=False).evidence.benchmark is None


def test_a_reloaded_model_is_compared_with_what_was_stored_at_its_training(case: Case) -> None:
    case.trained()
    case.models[CHALLENGER] = DebtModel(slope=1.01)
    evidence = compare(case.comparison, None, None, case.scorer()).evidence
    assert evidence.recorded is not None
    assert evidence.reloaded is not None
    assert len(evidence.recorded) == RELOADED_ROWS
    assert np.abs(evidence.recorded - evidence.reloaded).max() > 1e-4
    without = compare(case.comparison, None, None, case.scorer(), reload=False).evidence
    assert without.recorded is without.reloaded is None


def test_lost_scores_of_the_training_count_as_different_however_often_it_is_compared(case: Case) -> None:
    """What a comparison itself stores shows nothing about the training."""
    for _ in range(2):
        evidence = compare(case.comparison, None, None, case.scorer()).evidence
        assert evidence.recorded is not None
        assert len(evidence.recorded) == 0
        result = CHECKS["TH703"](evidence)
        assert result.status == "fail"
    assert (case.root / case.key.path).exists()
    assert not (case.root / case.key.training_path).exists()


def test_a_retrained_pipeline_stands_in_for_a_version_and_its_scores_are_not_stored(case: Case) -> None:
    case.trained()
    compare(case.comparison, None, None, case.scorer(), reload=False)
    before = {path: path.read_bytes() for path in case.root.rglob("scores/**/*.parquet")}
    assert len(before) == 3  # of the training, of the comparison, and of the benchmark
    case.loaded.clear()
    evidence = compare(case.comparison, None, None, case.scorer({"run-of-challenger": DebtModel(slope=2)})).evidence
    debt = evidence.frame["debt"].to_numpy()
    np.testing.assert_allclose(evidence.challenger, 1 / (1 + np.exp(-2 * debt)))
    assert case.loaded == []
    assert {path: path.read_bytes() for path in case.root.rglob("scores/**/*.parquet")} == before


@pytest.fixture
def refitted(case: Case) -> Case:
    """The registered model is another than the judged one: of the opposite sign."""
    spec = a_spec(windows__refit="all_matured", training__candidates__line__increasing=["debt"])
    case.models.update({CHALLENGER: DebtModel(-1), TWIN: DebtModel()})
    return case._replace(comparison=case.comparison.model_copy(update={"spec": spec}))


def test_a_refit_is_judged_by_its_twin_and_scored_where_it_is_in_use(refitted: Case) -> None:
    scorer, judged = refitted.scorer(), refitted.comparison.challenger
    reign = REIGN.model_copy(update={"trained_through": SPANS.holdout_start})
    scored = compare(refitted.comparison, reign, CHAMPION, scorer)
    assert scored.holdout == (SPANS.holdout_start, SPANS.matured)
    debt = scored.evidence.frame["debt"].to_numpy()
    np.testing.assert_allclose(scored.evidence.challenger, 1 / (1 + np.exp(-debt)))
    in_use = scorer.scores(judged.registered, scored.rows)
    np.testing.assert_allclose(in_use, 1 / (1 + np.exp(debt)))
    assert judged.registered.key("x").path != judged.key("x").path


def test_a_refitted_champion_is_represented_by_its_twin(refitted: Case) -> None:
    reign = REIGN.model_copy(update={"trained_through": SPANS.holdout_start})
    champion = refitted.comparison.challenger._replace(version=CHALLENGER)
    evidence = compare(refitted.comparison, reign, champion, refitted.scorer()).evidence
    np.testing.assert_array_equal(evidence.champion, evidence.challenger)


def test_both_models_are_read_back_and_held_to_the_declared_directions(refitted: Case) -> None:
    """The twin rises with debt as declared, the refit falls."""
    sha256, judged = refitted.comparison.sha256, refitted.comparison.challenger
    for trained, version in ((judged, TWIN), (judged.registered, CHALLENGER)):
        model: Any = refitted.models[version]
        with snapshots.opened(refitted.comparison.uri, sha256) as extract:
            refitted.store_scores(trained.key(sha256), model, extract)
    evidence = compare(refitted.comparison, None, None, refitted.scorer()).evidence
    assert len(evidence.recorded) == len(evidence.reloaded) == 2 * RELOADED_ROWS  # type: ignore[arg-type]
    assert (CHECKS["TH703"](evidence).status, CHECKS["TH701"](evidence).status) == ("pass", "fail")
    refitted.models[CHALLENGER] = DebtModel(1.01)
    evidence = compare(refitted.comparison, None, None, refitted.scorer()).evidence
    assert (CHECKS["TH703"](evidence).status, CHECKS["TH701"](evidence).status) == ("fail", "pass")


def test_a_lost_refit_or_twin_is_seen(refitted: Case) -> None:
    judged = refitted.comparison.challenger
    uri, sha256 = refitted.comparison.uri, refitted.comparison.sha256
    with snapshots.opened(uri, sha256) as extract:
        refitted.store_scores(judged.key(sha256), refitted.models[TWIN], extract)
    evidence = compare(refitted.comparison, None, None, refitted.scorer()).evidence
    assert CHECKS["TH703"](evidence).status == "fail"
    with pytest.raises(DataError, match="version 7 was refitted, but has no twin"):
        refitted.scorer().predict(judged._replace(nominee=a_nominee(model="7")), rows(SPEC, n=1))


@pytest.fixture
def partly_accepted(case: Case) -> Case:
    """The same, but every third row was not accepted and has no outcome."""
    spec = a_spec(columns__accepted="accepted")
    accepted = np.arange(150) % 3 > 0
    frame = rows(SPEC, n=150).assign(accepted=accepted)
    table = pa.Table.from_pandas(frame.assign(bad=frame["bad"].where(accepted)), preserve_index=False)
    extract = snapshots.write(str(case.root), "small", table.schema, iter(table.to_batches()))
    comparison = case.comparison.model_copy(update={"spec": spec, "uri": extract.uri, "sha256": extract.sha256})
    return case._replace(comparison=comparison)


def test_rows_that_were_not_accepted_are_neither_trained_on_nor_judged_and_both_models_score_them(
    partly_accepted: Case,
) -> None:
    champion = CHAMPION._replace(spec=partly_accepted.comparison.spec)
    scored = compare(partly_accepted.comparison, REIGN, champion, partly_accepted.scorer())
    evidence, unseen = scored.evidence, scored.evidence.unobserved
    assert evidence.training is not None
    assert unseen is not None
    assert evidence.frame["accepted"].all()
    assert set(evidence.y) == {0.0, 1.0}
    assert not np.isnan(evidence.training.y).any()
    whole = rows(SPEC, n=150)
    held = whole[(whole["issued_at"] >= midnight(SPANS.holdout_start)) & (np.arange(150) % 3 == 0)]
    np.testing.assert_allclose(unseen.challenger, 1 / (1 + np.exp(-held["debt"])))
    np.testing.assert_allclose(unseen.champion, 1 / (1 + np.exp(held["debt"])))  # type: ignore[arg-type]
    all_of_them = len(evidence.y) + len(held)
    assert scored.note == (
        "Only accepted rows have outcomes (accepted), so only these were trained on and judged: "
        f"{len(evidence.y)} of {all_of_them} rows of the judged period."
    )
    assert scored.judge().note.startswith("Only accepted rows")
    assert evidence.benchmark is not None
    assert len(evidence.benchmark.scores) == len(evidence.y)  # type: ignore[arg-type]


def test_where_every_row_was_accepted_the_note_says_that_nothing_is_known_of_others(case: Case) -> None:
    spec = a_spec(columns__accepted="accepted")
    table = pa.Table.from_pandas(rows(SPEC, n=150).assign(accepted=True), preserve_index=False)
    extract = snapshots.write(str(case.root), "small", table.schema, iter(table.to_batches()))
    comparison = case.comparison.model_copy(update={"spec": spec, "uri": extract.uri, "sha256": extract.sha256})
    scored = compare(comparison, None, None, case.scorer())
    assert scored.note.endswith("the query returns no others, so nothing is known of them.")
    assert compare(case.comparison, None, None, case.scorer()).note == ""
    assert compare(case.comparison, None, None, case.scorer()).evidence.unobserved is None


def test_a_champion_whose_columns_are_gone_is_named_with_them(case: Case) -> None:
    wider = a_spec(columns__numeric=["income", "debt", "savings"])
    with pytest.raises(ColumnsError, match=r"small: version 3 needs columns .* do not have: savings\. Keep them"):
        compare(case.comparison, REIGN, CHAMPION._replace(spec=wider), case.scorer())
    assert missing_columns(wider, rows(SPEC, n=1)) == ["savings"]


def test_a_champion_without_a_decision_is_an_error(case: Case) -> None:
    with pytest.raises(DataError, match="no decision says how champion 3 was trained"):
        compare(case.comparison, REIGN, None, case.scorer())


def test_a_verdict_without_the_champion_is_that_of_a_comparison_without_one(case: Case) -> None:
    """It decides whether a candidate is unfit, so it must not depend on who was champion when a month ran."""
    reign = REIGN.model_copy(update={"trained_through": SPANS.holdout_start})
    scored = compare(case.comparison, reign, CHAMPION, case.scorer())
    verdict, bare = scored.judge(), compare(case.comparison, None, None, case.scorer()).judge()
    assert verdict.gain is not None
    assert [c.status for c in verdict.checks] != [c.status for c in bare.checks]
    assert scored.without_champion(verdict) == bare
    assert compare(case.comparison, None, None, case.scorer()).without_champion(bare) == bare


def test_other_thresholds_and_looks_keep_rows_and_scores(case: Case) -> None:
    scored = compare(case.comparison, REIGN, CHAMPION, case.scorer())
    stricter, later = a_spec(judgement__minimum_gain=0.1), Reign(**{**REIGN.model_dump(), "judged_through": AS_OF})
    other = scored.under(stricter, later)
    assert (other.evidence.spec, other.reign) == (stricter, later)
    assert other.evidence.challenger is scored.evidence.challenger
    assert other.judge().minimum_gain == 0.1
