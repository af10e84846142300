"""The report of a backtest: one HTML file that needs neither the network nor a script."""

from __future__ import annotations

from titleholder import formatting
from titleholder.plain_text import is_linkable
from titleholder.reports.rendering import render
from titleholder.workflow.backtest.advice import AgeUnit
from titleholder.workflow.backtest.answer import age_advice, answer, cautions, verdict
from titleholder.workflow.backtest.periods import CONTRASTS, POLICIES
from titleholder.workflow.backtest.plots import age_curve, cumulative_difference, metric_by_period
from titleholder.workflow.backtest.policies import contrast_name
from titleholder.workflow.backtest.summary import Backtest
from titleholder.workflow.backtest.what_if_rows import what_if_rows

POLICY_NAMES = {"gate": "Gate", "newest": "Newest", "never": "Never", "hindsight": "Hindsight"}
MEANINGS = {
    "gate": "the champion after the {period}'s decision",
    "newest": "always the newest challenger, whatever the verdict",
    "never": "the first champion, never retrained",
    "hindsight": "the version that was best in the {period}, of all: an upper bound that cannot be reached",
}
TONES = {"Yes, it was worth it": "good", "No, it did harm": "bad"}


def page(result: Backtest, run_url: str) -> str:
    """The report as HTML: the answer, each period, the lane under other thresholds, and the inputs."""
    whole = result.overall
    gain = whole.contrasts.get("gate-never")
    return render(
        "backtest.html.j2",
        package=__package__,
        it=result,
        whole=whole,
        answer=answer(result),
        cautions=cautions(result),
        age_advice=age_advice(result),
        age_picture=age_curve(result, cost) if (cost := result.ageing.metric) and cost.curve else None,
        age_unit=AgeUnit.of(result.cadence).noun,
        trials=what_if_rows(result.what_if, result.metric),
        metric=formatting.metric(result.metric, inside=True),
        tone=TONES.get(verdict(gain.metric), "none") if gain else "none",
        names=POLICY_NAMES,
        meanings={policy: text.format(period=result.cadence.noun) for policy, text in MEANINGS.items()},
        of=result.cadence,
        policies=POLICIES,
        contrasts=[(contrast_name(pair), POLICY_NAMES[pair[0]], POLICY_NAMES[pair[1]]) for pair in CONTRASTS],
        pictures=[metric_by_period(result), cumulative_difference(result)] if whole.periods else [],
        scale=formatting.scale,
        like=formatting.scale(f.metric for m in result.periods for f in m.figures.values()),
        run_url=run_url if is_linkable(run_url) else "",
    )
