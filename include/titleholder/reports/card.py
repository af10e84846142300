"""The model card of a decision: one HTML file that needs neither the network nor a script."""

from __future__ import annotations

from typing import Any

from titleholder import formatting
from titleholder.reports import accepted_only, features, thresholds
from titleholder.reports.check_results import result_counts, result_groups
from titleholder.reports.facts import Facts, outcome, safe_links
from titleholder.reports.history import MetricHistory, occasions
from titleholder.reports.plots import (
    calibration,
    discrimination,
    distributions,
    grades,
    groups,
    importance,
    sequential,
    swap_set,
    windows,
)
from titleholder.reports.plots.drawing import Picture, scored_models
from titleholder.reports.rendering import render
from titleholder.spec.metrics import METRICS
from titleholder.training import benchmark
from titleholder.validation.checks.benchmark import benchmark_comparison
from titleholder.validation.checks.missing_inputs import missing_inputs
from titleholder.validation.evidence import Evidence
from titleholder.validation.verdict import Verdict

Content = dict[str, Any]


def card(facts: Facts, verdict: Verdict, evidence: Evidence, history: MetricHistory | None = None) -> str:
    """The card as HTML: the decision and its reason, every check, and the numbers and pictures behind them.

    `evidence` is the evidence of the verdict, `history` what was measured before it. The card has no script and no
    address except the given links; a section that does not apply says so. It takes some seconds for 200,000 rows.
    """
    return render(
        "card.html.j2",
        facts=facts,
        verdict=verdict,
        spec=evidence.spec,
        evidence=evidence,
        judgement=evidence.spec.judgement,
        scale=formatting.scale,
        occasions=occasions(history or MetricHistory(), verdict),
        **_from_ledger(facts, verdict),
        **_from_rows(facts, verdict, evidence),
    )


def _from_ledger(facts: Facts, verdict: Verdict) -> Content:
    """The content that needs no judged rows."""
    return {
        "outcome": outcome(facts, verdict),
        "decided_at": formatting.stamp(facts.decided_at),
        "result_groups": result_groups(verdict.checks),
        "recall_groups": result_groups(verdict.recall.checks) if verdict.recall else [],
        "result_counts": result_counts(verdict.checks),
        "reign": verdict.accumulated(),
        "fresh": verdict.freshness() if verdict.rule == "fresh" else None,
        "outlook": verdict.outlook,
        "counted_looks": sequential.counted_looks(verdict),
        "looks": _looks(verdict),
        "metrics": _metrics(verdict),
        "windows": windows.time_windows(facts, verdict),
        "windows_picture": windows.windows_picture(facts, verdict),
        "links": safe_links(facts),
    }


def _from_rows(facts: Facts, verdict: Verdict, evidence: Evidence) -> Content:
    """The content from the judged rows, and the rules and thresholds of the judgement."""
    return {
        "curves": _curves(facts, verdict, evidence),
        "grades": _grades(evidence),
        "breakdowns": groups.breakdowns(evidence, verdict.gain),
        "most": groups.MOST,
        "resamples": min(groups.RESAMPLES, evidence.spec.judgement.resamples),
        "swap_set": _swap_set(evidence),
        "importance": _importance(evidence),
        "event_rates": accepted_only.event_rate_bounds(evidence),
        "assumptions": accepted_only.assumptions(evidence),
        "untuned": _benchmark(evidence),
        "features": features.feature_stability(evidence),
        "features_shown": features.SHOWN,
        "missing_inputs": missing_inputs(evidence),
        "settings": thresholds.settings(evidence.spec.judgement),
        "check_settings": thresholds.check_settings(evidence.spec.judgement),
    }


def _looks(verdict: Verdict) -> Content | None:
    rows = sequential.cumulative_looks(verdict)
    return {"rows": rows, "picture": sequential.evidence_picture(verdict, rows)} if rows else None


def _curves(facts: Facts, verdict: Verdict, evidence: Evidence) -> Content | None:
    if not evidence.measurable:
        return None
    models = scored_models(evidence, verdict, facts.challenger_version)
    pictures: list[Picture] = []
    if evidence.classification:
        pictures += discrimination.pictures(evidence, verdict, models)
    pictures.append(calibration.calibration_picture(evidence, models))
    if evidence.classification:
        pictures.append(distributions.scores_by_outcome(evidence, models))
    else:
        pictures += distributions.residuals(evidence, models)
    if len(models) > 1:
        pictures.append(distributions.agreement(evidence, models))
    return {"pictures": pictures, "calibration": calibration.summaries(evidence, models)}


def _grades(evidence: Evidence) -> Content | None:
    rows = grades.grade_rows(evidence)
    if not rows:
        return None
    return {
        "rows": rows,
        "picture": grades.grades_picture(evidence, rows),
        "migration": grades.migration(evidence),
        "tolerance": evidence.spec.judgement.checks.grade_calibration.observed_expected,
    }


def _swap_set(evidence: Evidence) -> Content | None:
    rows = swap_set.acceptance_groups(evidence)
    cut_off = evidence.spec.judgement.cut_off
    if not rows or cut_off is None:
        return None
    return {"groups": rows, "rule": swap_set.rule(cut_off), "picture": swap_set.swap_set_picture(evidence, rows)}


def _importance(evidence: Evidence) -> Content | None:
    features = importance.importances(evidence)
    if not features:
        return None
    return {
        "features": features,
        "shown": importance.SHOWN,
        "rows": len(importance.sample(evidence)),
        "repeats": importance.REPEATS,
        "picture": importance.importance_picture(evidence, features),
    }


def _benchmark(evidence: Evidence) -> Content | None:
    compared = benchmark_comparison(evidence)
    if compared is None:
        return None
    estimator = benchmark.SCORECARDS[evidence.spec.task].estimator.rpartition(".")[2]
    return {"compared": compared, "estimator": estimator, "rows": benchmark.ROWS}


def _metrics(verdict: Verdict) -> list[Content]:
    """Each metric of the models, of a former version too; `lead` is positive where the challenger is better."""
    rows, former = [], verdict.recall.metrics_here if verdict.recall else {}
    for name, value in verdict.challenger_metrics.items():
        other, info = verdict.champion_metrics.get(name), METRICS.get(name)
        more = info is None or info.greater_is_better
        lead = None if other is None else (value - other if more else other - value)
        values = {"challenger": value, "champion": other, "former": former.get(name)}
        rows.append({"name": name, **values, "more": more, "lead": lead})
    return rows
