"""What if the rules had been others? A lane's decisions ruled anew in as-of order, by the ledger's own fold step.

Nothing is trained: a challenger is the version that it was, its scores and the champion's are predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product

from pydantic import ValidationError

from titleholder.errors import ColumnsError, UsageError
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry
from titleholder.spec.criteria import Judgement
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import BACKTEST
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.verdict import Reign, Verdict, conclude, measure
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.promotion import judged_anew
from titleholder.workflow.scoring import Case, Contest, Scorer, prepare

STEP, LARGER = 0.005, 0.01
CONFIDENCES = (0.8, 0.9, 0.95, 0.99)


def grid(spec: ModelSpec, minimum_gains: Sequence[float], confidences: Sequence[float]) -> list[Setting]:
    """The spec's own values together with those given; where none are, with some around them.

    Raises:
        UsageError: for a value that no spec could have.
    """
    own = spec.judgement
    gains = minimum_gains or (own.minimum_gain - STEP, own.minimum_gain + STEP, LARGER)
    levels = confidences or CONFIDENCES
    settings = [
        Setting(minimum_gain=gain, confidence=level)
        for gain, level in product(sorted({own.minimum_gain, *gains}), sorted({own.confidence, *levels}))
    ]
    for setting in settings:
        try:
            Judgement.model_validate(own.model_dump() | setting.model_dump())
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"{first['loc'][0]}: {first['input']} makes no sense: {first['msg']}") from None
    return settings


def replay(
    taken: Sequence[Decision],
    settings: Sequence[Setting],
    registry: Registry,
    scorer: Scorer,
    on_month: Callable[[int, int], None] = lambda *_: None,
) -> dict[Setting, list[Decision]]:
    """The lane's decisions as they would have been under each setting, month by month for all of them at once.

    Each line starts with nobody and carries its own reign and looks. One challenger an as-of date, the last; a line has
    no rollbacks, and people are not asked: a winner takes over. A line in which a month cannot be judged, for its rows
    lack what the champion needs, has no decision of it.
    """
    last = {row.as_of: row for row in taken if row.challenger_version is not None}
    lines: dict[Setting, list[Decision]] = {setting: [] for setting in settings}
    for n, row in enumerate(last.values(), start=1):
        judge = _Judge(row.judged, registry, scorer)
        for setting, line in lines.items():
            contest = _under(Contest.again(row), setting)
            with suppress(ColumnsError):  # such a run fails, and its champion stays
                line.append(row.model_copy(update=judged_anew(row, contest, line, BACKTEST, judge)))
        on_month(n, len(last))
    return lines


def _under(contest: Contest, setting: Setting) -> Contest:
    judgement = contest.spec.judgement.model_copy(update=setting.model_dump())
    return contest.model_copy(update={"spec": contest.spec.model_copy(update={"judgement": judgement})})


class _Judge:
    """Judges one challenger under many settings; what cannot differ is measured and checked once.

    What depends on the judged rows and the challenger alone is taken from the ledger's verdict.
    """

    def __init__(self, decided: Verdict, registry: Registry, scorer: Scorer) -> None:
        self._decided, self._registry, self._scorer = decided, registry, scorer
        self._cases: dict[int | None, Case] = {}
        self._verdicts: dict[tuple[float, int | None], Verdict] = {}

    def __call__(self, contest: Contest, reign: Reign | None, rows: Sequence[Decision]) -> Verdict:
        champion, confidence = reign.version if reign else None, contest.spec.judgement.confidence
        if champion not in self._cases:
            self._cases[champion] = prepare(contest, reign, rows, self._registry, scorer=self._scorer)
        case = self._cases[champion].under(contest.spec, reign)
        same = self._verdicts.get((confidence, champion))
        verdict = conclude(
            case.evidence,
            same or measure(case.evidence),
            as_of=case.as_of,
            reign=case.reign,
            holdout=case.holdout,
            note=case.note,
            results=checks.unaffected_by("reign", same.checks) if same else self._results(case, confidence),
        )
        self._verdicts.setdefault((confidence, champion), verdict)
        return verdict

    def _results(self, case: Case, confidence: float) -> tuple[Result, ...]:
        """The results that hold against any champion, as long as the same rows are judged."""
        alike = [v for (level, _), v in self._verdicts.items() if level == confidence and _same_rows(case, v)]
        by_rows = checks.unaffected_by("confidence", self._decided.checks) if _same_rows(case, self._decided) else ()
        return (*by_rows, *(checks.unaffected_by("champion", alike[0].checks) if alike else ()))


def _same_rows(case: Case, verdict: Verdict) -> bool:
    return (verdict.holdout_start, verdict.holdout_end) == case.holdout
