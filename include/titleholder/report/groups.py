"""The gain within calendar months and segments; where nobody reigns, the challenger's own metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from titleholder import metrics
from titleholder.checks.base import Evidence, events, measurable
from titleholder.checks.groups import Group, groups
from titleholder.metrics import Interval
from titleholder.report.drawing import CHALLENGER, FAINT, INK, Picture, picture, whiskers
from titleholder.report.formats import confidence, metric, short
from titleholder.report.rates import Rows

MOST = 20
"""At most so many groups of a column are shown, those with the most events; of months the newest."""
RESAMPLES = 200
"""At most so many resamples a group: these intervals illustrate, the checks decide."""


class Effect(NamedTuple):
    """A group's gain, or the challenger's metric in it; None where it has too few events."""

    name: str
    rows: int
    events: int
    found: Interval | None


class Split(NamedTuple):
    """All judged rows and the groups of one column. `left_out` groups are not shown."""

    title: str
    whole: Effect
    effects: tuple[Effect, ...]
    left_out: int
    picture: Picture | None


def splits(evidence: Evidence) -> list[Split]:
    """By calendar month of the event, then by each segment and protected column; none where nothing is measurable."""
    if not evidence.measurable:
        return []
    columns, whole = evidence.spec.columns, _effect(evidence, "all judged rows", np.arange(len(evidence.y)))
    months = groups(evidence.frame[[columns.event_time]].apply(lambda times: times.dt.strftime("%Y-%m")), [columns.event_time])
    found = [_split(evidence, "Calendar month", whole, months[-MOST:], len(months))]
    for column in dict.fromkeys([*columns.segments, *columns.protected]):
        every = groups(evidence.frame, [column])
        largest = sorted(every, key=lambda g: (-events(evidence.spec, evidence.y[g.rows]), -len(g.rows)))[:MOST]
        shown = [g for g in every if any(g is one for one in largest)]
        title = f"{column} (protected)" if column in columns.protected else column
        found.append(_split(evidence, title, whole, shown, len(every)))
    return found


def _split(evidence: Evidence, title: str, whole: Effect, shown: Sequence[Group], of: int) -> Split:
    effects = tuple(_effect(evidence, group.value, group.rows) for group in shown)
    drawn = [e for e in effects if e.found is not None]
    return Split(title, whole, effects, of - len(shown), _forest(evidence, title, [whole, *drawn]) if drawn else None)


def _effect(evidence: Evidence, name: str, rows: Rows) -> Effect:
    y = evidence.y[rows]
    return Effect(name, len(y), events(evidence.spec, y), _measured(evidence, rows))


def _measured(evidence: Evidence, rows: Rows) -> Interval | None:
    """The gain on these rows, or the challenger's metric; None with fewer than two events, or an endless interval."""
    spec, y = evidence.spec, evidence.y[rows]
    if not measurable(spec, y) or events(spec, y) < 2:
        return None
    judgement, challenger = spec.judgement, evidence.challenger[rows]
    how: dict[str, Any] = {
        "confidence": judgement.confidence,
        "resamples": min(judgement.resamples, RESAMPLES),
        "seed": spec.training.seed,
        "judgement": judgement,
        "weights": None if evidence.weights is None else evidence.weights[rows],
        "clusters": None if evidence.clusters is None else evidence.clusters[rows],
    }
    if evidence.champion is None:
        found = metrics.interval(judgement.metric, y, challenger, **how)
    else:
        found = Interval(*metrics.gain(judgement.metric, y, challenger, evidence.champion[rows], **how)[:3])
    return found if all(map(math.isfinite, found)) else None


def _forest(evidence: Evidence, title: str, effects: Sequence[Effect]) -> Picture:
    at = np.arange(len(effects))
    found = [e.found for e in effects if e.found is not None]
    judgement, gain = evidence.spec.judgement, evidence.champion is not None
    what = f"gain, {metric(judgement.metric)}" if gain else metric(judgement.metric)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(0 if gain else found[0].estimate, color=INK, linewidth=1, linestyle=":")
        axes.axhline(0.5, color=FAINT, linewidth=0.8)
        whiskers(axes, at[:1], found[:1], flat=True, color=INK, fmt="D")
        whiskers(axes, at[1:], found[1:], flat=True, color=CHALLENGER)
        axes.set_yticks(at, [short(e.name) for e in effects])
        axes.set(xlabel=what, ylim=(len(effects) - 0.5, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=6)
        axes.grid(visible=False, axis="y")

    line = "no gain" if gain else "all judged rows"
    caption = f"{what[0].upper()}{what[1:]} by {title}, each with its own {confidence(judgement.confidence)} interval; dotted: {line}."
    alt = f"{what} by {title}, {len(effects) - 1} groups; the numbers stand in the table."
    return picture(f"groups-{_identifier(title)}", alt, caption, draw, height=0.75 + 0.27 * len(effects))


def _identifier(title: str) -> str:
    """Letters and digits only, and another one for another title."""
    return title.encode().hex()
