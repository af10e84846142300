"""The model card of a decision: one HTML file that needs nothing else, neither the network nor a script."""

from __future__ import annotations

from typing import Any

from titleholder import formatting
from titleholder.reports import thresholds
from titleholder.reports.facts import Facts, addresses, outcome
from titleholder.reports.plots import calibration, groups, importance, looks, ranking, spread, swaps, timeline
from titleholder.reports.plots.drawing import Picture, models
from titleholder.reports.plots.outcomes import counted, grouped
from titleholder.reports.rendering import render
from titleholder.spec.criteria import METRICS
from titleholder.validation.evidence import Evidence
from titleholder.validation.verdict import Verdict

Content = dict[str, Any]


def card(facts: Facts, verdict: Verdict, evidence: Evidence) -> str:
    """The card as HTML: what was decided and why, every check, and the numbers and pictures that they rest on.

    `evidence` is what the verdict was found on. No script, no address but the given links; a section that does not
    apply says so. Some seconds for 200,000 rows.
    """
    return render(
        "card.html.j2",
        facts=facts,
        verdict=verdict,
        spec=evidence.spec,
        evidence=evidence,
        judgement=evidence.spec.judgement,
        scale=formatting.scale,
        **_decided(facts, verdict),
        **_measured(facts, verdict, evidence),
    )


def _decided(facts: Facts, verdict: Verdict) -> Content:
    """What the ledger knows."""
    return {
        "outcome": outcome(facts, verdict),
        "decided_at": formatting.stamp(facts.decided_at),
        "checks": grouped(verdict.checks),
        "counted": counted(verdict.checks),
        "reign": verdict.accumulated(),
        "counted_looks": looks.counted(verdict),
        "looks": _looks(verdict),
        "metrics": _metrics(verdict),
        "windows": timeline.windows(facts, verdict),
        "timeline": timeline.drawn(facts, verdict),
        "links": addresses(facts),
    }


def _measured(facts: Facts, verdict: Verdict, evidence: Evidence) -> Content:
    """What only the judged rows can tell, and the rules that they were judged by."""
    return {
        "curves": _curves(facts, verdict, evidence),
        "splits": groups.splits(evidence, verdict.gain),
        "most": groups.MOST,
        "resamples": min(groups.RESAMPLES, evidence.spec.judgement.resamples),
        "swaps": _swaps(evidence),
        "importance": _importance(evidence),
        "settings": thresholds.settings(evidence.spec.judgement),
        "held": thresholds.held_to(evidence.spec.judgement),
    }


def _looks(verdict: Verdict) -> Content | None:
    steps = looks.steps(verdict)
    return {"steps": steps, "picture": looks.drawn(verdict, steps)} if steps else None


def _curves(facts: Facts, verdict: Verdict, evidence: Evidence) -> Content | None:
    if not evidence.measurable:
        return None
    both = models(evidence, verdict, facts.challenger_version)
    two = len(both) > 1
    pictures: list[Picture] = []
    if evidence.classification:
        pictures += ranking.pictures(evidence, verdict, both)
    pictures.append(calibration.drawn(evidence, both))
    pictures += (
        [spread.scores_by_outcome(evidence, both)] if evidence.classification else spread.residuals(evidence, both)
    )
    pictures += [spread.agreement(evidence, both)] if two else []
    return {"pictures": pictures, "calibration": calibration.summaries(evidence, both)}


def _swaps(evidence: Evidence) -> Content | None:
    found = swaps.swaps(evidence)
    cut_off = evidence.spec.judgement.cut_off
    if not found or cut_off is None:
        return None
    return {"sets": found, "rule": swaps.rule(cut_off), "picture": swaps.drawn(evidence, found)}


def _importance(evidence: Evidence) -> Content | None:
    found = importance.importances(evidence)
    if not found:
        return None
    return {
        "features": found,
        "shown": importance.SHOWN,
        "rows": len(importance.sample(evidence)),
        "repeats": importance.REPEATS,
        "picture": importance.drawn(evidence, found),
    }


def _metrics(verdict: Verdict) -> list[Content]:
    """Each metric of both models; `better` is the challenger's lead, positive where it is ahead."""
    rows = []
    for name, value in verdict.challenger_metrics.items():
        other, info = verdict.champion_metrics.get(name), METRICS.get(name)
        more = info is None or info.greater_is_better
        lead = None if other is None else (value - other if more else other - value)
        rows.append({"name": name, "challenger": value, "champion": other, "more": more, "lead": lead})
    return rows
