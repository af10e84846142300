"""A lane's decisions under other thresholds, re-decided in as-of order by the ledger's own fold step.

Nothing is trained: a challenger is the version that it was, and both models' scores are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from datetime import date
from itertools import product
from typing import Any, Literal

from pydantic import ValidationError

from titleholder.errors import ColumnsError, UsageError
from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.settings import code_version
from titleholder.spec.criteria import Judgement
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import BACKTEST
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.judging import measure
from titleholder.validation.verdict import Measurements, Reign, Verdict
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.promotion import rejudgement
from titleholder.workflow.rivals import line_before, on_record
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, ScoredComparison, compare, judged_from
from titleholder.workflow.sealed_scores import from_scoring_runs
from titleholder.workflow.trained_versions import TrainedVersion

CONFIDENCES = (0.8, 0.9, 0.95, 0.99)
TOLERANCES = (0.0, 0.5, 2.0)
"""Times the spec's own tolerated loss."""
RULES: tuple[Literal["record", "fresh", "sequential"], ...] = ("record", "fresh", "sequential")


def grid(
    spec: ModelSpec,
    tolerated_losses: Sequence[float] = (),
    minimum_gains: Sequence[float] = (),
    confidences: Sequence[float] = (),
) -> list[Setting]:
    """The spec's own values together with those given, and the other rules with the spec's own values.

    Where none are given: with some around the own confidence and, unless the rule is `sequential`, the own tolerated
    loss.

    Raises:
        UsageError: for a value that no spec could have.
    """
    own = spec.judgement
    around = [own.tolerance * times for times in TOLERANCES if own.tolerance * times < 1]
    around = around if own.rule != "sequential" else []
    losses = sorted({own.tolerance, *(tolerated_losses or around)})
    gains = sorted({own.minimum_gain, *minimum_gains})
    levels = sorted({own.confidence, *(confidences or CONFIDENCES)})
    settings = [
        Setting(rule=own.rule, tolerated_loss=loss, minimum_gain=gain, confidence=level, horizon=own.horizon)
        for loss, gain, level in product(losses, gains, levels)
    ]
    settings += [Setting.of(own.model_copy(update={"rule": rule})) for rule in RULES if rule != own.rule]
    for setting in settings:
        try:
            Judgement.model_validate(own.model_dump() | setting.model_dump())
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"{first['loc'][0]}: {first['input']} is invalid: {first['msg']}") from None
    return settings


def replay(
    decided: Sequence[Decision],
    settings: Sequence[Setting],
    scorer: Scorer,
    on_period: Callable[[int, int], None] = lambda *_: None,
) -> dict[Setting, list[Decision]]:
    """The lane's decisions as they would have been under each setting, period by period for all of them at once.

    Each replay starts without a champion and carries its own reign and looks. It has one challenger an as-of date, the
    last; it has no rollbacks, and people are not asked: a plausible winner takes over. A period that cannot be judged,
    for its rows lack what the champion of that replay needs, has no decision in it.
    """
    last = {row.as_of: row for row in decided if row.challenger_version is not None}
    replays: dict[Setting, list[Decision]] = {setting: [] for setting in settings}
    for n, row in enumerate(last.values(), start=1):
        period = _Challenger(row, scorer)
        for setting, rows in replays.items():
            with suppress(ColumnsError):  # such a run fails, and its champion stays
                rows.append(period.redecide(setting, rows))
        on_period(n, len(last))
    return replays


class _Challenger:
    """One period's challenger, judged under many settings; what a setting cannot change is computed once."""

    def __init__(self, row: Decision, scorer: Scorer) -> None:
        self._row, self._scorer = row, scorer
        self._comparison = Comparison.behind(row)
        self._scored: dict[int | None, ScoredComparison] = {}
        self._measured: dict[tuple[float, int | None], Measurements] = {}
        self._memos: dict[date, dict[Hashable, Any]] = {}
        self._verdicts: dict[tuple[float, int | None], Verdict] = {}

    def redecide(self, setting: Setting, rows: Sequence[Decision]) -> Decision:
        """The period's decision under a setting, after these rows of the replay."""
        judgement = self._comparison.spec.judgement.model_copy(update=setting.model_dump())
        spec = self._comparison.spec.model_copy(update={"judgement": judgement})
        verdict = self._judge(spec, reigns.reign_before(rows, BACKTEST, self._row.as_of), rows)
        return self._row.model_copy(update=rejudgement(self._row, spec, verdict, rows, BACKTEST))

    def _judge(self, spec: ModelSpec, reign: Reign | None, rows: Sequence[Decision]) -> Verdict:
        champion = reign.version if reign else None
        if champion not in self._scored:
            crowned = reigns.decision_on(rows, champion)
            trained = None
            if crowned and champion is not None:
                trained = TrainedVersion(champion, crowned.nominee, restored_spec(crowned.id, crowned.spec))
            self._scored[champion] = self._compare(reign, trained)
        line = line_before(rows, BACKTEST, self._row.as_of, reign, self._comparison.spans.holdout_start, "")
        scored = on_record(self._scored[champion].under(spec, reign), line, self._scorer)
        scored = from_scoring_runs(scored, line, self._scorer)
        key = (spec.judgement.confidence, champion)
        if key not in self._measured:
            self._measured[key] = measure(scored.evidence)
        verdict = scored.judge(self._measured[key], self._known(key, reign), decisive=True)
        self._verdicts.setdefault(key, verdict)
        return verdict

    def _compare(self, reign: Reign | None, champion: TrainedVersion | None) -> ScoredComparison:
        """The challenger with this champion; what was computed for the same rows with another one is kept."""
        known = self._of_rows(reign)
        scored = compare(self._comparison, reign, champion, self._scorer, reload=not known)
        memo = self._memos.setdefault(scored.holdout[0], scored.evidence.memo)
        return scored.model_copy(update={"evidence": scored.evidence.model_copy(update={"memo": memo})})

    def _known(self, key: tuple[float, int | None], reign: Reign | None) -> tuple[Result, ...]:
        """Results of checks that hold under this setting as well, each taken from the nearest verdict."""
        if key in self._verdicts:
            return checks.unaffected_by("reign", self._verdicts[key].checks)
        rows = judged_from(self._comparison, reign)[0]
        alike = (v for (level, _), v in self._verdicts.items() if level == key[0] and v.holdout_start == rows)
        nearest = next(alike, None)
        by_confidence = checks.unaffected_by("champion", nearest.checks) if nearest else ()
        return (*self._of_rows(reign), *by_confidence)

    def _of_rows(self, reign: Reign | None) -> tuple[Result, ...]:
        """Results that depend on the rows only, from any verdict on the same ones; empty before there is one."""
        rows = judged_from(self._comparison, reign)[0]
        verdicts = [v for v in self._verdicts.values() if v.holdout_start == rows]
        verdicts += [self._row.judged] if self._same_rows(reign) else []
        return checks.unaffected_by("confidence", verdicts[0].checks) if verdicts else ()

    def _same_rows(self, reign: Reign | None) -> bool:
        """Whether the ledger's verdict, by the same code, looked at the same rows as one against this champion."""
        if self._row.code_version != code_version():
            return False
        decided = self._row.judged
        rows = (judged_from(self._comparison, reign)[0], self._comparison.spans.matured)
        return (decided.holdout_start, decided.holdout_end) == rows
