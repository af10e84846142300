"""Is a model good enough in itself, whoever reigns?"""

from __future__ import annotations

from titleholder.spec.criteria import METRICS
from titleholder.validation.checks import measured
from titleholder.validation.checks.base import NO_CHAMPION, NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.evidence import Evidence

NO_FLOOR = not_applicable("The spec sets no floor.")


def _beyond(name: str, value: float, floor: float) -> bool:
    return value < floor if METRICS[name].greater_is_better else value > floor


def _above_floors(evidence: Evidence) -> Finding:
    """Blocks when a metric of the challenger lies beyond its floor in `judgement.floors`: a plain line, no interval."""
    floors = evidence.spec.judgement.floors
    judged = {name: evidence.metrics[name] for name in floors if name in evidence.metrics}
    numbers = {**judged, **{f"{n}_floor": v for n, v in floors.items()}}
    if not floors:
        return NO_FLOOR
    if not judged:
        return Finding("fail", "No metric could be computed on the holdout.", numbers)
    told = ", ".join(f"{n} {v:.4f} (floor {floors[n]:g})" for n, v in judged.items())
    return found(any(_beyond(n, v, floors[n]) for n, v in judged.items()), f"On the holdout: {told}.", numbers)


def _champion_above_floors(evidence: Evidence) -> Finding:
    """Fails when the champion is *shown* to lie beyond a floor: its whole interval does."""
    floors, champion = evidence.spec.judgement.floors, evidence.champion
    if champion is None:
        return NO_CHAMPION
    if not floors:
        return NO_FLOOR
    if not evidence.measurable:
        return NOT_MEASURABLE
    values = {name: measured.interval(evidence, name, champion) for name in floors}
    numbers: dict[str, float] = {}
    for name, value in values.items():
        numbers |= {**value.numbers(name), f"{name}_floor": floors[name]}
    harm = any(
        _beyond(name, value.upper if METRICS[name].greater_is_better else value.lower, floors[name])
        for name, value in values.items()
    )
    told = ", ".join(f"{name} {value.text()} (floor {floors[name]:g})" for name, value in values.items())
    return found(harm, f"The champion on the holdout: {told}.", numbers)


above_floors = Check("TH201", "Above its floors", _above_floors, role="floor")
champion_above_floors = Check(
    "TH205", "Champion above its floors", _champion_above_floors, "champion_floors", subject="champion", role="floor"
)
