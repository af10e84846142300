"""Which scores of judged rows count as sealed, and whose: over scoring runs that a fake ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import REIGN, a_decision, a_nominee, a_score_run, a_spec, evidence, stored
from titleholder.data import run_scores
from titleholder.data.lazy_frame import LazyFrame
from titleholder.ledger import score_runs, store
from titleholder.ledger.decision import Decision
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.model import ModelSpec
from titleholder.validation.cohort_record import Member
from titleholder.validation.evidence import Rival
from titleholder.validation.sealed import SealedEvidence, SealedScores
from titleholder.workflow import skew
from titleholder.workflow.rivals import KnownVersion, Line
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import ScoredComparison
from titleholder.workflow.sealed_scores import from_scoring_runs, sealed_evidence
from titleholder.workflow.trained_versions import TrainedVersion

SPEC = a_spec(windows__label_maturity="2 months", judgement__rule="record")
HOLDOUT = (date(2024, 1, 1), date(2024, 3, 1))
AS_OF = date(2024, 5, 1)
TIMES = pd.date_range("2024-01-01", "2024-02-29", periods=60, tz="UTC", unit="us")
CHAMPION = REIGN.version


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


class Ledger:
    """Scoring runs and their scores, and the decisions about versions, in memory."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.decisions: list[Decision] = []
        patch.setattr(store, "read_lane", lambda url, model, lane: list(self.decisions))
        self.runs: list[ScoreRun] = []
        self.tables: dict[int, pa.RecordBatch] = {}
        patch.setattr(score_runs, "of_model", lambda url, model: list(self.runs))
        patch.setattr(score_runs, "batches", self._batches)

    def add(
        self,
        created_at: str,
        rows: pd.DataFrame,
        score: float,
        *,
        version: int = CHAMPION,
        lane: str = "live",
        **parts: Any,
    ) -> int:
        """A run that gave all these rows one score."""
        n, number = len(rows), len(self.runs) + 1
        entities = run_scores.as_text(pa.Array.from_pandas(rows["loan_id"]))
        columns = (range(n), entities, pa.Array.from_pandas(rows["issued_at"]), [score] * n, pa.nulls(n))
        arrays = [pa.array(values).cast(field.type) for values, field in zip(columns, run_scores.SCHEMA, strict=True)]
        self.tables[number] = pa.RecordBatch.from_arrays(arrays, schema=run_scores.SCHEMA)
        digest = run_scores.Digest()
        digest.update(self.tables[number])
        known = {"lane": lane, "version": version, "rows": n, "created_at": at(created_at)}
        self.runs.append(a_score_run(number, **known, **({"scores_sha256": digest.hexdigest()} | parts)))
        return number

    def _batches(self, url: str, run: int, longest: timedelta) -> Iterator[pa.RecordBatch]:
        for first in range(0, self.tables[run].num_rows, 7):
            yield self.tables[run].slice(first, 7)


class Models(Scorer):
    """Every version answers with a tenth of its number."""

    def __init__(self, url: str | None = "the ledger") -> None:
        super().__init__(None, None, ledger_url=url)  # type: ignore[arg-type]
        self.asked: list[tuple[str, list[int]]] = []

    def scores(self, trained: TrainedVersion, rows: LazyFrame) -> np.ndarray:
        self.asked.append((trained.name, rows.positions.tolist()))
        return np.full(len(rows), trained.version / 10)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


def compared(spec: ModelSpec = SPEC, **columns: Any) -> ScoredComparison:
    given = evidence(spec, y=np.tile([0.0, 1.0], 30))
    frame = given.frame.assign(issued_at=TIMES, **columns)
    return ScoredComparison(
        as_of=AS_OF, evidence=given.model_copy(update={"frame": frame, "champion": np.full(60, 0.5)}), reign=REIGN,
        holdout=HOLDOUT, trained_through=HOLDOUT[0], note="", rows=stored(frame, before=100),
    )  # fmt: skip


def line(*versions: int, spec: ModelSpec = SPEC) -> Line:
    member = Member(version=1, trained_through=date(2023, 6, 1), judged_through=date(2023, 9, 1))
    known = [TrainedVersion(version, a_nominee(run_id=f"run-{version}"), spec) for version in versions]
    return Line(tuple(KnownVersion(one, member, date(2023, 9, 1), eligible=True) for one in known))


def found(scored: ScoredComparison, scorer: Models | None = None, of: Line | None = None) -> SealedEvidence:
    sealed = sealed_evidence(scored, of or line(CHAMPION), scorer or Models())
    assert sealed is not None
    return sealed


def only(scored: ScoredComparison) -> SealedScores:
    (sealed,) = found(scored).versions
    return sealed


def test_a_score_counts_with_the_time_at_which_it_was_first_written(ledger: Ledger) -> None:
    scored = compared()
    second = ledger.add("2024-02-02", scored.evidence.frame.iloc[:40], 0.9)
    first = ledger.add("2024-02-01", scored.evidence.frame.iloc[:20], 0.1)
    scorer = Models()
    (sealed,) = found(scored, scorer).versions
    assert (sealed.version, sealed.runs, sealed.rows.tolist()) == (CHAMPION, (first, second), list(range(40)))
    assert sealed.sealed.tolist() == [0.1] * 20 + [0.9] * 20
    assert sealed.latest == 31.0, "from the first event to the run that scored it first"
    assert scorer.asked == [(f"run-{CHAMPION}", list(range(100, 140)))], "by their positions in the snapshot"


def test_it_is_sealed_less_than_the_label_maturity_after_its_event(ledger: Ledger) -> None:
    scored = compared()
    ledger.add("2024-03-20 10:00", scored.evidence.frame, 0.1)
    assert only(scored).rows.tolist() == np.flatnonzero(pd.Timestamp("2024-01-21", tz="UTC") <= TIMES).tolist()


def test_a_run_after_the_as_of_date_of_another_lane_or_unknown_version_or_window_is_none(ledger: Ledger) -> None:
    scored = compared()
    rows = scored.evidence.frame
    ledger.add("2024-05-01", rows, 0.1)
    ledger.add("2024-02-01", rows, 0.1, lane="backtest")
    ledger.add("2024-02-01", rows, 0.1, version=77)
    ledger.add("2024-02-01", rows, 0.1, as_of=HOLDOUT[0], window_start=date(2023, 12, 1))
    assert found(scored) == SealedEvidence()


def test_a_row_whose_event_time_has_changed_since_has_no_sealed_score(ledger: Ledger) -> None:
    scored = compared()
    rows = scored.evidence.frame.iloc[:10].copy()
    rows.loc[rows.index[3], "issued_at"] += pd.Timedelta(microseconds=1)
    ledger.add("2024-02-01", rows, 0.1)
    assert only(scored).rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_the_soonest_outcome_of_all_rows_is_the_limit_of_each(ledger: Ledger) -> None:
    """Were it each row's own outcome, the rows that ended early would be left out, and only they."""
    spec = a_spec(windows__label_maturity="2 months", judgement__rule="record", columns__outcome_at="ended_at")
    after = pd.to_timedelta(np.r_[[20.0, 50.0], np.full(28, np.nan), np.full(30, 40.0)], unit="D")
    scored = compared(spec, ended_at=TIMES + after)
    ledger.add("2024-02-10 00:00", scored.evidence.frame, 0.1)
    sealed = found(scored)
    assert sealed.soonest == 20.0
    wanted = np.flatnonzero(pd.Timestamp("2024-01-21", tz="UTC") < TIMES)
    assert sealed.versions[0].rows.tolist() == wanted.tolist()


def test_without_any_outcome_the_label_maturity_is_the_limit(ledger: Ledger) -> None:
    spec = a_spec(windows__label_maturity="2 months", judgement__rule="record", columns__outcome_at="ended_at")
    scored = compared(spec, ended_at=pd.Series(pd.NaT, index=range(60), dtype="datetime64[us, UTC]"))
    ledger.add("2024-02-10", scored.evidence.frame, 0.1)
    assert (found(scored).soonest, len(found(scored).versions[0].rows)) == (None, 60)


def test_scores_that_are_not_what_the_run_wrote_are_left_out_and_the_run_named(ledger: Ledger) -> None:
    scored = compared()
    sound = ledger.add("2024-02-01", scored.evidence.frame.iloc[:5], 0.2)
    broken = ledger.add("2024-01-31", scored.evidence.frame, 0.1)
    table = ledger.tables[broken]
    ledger.tables[broken] = table.set_column(3, "score", pa.array([0.1] * 59 + [0.3]))
    sealed = found(scored)
    assert (sealed.changed, sealed.versions[0].runs, len(sealed.versions[0].rows)) == ((broken,), (sound,), 5)


def test_of_too_many_scores_the_first_ones_are_read(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skew, "READ", 25)
    scored = compared()
    frame = scored.evidence.frame
    third, first = ledger.add("2024-02-03", frame, 0.9), ledger.add("2024-02-01", frame.iloc[:10], 0.1)
    second = ledger.add("2024-02-02", frame.iloc[10:20], 0.2)
    assert (only(scored).runs, len(only(scored).rows)) == ((first, second), 20)
    assert third not in only(scored).runs


def test_of_other_versions_those_count_that_are_compared_on_these_rows(ledger: Ledger) -> None:
    scored = compared()
    member = Member(version=41, trained_through=date(2023, 6, 1), judged_through=date(2023, 9, 1))
    rival = Rival(member=member, as_of=AS_OF, scores=np.full(60, 0.5), inputs={}, eligible=True)
    scored = scored.model_copy(update={"evidence": scored.evidence.model_copy(update={"rivals": (rival,)})})
    for version in (41, 42, CHAMPION):
        ledger.add("2024-02-01", scored.evidence.frame, version / 10, version=version)
    sealed = found(scored, of=line(CHAMPION, 41, 42))
    assert [one.version for one in sealed.versions] == [CHAMPION, 41]
    assert {one.differing for one in sealed.versions} == {0}


def test_versions_that_scored_at_the_time_count_too_champions_first(ledger: Ledger) -> None:
    """The champion and its rivals were trained after the rows were scored: outcomes take longer than reigns."""
    scored = compared()
    frame = scored.evidence.frame
    for version in (31, 32, 33, 34, 35):
        ledger.decisions.append(a_decision(version, as_of=date(2023, 12, 1), training_run_id=f"run-{version}"))
    for version in (33, 32, 34):
        ledger.add("2024-02-01", frame.iloc[: version + 10], version / 10, version=version, role="challenger")
    ledger.add("2024-02-01", frame.iloc[:20], 3.1, version=31)
    ledger.add("2024-02-02", frame.iloc[20:], 3.5, version=35)
    sealed = found(scored)
    assert [(one.version, one.reigned, len(one.rows)) for one in sealed.versions] == [
        (35, True, 40),
        (31, True, 20),
        (34, False, 44),
    ], "at most three, of those with most rows"
    assert {one.differing for one in sealed.versions} == {0}


def test_of_versions_of_the_time_those_that_need_other_columns_are_left_out(ledger: Ledger) -> None:
    scored = compared()
    spec = a_spec(columns__numeric=["income", "debt", "gone"]).model_dump(mode="json")
    ledger.decisions.append(a_decision(31, as_of=date(2023, 12, 1), spec=spec))
    ledger.add("2024-02-01", scored.evidence.frame, 3.1, version=31)
    assert found(scored) == SealedEvidence()


def test_the_model_that_scored_is_the_registered_one_not_its_twin(ledger: Ledger) -> None:
    spec = a_spec(windows__label_maturity="2 months", windows__refit="all_matured")
    scored, scorer = compared(spec), Models()
    ledger.add("2024-02-01", scored.evidence.frame, 0.1)
    found(scored, scorer, line(CHAMPION, spec=spec))
    assert [name for name, _ in scorer.asked] == [f"run-{CHAMPION}-refit"]


def test_what_is_read_is_read_once_for_all_candidates_and_only_when_it_is_asked_for(ledger: Ledger) -> None:
    scored, scorer = compared(), Models()
    ledger.add("2024-02-01", scored.evidence.frame, 0.1)
    first, second = (from_scoring_runs(scored, line(CHAMPION), scorer).evidence for _ in range(2))
    assert scorer.asked == []
    assert first.sealed is not None
    assert second.sealed is not None
    assert first.sealed() is second.sealed()
    assert len(scorer.asked) == 1


def test_without_a_champion_or_a_ledger_there_are_none(ledger: Ledger) -> None:
    scored = compared()
    ledger.add("2024-02-01", scored.evidence.frame, 0.1)
    assert sealed_evidence(scored, line(CHAMPION), Models(None)) is None
    alone = scored.model_copy(update={"reign": None})
    assert sealed_evidence(alone, Line(), Models()) is None
    without = from_scoring_runs(scored, line(CHAMPION), Models(None)).evidence
    assert without.skew is not None
    assert without.skew() is None
