"""Limits of a spec that no model can keep, or that every model keeps."""

from __future__ import annotations

from collections.abc import Iterator

from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS, Task


def out_of_reach(judgement: Judgement, task: Task) -> Iterator[str]:
    """A sentence, behind its key, for each limit that lies outside of what its metric can be."""
    yield from _floors(judgement)
    yield from _ceilings(judgement)
    gain, info = judgement.minimum_gain, METRICS.get(judgement.metric)
    if info and abs(gain) >= info.highest - info.lowest:
        yield f"judgement.minimum_gain: {gain:g} is not a possible gain in {judgement.metric}, which is {info.span}"
    score = judgement.cut_off.score if judgement.cut_off else None
    if score is not None and task == "classification" and not 0.0 < score < 1.0:
        yield f"judgement.cut_off.score: {score:g} is not a probability between 0 and 1"


def _floors(judgement: Judgement) -> Iterator[str]:
    too_good = judgement.checks.too_good
    ceilings = too_good.ceilings if too_good.severity == "block" else {}
    for name, floor in judgement.floors.items():
        if (info := METRICS.get(name)) is None:
            continue  # reported as an unknown metric
        ceiling = ceilings.get(name, floor)
        if not info.lowest <= floor <= info.highest:
            yield f"judgement.floors.{name}: {floor:g} is not a possible value of {name}, which is {info.span}"
        elif floor > ceiling if info.greater_is_better else floor < ceiling:
            yield (
                f"judgement.floors.{name}: {floor:g} lies beyond {ceiling:g}, the ceiling of "
                "judgement.checks.too_good: no model can win"
            )


def _ceilings(judgement: Judgement) -> Iterator[str]:
    for name, ceiling in judgement.checks.too_good.ceilings.items():
        key, info = f"judgement.checks.too_good.ceilings.{name}", METRICS[name]
        if not info.lowest <= ceiling <= info.highest:
            yield f"{key}: {ceiling:g} is not a possible value of {name}, which is {info.span}"
        elif info.chance is not None and ceiling <= info.chance:
            yield f"{key}: {ceiling:g} is not above {info.chance:g}, which a model without any skill has"
