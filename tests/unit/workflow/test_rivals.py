"""The versions that the rule `record` compares with a challenger, and the cohorts on which it compares them."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from support.factories import (
    AS_OF,
    REIGN,
    a_decision,
    a_nominee,
    a_recall,
    a_recall_of,
    a_rollback,
    a_spec,
    a_verdict,
    an_outlook,
    evidence,
    result,
    stored,
)  # fmt: skip
from titleholder.data.lazy_frame import LazyFrame
from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.spec.types import LIVE
from titleholder.validation import metrics
from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.validation.metrics import Estimation
from titleholder.validation.verdict import Reign
from titleholder.workflow.rivals import KnownVersion, Line, cohort_bounds, line_before, on_record
from titleholder.workflow.scoring import ScoredComparison
from titleholder.workflow.trained_versions import TrainedVersion

SPEC = a_spec(judgement__rule="record")


def month(n: int) -> date:
    return date(2022, 1, 1) + relativedelta(months=n)


def decided(n: int, **parts: Any) -> Decision:
    """The decision of month n about version n, which was trained on rows before that month less nine."""
    verdict = a_verdict(rule="record", outlook=parts.pop("outlook", None), cohorts=parts.pop("cohorts", ()))
    known = {
        "as_of": month(n), "challenger_version": n, "trained_through": month(n - 9), "champion_before": 1,
        "champion_after": 1, "kind": "keep", "verdict": verdict, "training_run_id": f"run-{n}",
        "spec": SPEC.model_dump(mode="json"), "lane": "backtest",
    }  # fmt: skip
    return a_decision(n, **(known | parts))


def chosen(rows: list[Decision], n: int, reign: Reign | None = None) -> list[int]:
    reign = reign or REIGN.model_copy(update={"version": 1})
    return [
        known.trained.version for known in line_before(rows, "backtest", month(n), reign, month(n), "no url").rivals
    ]


def test_they_are_the_champion_the_newest_and_the_best_so_far() -> None:
    ranking = (12, 3, 2, 11, 5, 4, 7, 6, 8)
    rows = [decided(n) for n in range(1, 12)] + [decided(12, outlook=an_outlook(ranking=ranking))]
    assert chosen(rows, 13) == [1, 2, 3, 4, 5, 7, 10, 11, 12]
    assert chosen(rows, 6) == [1, 3, 4, 5]
    assert chosen(rows[:1], 2) == [1]


def test_months_after_the_challengers_are_not_known_to_it() -> None:
    rows = [decided(n) for n in (1, 5, 3, 4, 2)]
    assert chosen(rows, 4) == [1, 2, 3]
    assert line_before(rows, "backtest", month(4), None, month(4), "no url") == Line()


def test_decisions_under_another_rule_do_not_count_but_their_champion_does() -> None:
    rows = [decided(1, verdict=a_verdict()), decided(2, verdict=a_verdict()), decided(3)]
    assert chosen(rows, 4) == [1, 3]


def test_the_unfit_and_those_rolled_back_may_not_come_back() -> None:
    live = {"lane": "live"}
    rows = [
        decided(1, kind="promote", champion_before=None, **live),
        decided(2, kind="reject", verdict=a_verdict(result("TH203", "fail"), rule="record"), **live),
        decided(3, kind="promote", champion_after=3, **live),
        a_rollback(4, before=3, after=1),
        decided(5, **live),
    ]
    line = line_before(rows, "live", month(6), REIGN.model_copy(update={"version": 1}), month(6), "no url")
    assert {known.trained.version: known.eligible for known in line.rivals} == {1: True, 2: False, 3: False, 5: True}


LATER = date(2024, 12, 1)


def eligible(*rows: Decision) -> dict[int, bool]:
    """Of each version that is compared, whether it may be recalled."""
    recorded = [
        row.model_copy(update={"verdict": row.verdict.model_copy(update={"rule": "record"})}) if row.verdict else row
        for row in rows
    ]
    line = line_before(recorded, LIVE, LATER, reigns.reign_before(recorded, LIVE, LATER), LATER, "url")
    return {known.trained.version: known.eligible for known in line.rivals}


def kept(sequence: int, *failed: str, kind: str = "keep") -> Decision:
    verdict = a_verdict(*(result(code, "fail") for code in failed))
    return a_decision(sequence, kind=kind, champion_before=1, champion_after=1, verdict=verdict)


def test_a_version_that_was_unfit_for_use_is_not_recalled_whatever_its_month_was_decided() -> None:
    unfit = a_verdict(result("TH203", "fail"), recall=a_recall_of(1))
    rows = [a_decision(1), kept(2, "TH301"), kept(3, "TH201", kind="retire"), kept(4, "TH501")]
    assert eligible(*rows) == {1: True, 2: True, 3: False, 4: False}
    promoted = a_decision(5, champion_before=1)
    assert eligible(rows[0], promoted, a_recall(6, 5, 1, verdict=unfit)) == {1: True, 5: True, 6: False}


def test_a_version_that_was_rolled_back_is_not_recalled_until_it_is_reinstated() -> None:
    rows = [a_decision(1), kept(2, "TH301"), a_decision(3, champion_before=1), a_rollback(4, 3, 1)]
    assert eligible(*rows) == {1: True, 2: False, 3: False}, "version 2 was trained on nothing newer than version 3"
    assert eligible(*rows, a_rollback(5, 1, 3)) == {1: True, 2: True, 3: True}


class Scorer:
    """Answers with the version's number as seed; knows what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, trained: TrainedVersion, rows: LazyFrame) -> np.ndarray:
        assert rows.positions[:2].tolist() == [100, 101]
        self.asked.append(trained.version)
        return np.random.default_rng(trained.version).random(len(rows))


def compared(n: int = 900, spec: Any = SPEC) -> ScoredComparison:
    rng = np.random.default_rng(0)
    found = evidence(spec, y=(rng.random(n) < 0.3).astype(float))
    time = pd.date_range("2024-01-01", "2024-03-31 23:00", periods=n, tz="UTC")
    whole = {
        "frame": found.frame.assign(issued_at=time),
        "version": 9,
        "champion": rng.random(n),
        "challenger": rng.random(n),
    }
    return ScoredComparison(
        as_of=AS_OF, evidence=found.model_copy(update=whole), reign=REIGN.model_copy(update={"version": 1}),
        holdout=(date(2024, 1, 1), date(2024, 4, 1)), trained_through=date(2024, 1, 1), note="", rows=stored(found.frame, before=100),
    )  # fmt: skip


def known(version: int, through: date = date(2023, 6, 1), spec: Any = SPEC) -> KnownVersion:
    member = Member(version=version, trained_through=through, judged_through=date(2023, 9, 1))
    return KnownVersion(
        TrainedVersion(version, a_nominee(run_id=f"run-{version}"), spec), member, month(1), eligible=True
    )


def a_line(*versions: KnownVersion, earlier: tuple[CohortRecord, ...] = ()) -> Line:
    return Line(versions, frozenset(v.trained.version for v in versions), earlier)


def test_all_versions_are_compared_on_each_cohort_of_the_holdout() -> None:
    scorer = Scorer()
    line = a_line(known(1), known(7), known(8, through=date(2024, 1, 15)))
    found = on_record(compared(), line, scorer).evidence  # type: ignore[arg-type]
    assert scorer.asked == [7]
    assert [rival.member.version for rival in found.rivals] == [1, 7]
    assert [str(c.start)[:7] for c in found.cohorts] == ["2024-01", "2024-02", "2024-03"]
    first = found.cohorts[0]
    assert [m.version for m in first.members] == [1, 7, 9]
    assert first.members[-1].trained_through == date(2024, 1, 1)
    rows = (found.frame["issued_at"].dt.month == 1).to_numpy()
    scores = [p[rows] for p in (found.champion, found.rivals[1].scores, found.challenger)]
    values, covariance = metrics.joint("roc_auc", found.sample.at(rows), scores, Estimation.of(SPEC))
    assert first.values == pytest.approx(values, rel=1e-8)
    assert first.matrix == pytest.approx(covariance, rel=1e-8)
    assert first.events == found.y[rows].sum()


def test_a_version_that_needs_columns_which_are_gone_is_left_out() -> None:
    needs = a_spec(judgement__rule="record", columns__numeric=["income", "debt", "gone"])
    found = on_record(compared(), a_line(known(1), known(7, spec=needs)), Scorer()).evidence  # type: ignore[arg-type]
    assert [rival.member.version for rival in found.rivals] == [1]


def test_under_another_rule_nothing_is_read() -> None:
    scorer, scored = Scorer(), compared(spec=a_spec())
    assert on_record(scored, a_line(known(1), known(7)), scorer) is scored  # type: ignore[arg-type]
    assert scorer.asked == []


def with_events(scored: ScoredComparison, *months: int) -> ScoredComparison:
    """The same with events in these months only, every third row."""
    time = scored.evidence.frame["issued_at"].dt.month.isin(months).to_numpy()
    y = (time & (np.arange(len(time)) % 3 == 0)).astype(float)
    return scored.model_copy(update={"evidence": scored.evidence.model_copy(update={"y": y})})


def test_a_cohort_with_too_few_events_is_left_out_and_with_too_few_in_most_the_rows_are_one() -> None:
    found = on_record(with_events(compared(), 1, 3), a_line(known(1)), Scorer()).evidence.cohorts  # type: ignore[arg-type]
    assert [c.start.month for c in found] == [1, 3]
    found = on_record(with_events(compared(n=36), 1, 2, 3), a_line(known(1)), Scorer()).evidence.cohorts  # type: ignore[arg-type]
    assert [(c.start, c.end) for c in found] == [(date(2024, 1, 1), date(2024, 4, 1))]


def test_results_that_push_a_version_out_stay_with_their_cohorts() -> None:
    earlier = on_record(compared(), a_line(known(1), known(7)), Scorer()).evidence.cohorts  # type: ignore[arg-type]
    line = Line((known(1), known(7)), frozenset({1}), earlier[:2])
    found = on_record(compared(), line, Scorer()).evidence.cohorts  # type: ignore[arg-type]
    assert [[m.version for m in c.members] for c in found] == [[1, 7, 9], [1, 7, 9], [1, 9]]


def test_the_challengers_own_training_counts_where_the_judged_rows_begin_later() -> None:
    scored = compared().model_copy(update={"trained_through": date(2023, 12, 1)})
    found = on_record(scored, a_line(known(1)), Scorer()).evidence.cohorts  # type: ignore[arg-type]
    assert {c.members[-1].trained_through for c in found} == {date(2023, 12, 1)}


def test_clusters_that_reach_over_cohorts_make_errors_larger() -> None:
    n = 300
    spec = a_spec(judgement__rule="record", columns__cluster="purpose")
    one = compared(n, spec)
    again = {
        name: np.tile(getattr(one.evidence, name)[:100], 3) for name in ("y", "challenger", "champion")
    } | {"clusters": np.tile(np.arange(100), 3), "frame": one.evidence.frame.assign(
        issued_at=np.repeat(pd.to_datetime(["2024-01-05", "2024-02-05", "2024-03-05"], utc=True), 100)
    )}  # fmt: skip
    panel = one.model_copy(update={"evidence": one.evidence.model_copy(update=again)})
    found = on_record(panel, a_line(known(1)), Scorer()).evidence  # type: ignore[arg-type]
    errors = [c.matrix[0, 0] + c.matrix[1, 1] - 2 * c.matrix[0, 1] for c in found.cohorts]
    how = Estimation.of(spec)
    whole = metrics.gain("roc_auc", found.sample, found.challenger, found.champion, how)  # type: ignore[arg-type]
    assert len(errors) == 3
    assert 1 / sum(1 / error for error in errors) == pytest.approx(whole.error**2, rel=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "count", "length"),
    [
        ("2024-01-01", "2024-01-10", 9, 1),
        ("2024-01-01", "2024-02-01", 4, 7),
        ("2024-01-01", "2024-04-01", 3, 31),
        ("2024-01-01", "2025-01-01", 4, 91),
        ("2024-01-01", "2028-01-01", 4, 366),
        ("2024-01-15", "2024-04-15", 13, 7),
        ("2024-01-01", "2024-01-03", 2, 1),
    ],
)
def test_a_holdout_has_three_cohorts_or_more(start: str, end: str, count: int, length: int) -> None:
    bounds = cohort_bounds(date.fromisoformat(start), date.fromisoformat(end))
    assert len(bounds) - 1 == count
    assert (bounds[1] - bounds[0]).days == length


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 1500))
def test_cohorts_lie_in_the_holdout_and_follow_one_another(start: date, days: int) -> None:
    end = start + relativedelta(days=days)
    bounds = cohort_bounds(start, end)
    assert start <= bounds[0] < bounds[-1] <= end
    assert bounds == sorted(set(bounds))
    assert len(bounds) > 3 or days < 4


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)))
def test_holdouts_of_three_months_that_begin_on_the_first_share_their_cohorts(day: date) -> None:
    start, step = day.replace(day=1), relativedelta(months=1)
    one, two = (list(pairwise(cohort_bounds(s, s + 3 * step))) for s in (start, start + step))
    assert one[1:] == two[:2]
