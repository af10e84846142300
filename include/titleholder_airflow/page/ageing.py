"""What age costs a model, as its newest backtest found it: read from MLflow once, verified by the ledger, and drawn.

The file is small and never changes, because it is known by its SHA-256: it is kept in memory. What cannot be read is
asked for again after a while, so that no page waits for a service that is down more than once in that time.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from datetime import date
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from titleholder.formatting import age_range
from titleholder.formatting import scale as largest
from titleholder.ledger.reports import Report
from titleholder.spec.cadence import Cadence, cadence
from titleholder_airflow.page import mlflow
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH, Tick, scale, vertical
from titleholder_airflow.page.health import HealthSign

LOG = logging.getLogger(__name__)
HEIGHT, TOP, BOTTOM = 240.0, 14.0, 48.0
KEPT = 256
"""Advices in memory."""
TIMEOUT = 2.0
"""Seconds that MLflow may take before the page is shown without the curve."""
DAYS_OF_A_MONTH = 365.25 / 12
UNITS = {"day": 1 / DAYS_OF_A_MONTH, "week": 7 / DAYS_OF_A_MONTH}
"""Months of the unit in which the age of a daily or weekly model is given; other models have months."""

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class Part(BaseModel):
    """What is read of the file: only what is shown, within bounds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Loss(Part):
    """A loss in the metric's unit with its interval."""

    estimate: Number
    lower: Number
    upper: Number


class AgePoint(Loss):
    """The loss of versions that are older than the newest by more than `above`, up to `through` months."""

    above: Number
    through: Number


class AgeCost(Part):
    """The loss with each month of age, and the curve."""

    month: Loss
    curve: Annotated[tuple[AgePoint, ...], Field(max_length=50)]
    cohorts: Count
    versions: Count


class FrequencyWorth(Part):
    """What retraining so often is worth over the least frequent retraining that can be compared."""

    name: Annotated[str, Field(max_length=40)]
    loss: Loss
    gain: Loss


class Ageing(Part):
    """What is known of the cost of age."""

    source: Literal["outcomes", "record"]
    metric: AgeCost | None
    more: Count
    tolerated: Number
    worth: Annotated[tuple[FrequencyWorth, ...], Field(max_length=20)]


class AgeAdvice(Part):
    """How often to retrain, as `titleholder advise` says it; see `titleholder.workflow.advise.Advice`."""

    lane: Annotated[str, Field(max_length=100)]
    schedule: Annotated[str, Field(max_length=100)] | None
    metric: Annotated[str, Field(max_length=40)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    labels_as_of: date
    sentence: Annotated[str, Field(max_length=2000)]
    retrain: Annotated[str, Field(max_length=40)] | None
    earliest: date | None
    ageing: Ageing

    @property
    def cadence(self) -> Cadence:
        """What the lane's periods are called. A schedule that is none has uneven ones."""
        return cadence(self.schedule)


class CurvePoint(NamedTuple):
    """A point of the curve with its interval, and the ages that it is about, in the curve's unit."""

    x: float
    y: float
    lower: float
    upper: float
    ages: str
    loss: AgePoint


class Curve(NamedTuple):
    """The loss by age: its points, the heights of no loss and of the tolerated one, its axes, and the unit of ages."""

    points: list[CurvePoint]
    line: str
    zero: float
    tolerated: float | None
    ages: list[Tick]
    values: list[Tick]
    unit: str
    like: float


class Age(NamedTuple):
    """What the page shows: how it stands, the advice (None where there is none), and its curve (None: too little)."""

    state: HealthSign
    advice: AgeAdvice | None
    curve: Curve | None


_kept: OrderedDict[tuple[str, frozenset[str]], AgeAdvice] = OrderedDict()
_failed: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


def age(model: str, lane: str, known: Report | None) -> Age:
    """What the newest backtest of a lane says about age; `known` is its advice as the ledger has it."""
    if known is None:
        command = f"`titleholder backtest {model}{'' if lane == 'backtest' else f' --lane {lane}'}`"
        sentence = f"Backfill the model, then {command} says what age costs it, and this page has the curve."
        return Age(HealthSign("none", "not known yet", sentence), None, None)
    found = read(known)
    if isinstance(found, str):
        return Age(HealthSign("warn", "cannot be shown", found), None, None)
    return Age(state(found), found, curve(found))


def read(known: Report) -> AgeAdvice | str:
    """The advice, or why it cannot be shown."""
    key = (known.run_id, known.sha256)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
        since, why = _failed.get(known.run_id, (-mlflow.KEPT, ""))
    if time.monotonic() - since < mlflow.KEPT:
        return why
    found = _read(known)
    with _lock:
        if isinstance(found, str):
            _failed[known.run_id] = (time.monotonic(), found)
        else:
            _failed.pop(known.run_id, None)
            _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        while len(_failed) > KEPT:
            del _failed[next(iter(_failed))]
    return found


def _read(known: Report) -> AgeAdvice | str:
    try:
        content = mlflow.artifact(known.run_id, known.file, TIMEOUT)
    except mlflow.UnavailableError as error:
        return f"{error}. Everything else on this page comes from the ledger."
    if hashlib.sha256(content).hexdigest() not in known.sha256:
        LOG.error("%s of MLflow run %s is not what was written", known.file, known.run_id)
        return "The file in MLflow is not what was written: its SHA-256 is not in the ledger."
    try:
        return AgeAdvice.model_validate_json(content)
    except (ValidationError, RecursionError):
        return "The newest backtest is of another version of Titleholder: run it again."


def state(found: AgeAdvice) -> HealthSign:
    """The advice in a word and why; its figures are in the sentence."""
    cost, worth = found.ageing.metric, found.ageing.worth
    if cost is None:
        when = f" Their outcomes are final on {found.earliest}." if found.earliest else ""
        more = f"{found.cadence.many(found.ageing.more)} more with final outcomes" if found.ageing.more else (
            "versions of different ages on the same rows"
        )  # fmt: skip
        return HealthSign("none", "not known yet", f"It takes {more}.{when}")
    if cost.month.upper < 0:
        return HealthSign("warn", "newer is worse", "Newer versions did worse: find out why before retraining more.")
    if found.retrain is None or not worth:
        return HealthSign("none", "no advice", "The ages compared tell of no other frequency of retraining.")
    why = "A cost of age is shown" if cost.month.lower > 0 else "No cost of age is shown"
    if found.retrain == worth[-1].name:
        after = "retraining as seldom as this loses no more than is tolerated"
    else:
        after = "less often could lose more than is tolerated"
    joint = ", and" if (cost.month.lower > 0) == (found.retrain != worth[-1].name) else ", yet"
    return HealthSign("good", f"retrain {found.retrain}", f"{why}{joint} {after}.")


def curve(found: AgeAdvice) -> Curve | None:
    """The mean loss by how much older a version is than the newest one on the same rows; None where none is known."""
    cost, tolerated = found.ageing.metric, found.ageing.tolerated
    if cost is None or not cost.curve:
        return None
    noun = found.cadence.noun if found.cadence.noun in UNITS else "month"
    unit, steps = UNITS.get(noun, 1.0), sorted(cost.curve, key=lambda point: point.above)
    known = [value for p in steps for value in (p.estimate, p.lower, p.upper)]
    with_tolerated = tolerated <= 2 * max(map(abs, known))
    y, values = vertical([0.0, *known, *([tolerated] if with_tolerated else [])], TOP, HEIGHT - BOTTOM)
    x = scale(0.0, steps[-1].through, LEFT, WIDTH - RIGHT)
    edges = [0.0, *(p.through for p in steps)]
    points = [
        CurvePoint(
            x((p.above + p.through) / 2), y(p.estimate), y(p.lower), y(p.upper),
            age_range(p.above / unit, p.through / unit, noun), p,
        )
        for p in steps
    ]  # fmt: skip
    return Curve(
        points,
        " ".join(f"{one.x:.1f},{one.y:.1f}" for one in points),
        y(0.0),
        y(tolerated) if with_tolerated else None,
        [Tick(x(edge), f"{edge / unit:.1f}") for edge in edges],
        values,
        noun,
        largest(known),
    )
