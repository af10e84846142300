"""Is a model good enough in itself, whoever reigns?"""

from __future__ import annotations

from titleholder import metrics
from titleholder.checks.base import Check, Evidence, Finding, found, not_applicable
from titleholder.judgement import METRICS


def _beyond(name: str, value: float, floor: float) -> bool:
    return value < floor if METRICS[name].greater_is_better else value > floor


def _above_floors(evidence: Evidence) -> Finding:
    """Blocks when a metric of the challenger lies beyond its floor in `judgement.floors`: a plain line, no interval."""
    floors = evidence.spec.judgement.floors
    judged = {name: evidence.metrics[name] for name in floors if name in evidence.metrics}
    numbers = {**judged, **{f"{n}_floor": v for n, v in floors.items()}}
    if not floors:
        return not_applicable("The spec sets no floor.")
    if not judged:
        return Finding("fail", "No metric could be computed on the holdout.", numbers)
    said = ", ".join(f"{n} {v:.4f} (floor {floors[n]:g})" for n, v in judged.items())
    return found(any(_beyond(n, v, floors[n]) for n, v in judged.items()), f"On the holdout: {said}.", numbers)


def _champion_above_floors(evidence: Evidence) -> Finding:
    """Fails when the champion is *shown* to lie beyond a floor: its whole interval does."""
    judgement, champion = evidence.spec.judgement, evidence.champion
    if champion is None:
        return not_applicable("Nobody reigns yet.")
    if not judgement.floors or not evidence.measurable:
        return not_applicable("The spec sets no floor." if not judgement.floors else "Nothing can be measured.")
    numbers: dict[str, float] = {}
    said, harm = [], False
    for name, floor in judgement.floors.items():
        value, lower, upper = metrics.interval(
            name,
            evidence.y,
            champion,
            confidence=judgement.confidence,
            resamples=judgement.resamples,
            seed=evidence.spec.training.seed,
            judgement=judgement,
            weights=evidence.weights,
            clusters=evidence.clusters,
        )
        numbers |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper, f"{name}_floor": floor}
        harm |= _beyond(name, upper if METRICS[name].greater_is_better else lower, floor)
        said.append(f"{name} {value:.4f} [{lower:.4f}, {upper:.4f}] (floor {floor:g})")
    return found(harm, f"The champion on the holdout: {', '.join(said)}.", numbers)


above_floors = Check("TH201", "Above its floors", _above_floors)
champion_above_floors = Check("TH205", "Champion above its floors", _champion_above_floors, "champion_floors")
