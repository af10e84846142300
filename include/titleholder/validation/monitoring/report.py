"""What one look at a champion in use found. It imports nothing scientific: pages read it.

All numbers are finite; a bound that is not known is None. Metrics are as the metric is (a smaller Brier score is
better); what is missing of a promise, and gains, are oriented so that a larger gain is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from titleholder.formatting import counted, exact

State = Literal["quiet", "alarm", "waiting"]
"""Nothing stands; an alarm stands; too little was scored, or is known, to say either. A look without outcomes that
could not be read is never quiet."""
ASSUMPTION = "It assumes that the relation of features and outcome has not changed."
"""Belongs beside every estimate of performance without outcomes."""

LONGEST = 100
"""Characters of a category that are shown: a text of any length may stand in a column."""


class ReportPart(BaseModel):
    """What all parts are: frozen."""

    model_config = ConfigDict(frozen=True)


class Span(ReportPart):
    """An estimate with a two-sided interval; a bound is None where the data do not give one.

    >>> Span(estimate=0.12, lower=0.08, upper=None).upper is None
    True
    """

    estimate: float
    lower: float | None = None
    upper: float | None = None


class BinNames(ReportPart):
    """Numbers by edges, or texts by name; the last bin has missing values, of texts the one before it unknown ones.

    >>> BinNames(edges=(1.0, 2.0), numeric=True).labels
    ('up to 1', 'above 1 to 2', 'above 2', 'missing')
    >>> BinNames(names=("own", "rent"), numeric=False).labels
    ('own', 'rent', 'unknown', 'missing')
    """

    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    numeric: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The bins' names, in order."""
        if not self.numeric:
            return (*self.names, "unknown", "missing")
        edges = (-math.inf, *self.edges, math.inf)
        return (*(_span(*edges[n : n + 3]) for n in range(len(edges) - 1)), "missing")


def _span(low: float, high: float, following: float = math.inf) -> str:
    """The name of the numbers above `low` up to `high`; an edge just below the one that follows is that one's.

    >>> _span(-math.inf, math.nextafter(60, 0), 60), _span(math.nextafter(60, 0), 60, 75), _span(75, math.inf)
    ('below 60', '60', 'above 75')
    """
    if low == math.nextafter(high, -math.inf):
        return exact(high)
    begin = f"above {exact(low)}" if low > -math.inf else ""
    if high == math.inf:
        return begin or "any number"
    if high == math.nextafter(following, -math.inf):
        return f"{begin} below {exact(following)}".strip()
    return f"{begin} to {exact(high)}" if begin else f"up to {exact(high)}"


class Volume(ReportPart):
    """How many rows the scoring runs of a look had, and how many were to be expected.

    The range is that of earlier scoring runs of equal length; None before there are enough of them. Rows outside it are
    a remark, never an alarm: volumes have seasons, and the budget says nothing about them.
    """

    rows: int
    runs: int
    start: date
    """Rows with event times in [start, end) are counted, each once."""
    end: date
    lower: int | None = None
    upper: int | None = None

    @property
    def expected(self) -> bool:
        """Whether the rows are within the range, or none is known."""
        return self.lower is None or self.upper is None or self.lower <= self.rows <= self.upper


class Unseen(ReportPart):
    """A category that no training row had, and how many of the look's rows have it."""

    name: str
    rows: int


class FeatureLook(ReportPart):
    """One feature, or the score, of a look against the reference, and the evidence of all looks of the reign.

    `counts` are of this look, `reference` of the reference rows, both by bin of `bins.labels`. `cells` are the counts
    of this look's ranks; `seen` are reference and all rows that were ranked so far, by bin. `log_evidence` is the
    logarithm of the e-process after this look; `log_e` that of the e-value that holds at any time (see
    `evidence.at_any_time`), which never falls. `drifted` is whether e-BH takes the feature for changed, the evidence
    still stands, and the change is large enough; an alarm asks for that in several looks in a row (`in_a_row`).
    """

    name: str
    kind: Literal["numeric", "categorical", "score"]
    bins: BinNames
    reference: tuple[int, ...]
    counts: tuple[int, ...]
    cells: tuple[int, ...]
    seen: tuple[int, ...]
    psi: Span
    missing: float
    """The share of rows without a value."""
    reference_missing: float
    unseen: tuple[Unseen, ...] = ()
    """New categories, the most frequent first, at most ten."""
    unseen_rows: int = 0
    """Rows with any new category."""
    log_evidence: float
    log_e: float
    drifted: bool
    in_a_row: int


class Drift(ReportPart):
    """Every feature and the score, and what became of the budget.

    `level` is the smallest budget with which e-BH would take any of them for changed so far: at most `budget` it is
    evidence, and the nearer to 1 the quieter.
    """

    budget: float
    level: float
    looks: int
    """Looks of the reign with enough rows so far, this one included."""
    reference_rows: int
    reference_start: date
    reference_end: date
    features: tuple[FeatureLook, ...]
    """The score is the last one."""

    @property
    def score(self) -> FeatureLook:
        """The score's."""
        return self.features[-1]


class Estimate(ReportPart):
    """The metric that the scores of this look lead to expect, without outcomes; see `ASSUMPTION`."""

    metric: str
    value: Span
    rows: int


class RealisedCohort(ReportPart):
    """Events of [start, end), all of which are matured, as they were scored in use, and what came true.

    `realised` is the metric of the scores that were written then; `estimated` what the same rows' scores led to expect,
    None where the metric cannot be estimated. `gain` is that of the champion over its predecessor on the same rows.
    """

    start: date
    end: date
    rows: int
    events: int
    scored: int
    """Rows of the cohort that were scored, with an outcome or without."""
    realised: Span
    estimated: Span | None = None
    gain: Span | None = None


class Promise(ReportPart):
    """The metric that the champion was promoted with, and what is missing of it, by always-valid evidence.

    `promised` is on the rows of the decision's holdout. `missing` is the mean shortfall of the cohorts with the
    strongest evidence, `least` what is missing at least; None before the first matured cohort. `broken` says that more
    than `tolerated` is missing, with the budget for saying so wrongly.
    """

    metric: str
    decision: int
    promised: Span
    budget: float
    tolerated: float
    cohorts: int = 0
    missing: float | None = None
    least: float | None = None
    broken: bool = False


class Review(ReportPart):
    """Did the gain over the predecessor come true that the deciding run had measured?

    `realised` is the mean over the matured cohorts of the reign, on rows that both versions score. `answer`: `yes`
    where the realised interval lies above zero, `no` where it lies below the promised gain, `open` otherwise.
    """

    decision: int
    predecessor: int
    promised: Span
    realised: Span | None = None
    cohorts: int = 0
    answer: Literal["yes", "no", "open"]
    sentence: str


class Unavailable(ReportPart):
    """Outcomes that are final, and could not be read: the part of a look that needs them is as the look before left it.

    `reason` is one sentence, with every violation of the data contract.
    """

    since: date
    """The as-of date of the first look that lacked them; looks without a gap between have the same one."""
    months: int
    """Calendar months whose outcomes are final and in no cohort."""
    new: bool
    """Whether the look before lacked none, or fewer months."""
    reason: str

    @property
    def sentence(self) -> str:
        """What it is, since when and why."""
        months = counted(self.months, "month")
        return (
            f"Outcomes are not available since the look of {self.since} ({months} to be judged; a later look does it): "
            f"{self.reason.removesuffix('.')}."
        )


class Alarm(ReportPart):
    """An alarm that stands: of a feature by its name, of the `score`, or of the `performance`."""

    name: str
    kind: Literal["feature", "score", "performance"]
    since: date
    """The as-of date of the look in which it was raised."""
    new: bool
    """Whether that is this look."""
    sentence: str


class FormerReign(ReportPart):
    """What came true of the scores of a former champion, as far as outcomes are final. It is never an alarm.

    `decision` made it champion; it scored events before `scored`.
    """

    decision: int
    version: int
    scored: date
    judged: date | None = None
    """The end of the last month whose outcomes a later reign's look read; `scored` where nothing is left to be read."""
    cohorts: tuple[RealisedCohort, ...] = ()
    """Those of its own looks included."""
    promise: Promise | None = None
    review: Review | None = None
    unread: str = ""
    """Why outcomes that are final could not be read, of `unread_months`."""
    unread_months: int = 0
    remark: str = ""
    """Why outcomes are not known though they could be read, such as that the data ended."""

    @property
    def realised(self) -> float | None:
        """The mean of what came true by the cohorts' rows; None before the first cohort."""
        return _mean([(one.realised.estimate, one.rows) for one in self.cohorts])

    @property
    def estimated(self) -> float | None:
        """The mean of what the scores led to expect by the cohorts' rows; None where it is not known."""
        return _mean([(one.estimated.estimate, one.rows) for one in self.cohorts if one.estimated])


def _mean(values: Sequence[tuple[float, int]]) -> float | None:
    """The mean of numbers by their rows."""
    rows = sum(n for _, n in values)
    return sum(value * n for value, n in values) / rows if rows else None


class MonitorReport(ReportPart):
    """What one look found: the state first, the reason second, then the numbers."""

    state: State
    reason: str
    alarms: tuple[Alarm, ...] = ()
    remarks: tuple[str, ...] = ()
    """What people should know that is no alarm, such as an unusual number of rows."""
    volume: Volume | None = None
    """None where no new rows were scored since the look before."""
    waiting_rows: int = 0
    """Rows that wait for later ones, because they are too few for a look by themselves."""
    drift: Drift | None = None
    """None before the first look with enough rows; of a look without enough new rows, as the look before left it."""
    estimate: Estimate | None = None
    cohorts: tuple[RealisedCohort, ...] = ()
    """Every matured cohort of the reign so far, in order of time."""
    promise: Promise | None = None
    review: Review | None = None
    former: tuple[FormerReign, ...] = ()
    """Former reigns of the lane some of whose outcomes were not final when this one began to score."""
    unavailable: Unavailable | None = None
    """None where the outcomes that are final could be read, or there are none yet."""
