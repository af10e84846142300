"""The page of a backtest: one HTML file that needs nothing else, neither the network nor a script."""

from __future__ import annotations

from titleholder import formatting
from titleholder.reports.facts import followed
from titleholder.reports.rendering import render
from titleholder.workflow.backtest.answer import answer, verdict
from titleholder.workflow.backtest.plots import gathered, walked
from titleholder.workflow.backtest.policies import CONTRASTS, POLICIES, named
from titleholder.workflow.backtest.summary import Backtest

POLICY_NAMES = {"gate": "Gate", "newest": "Newest", "never": "Never", "hindsight": "Hindsight"}
MEANINGS = {
    "gate": "whoever reigned after the month's decision",
    "newest": "always the newest challenger, judged or not",
    "never": "the first champion, never retrained",
    "hindsight": "the version that turned out best in the month, of all there were: an upper bound nobody can reach",
}
TONES = {"Yes, it was worth it": "good", "No, it did harm": "bad"}


def page(result: Backtest, run_url: str) -> str:
    """The answer, each month, what other rules would have done, and what was looked at."""
    whole = result.overall
    gain = whole.contrasts.get("gate-never")
    return render(
        "backtest.html.j2",
        package=__package__,
        it=result,
        whole=whole,
        answer=answer(result),
        tone=TONES.get(verdict(gain.metric), "none") if gain else "none",
        names=POLICY_NAMES,
        meanings=MEANINGS,
        policies=POLICIES,
        contrasts=[(named(pair), POLICY_NAMES[pair[0]], POLICY_NAMES[pair[1]]) for pair in CONTRASTS],
        pictures=[walked(result), gathered(result)] if whole.months else [],
        scale=formatting.scale,
        like=formatting.scale(f.metric for m in result.months for f in m.figures.values()),
        run_url=run_url if followed(run_url) else "",
    )
