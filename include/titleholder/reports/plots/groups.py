"""The gain within cohorts and segments; without a champion, the challenger's own metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from titleholder.formatting import confidence, metric, short
from titleholder.reports.plots.binned_means import Rows
from titleholder.reports.plots.drawing import CHALLENGER, FAINT, INK, Picture, picture, whiskers
from titleholder.validation import metrics
from titleholder.validation.checks.cohorts import cohorts_of
from titleholder.validation.checks.groups import Group, groups
from titleholder.validation.evidence import Evidence, events, informative
from titleholder.validation.metrics import Estimation, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20
"""At most so many groups of a column are shown, those with the most rows of the rarer class; of cohorts the newest."""
RESAMPLES = 200
"""At most so many resamples a group: these intervals are an illustration, the checks decide."""


class GroupEstimate(NamedTuple):
    """A group's gain, or the challenger's metric in it; None where it has too few rows of the rarer class."""

    name: str
    rows: int
    events: int
    interval: Interval | None


class Breakdown(NamedTuple):
    """All judged rows and the groups of one column; measured are those with `least` rows of the rarer class."""

    title: str
    whole: GroupEstimate
    estimates: tuple[GroupEstimate, ...]
    least: int
    left_out: int
    picture: Picture | None


def breakdowns(evidence: Evidence, gain: metrics.Gain | None = None) -> list[Breakdown]:
    """By calendar period of the event (as in TH204), each segment and protected column; none if nothing is measurable.

    A group needs as many rows of the rarer class as the checks of cohorts and segments ask for. `gain` is that of
    the verdict, on all rows.
    """
    if not evidence.measurable:
        return []
    columns, rules = evidence.spec.columns, evidence.spec.judgement.checks
    known = gain or _measured(evidence, np.arange(len(evidence.y)))
    whole = GroupEstimate("all judged rows", len(evidence.y), evidence.events, known)
    period, every = cohorts_of(evidence)
    found = [_breakdown(evidence, f"calendar {period}", whole, every[-MOST:], len(every), rules.cohorts.minimum_events)]
    for column in dict.fromkeys([*columns.segments, *columns.protected]):
        every = groups(evidence.frame, [column])
        title = f"{column} (protected)" if column in columns.protected else column
        shown = _largest(evidence, every)
        found.append(_breakdown(evidence, title, whole, shown, len(every), rules.segments.minimum_events))
    return found


def _largest(evidence: Evidence, every: Sequence[Group]) -> list[Group]:
    """The groups with the most rows of the rarer class, ordered by their values: by number where all are numbers."""
    spec = evidence.spec
    ordered = sorted(every, key=lambda g: (-informative(spec, evidence.y[g.rows]), -len(g.rows), g.value))[:MOST]
    try:
        return sorted(ordered, key=lambda g: float(g.value))
    except ValueError:
        return sorted(ordered, key=lambda g: g.value)


def _breakdown(
    evidence: Evidence, title: str, whole: GroupEstimate, shown: Sequence[Group], of: int, least: int
) -> Breakdown:
    estimates = tuple(_estimate(evidence, group.value, group.rows, least) for group in shown)
    drawn = [e for e in estimates if e.interval is not None]
    picture = _forest(evidence, title, [whole, *drawn]) if drawn and whole.interval else None
    return Breakdown(title, whole, estimates, least, of - len(shown), picture)


def _estimate(evidence: Evidence, name: str, rows: Rows, least: int) -> GroupEstimate:
    y = evidence.y[rows]
    enough = informative(evidence.spec, y) >= least and len(y) > 1
    return GroupEstimate(name, len(y), events(evidence.spec, y), _measured(evidence, rows) if enough else None)


def _measured(evidence: Evidence, rows: Rows) -> Interval | None:
    """The gain on these rows, or the challenger's metric; None where its interval is not finite."""
    spec, challenger, sample = evidence.spec, evidence.challenger[rows], evidence.sample.at(rows)
    how = replace(Estimation.of(spec), resamples=min(spec.judgement.resamples, RESAMPLES))
    found: Interval
    if evidence.champion is None:
        found = metrics.interval(spec.judgement.metric, sample, challenger, how)
    else:
        found = metrics.gain(spec.judgement.metric, sample, challenger, evidence.champion[rows], how)
    return found if found.finite else None


def _forest(evidence: Evidence, title: str, estimates: Sequence[GroupEstimate]) -> Picture:
    at = np.arange(len(estimates))
    found = [e.interval for e in estimates if e.interval is not None]
    judgement, gain = evidence.spec.judgement, evidence.champion is not None
    label = f"Gain in {metric(judgement.metric)}" if gain else metric(judgement.metric)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(0 if gain else found[0].estimate, color=INK, linewidth=1, linestyle=":")
        axes.axhline(0.5, color=FAINT, linewidth=0.8)
        whiskers(axes, at[:1], found[:1], horizontal=True, color=INK, fmt="D")
        whiskers(axes, at[1:], found[1:], horizontal=True, color=CHALLENGER)
        axes.set_yticks(at, [short(e.name) for e in estimates])
        axes.set(xlabel=label, ylim=(len(estimates) - 0.5, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=6)
        axes.grid(visible=False, axis="y")

    reference = "no gain" if gain else "all judged rows"
    caption = f"{label} by {title} with {confidence(judgement.confidence)} intervals. Dotted: {reference}."
    alt = f"{label} by {title}, {len(estimates) - 1} groups; the numbers are in the table."
    return picture(alt, caption, draw, height=0.75 + 0.27 * len(estimates))
