"""Every name that Titleholder uses in MLflow: tags, the alias, and artifacts of its runs."""

from __future__ import annotations

ALIAS = "champion"
PREFIX = "titleholder."


def tag(name: str) -> str:
    """The full name of one of our tags: `titleholder.lane` for `lane`."""
    return f"{PREFIX}{name}"


KEY = tag("key")
"""What makes a creation safe to repeat: a run or version with this key is what an earlier try made."""
MODEL, LANE, AS_OF, CANDIDATE, KIND, ACTOR = map(tag, ("model", "lane", "as_of", "candidate", "kind", "actor"))
CODE_VERSION, ASKED_BECAUSE = tag("code_version"), tag("asked_because")
AIRFLOW_RUN, AIRFLOW_URL = tag("airflow_run"), tag("airflow_url")
CHALLENGER, TRAINED_THROUGH = map(tag, ("challenger", "trained_through"))
REFITTED_THROUGH = tag("refitted_through")
"""Of a refitted model: the end of the rows that it was fitted on."""
VERDICT, REASON, DECISION, DECISION_HASH = map(tag, ("verdict", "reason", "decision", "decision_hash"))
REPORTED = tag("reported")
"""The decision whose model card was attached, written last of all."""
DONORS = tag("donors")
"""The earlier versions whose parameters a training run tried first, with these, as JSON."""
LABELS_AS_OF, UNTIL, OUTCOMES_SHA256 = map(tag, ("labels_as_of", "until", "outcomes_sha256"))

CARD, DECISION_NOTE, VERDICT_JSON = "card.html", "decision.md", "verdict.json"
"""The card of a challenger about which nothing was decided yet, for those who are asked; what was decided, and why."""
BACKTEST_REPORT, BACKTEST_DATA, AGE_ADVICE = "backtest.html", "backtest.json", "age-advice.json"
"""What a backtest found: for people, whole, and what of it says how often to retrain."""
LARGEST_REPORT = 32 * 1024 * 1024
"""Bytes of a report that are read; none that was written has a tenth of it."""


def card(decision: int) -> str:
    """The model card of a decision. A month that is re-judged has several decisions in one run.

    >>> card(12)
    'card-12.html'
    """
    return f"card-{decision}.html"


def tags(**values: object) -> dict[str, str]:
    """Our tags from keyword arguments; what is empty is left out."""
    return {tag(name): str(value) for name, value in values.items() if value not in (None, "")}
