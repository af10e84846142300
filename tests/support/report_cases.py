"""What the tests of the report share: simulated evidence with a verdict and facts, and a card taken apart."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np

from support.factories import AS_OF, REIGN, a_regression, a_spec, a_verdict, evidence, result, spans_of
from titleholder.reports import Facts, card
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array, Gain
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Verdict

VOID = {"meta", "col", "link", "input", "br", "img", "hr"}
HOSTILE = '<script>alert("1")</script> | a\nb <img src=x onerror=y> $x$ & `c` ](http://evil.example)'


def checks() -> tuple[Result, ...]:
    """One check of each outcome, with numbers and a sentence of its own."""
    failed = result("TH301", "fail", explanation="The gain is not shown.")
    below = result("TH205", "fail", "warn", explanation="The champion lies below its floor.")
    return (
        result("TH101", explanation="There are enough outcomes.").model_copy(update={"numbers": {"events": 60.0}}),
        below.model_copy(update={"remedy": "Decide whether the model is still used."}),
        failed.model_copy(update={"numbers": {"gain": -0.0125, "looks": 3.0}}),
        result("TH302", "not_applicable", explanation="The spec names no segments."),
    )


def looks(n: int = 3) -> tuple[Look, ...]:
    """`n` looks of a month each, by ROC AUC."""
    days = [date(2023, 1, 1) + timedelta(days=31 * i) for i in range(n + 1)]
    each = pairwise(days)
    return tuple(
        Look(
            as_of=a + timedelta(days=300),
            start=a,
            end=b,
            rows=500,
            events=40,
            metric="roc_auc",
            gain=0.01 * i,
            error=0.02,
        )
        for i, (a, b) in enumerate(each)
    )


def simulated(spec: ModelSpec | None = None, n: int = 600, **parts: Any) -> Evidence:
    """`n` rows whose outcome depends on debt alone; the challenger sees debt, the champion debt through noise."""
    spec = spec or a_spec()
    rng = np.random.default_rng(1)
    bare = evidence(spec, y=np.zeros(n))
    debt = bare.frame["debt"].to_numpy()

    def scores(signal: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(2 - signal)) if spec.task == "classification" else signal)

    y = (rng.random(n) < scores(debt)).astype(float) if spec.task == "classification" else debt + rng.normal(size=n)
    whole: dict[str, Any] = {
        "y": y,
        "challenger": scores(debt),
        "champion": scores(debt + rng.normal(size=n)),
        "frame": bare.frame.assign(bad=y),
        "predict": lambda rows: scores(rows["debt"].to_numpy()),
    }
    return bare.model_copy(update={**whole, **parts})


def verdict_on(found: Evidence, *results: Result, looks: tuple[Look, ...] = (), **parts: Any) -> Verdict:
    """A verdict with this evidence's own numbers, and `checks()` where no others are given."""
    spec, own, theirs, gain = found.spec, {}, {}, None
    if found.measurable:
        own = metrics.compute_all(spec.task, found.y, found.challenger, spec.judgement)
    if found.measurable and found.champion is not None:
        theirs = metrics.compute_all(spec.task, found.y, found.champion, spec.judgement)
        gain = Gain(0.0123, 0.0011, 0.0235, "DeLong", 0.0057, 400.0)
    whole: dict[str, Any] = {
        "rows": len(found.y),
        "events": found.events,
        "metric": spec.judgement.metric,
        "challenger_metrics": own,
        "champion_metrics": theirs,
        "gain": gain,
        "candidate": found.candidate,
        "champion": REIGN.model_copy(update={"looks": looks}) if found.champion is not None else None,
    }
    return a_verdict(*(results or checks()), **{**whole, **parts})


def facts(spec: ModelSpec | None = None, **changes: Any) -> Facts:
    """The facts of a decision about version 4 of the small model."""
    spec = spec or a_spec()
    whole: dict[str, Any] = {
        "model": spec.name,
        "description": "Who will not pay",
        "owner": spec.owner,
        "as_of": AS_OF,
        "lane": "live",
        "kind": "promote",
        "reason": "Shown to be better.",
        "actor": "scheduler",
        "decision_id": 57,
        "sequence": 19,
        "decided_at": datetime(2024, 7, 1, 6, 12, tzinfo=UTC),
        "challenger_version": 4,
        "spans": spans_of(spec),
        "lineage": {"Snapshot": "s3://snapshots/one.parquet", "MLflow run": "c0a8"},
        "links": {"MLflow run": "http://mlflow.example/#/runs/c0a8", "Model version": "https://mlflow.example/v/4"},
        "environment": {"scikit-learn": "1.9.1", "numpy": "2.4.6"},
    }
    return Facts(**{**whole, **changes})


FULL = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8},
    judgement__checks={"segments": {"minimum_events": 10}, "cohorts": {"minimum_events": 10}},
)


@cache
def full() -> str:
    """The card of a decision with everything in it."""
    found = simulated(FULL)
    return card(facts(FULL), verdict_on(found, looks=looks()), found)


@cache
def regression() -> str:
    """The card of a regression, kept, without looks."""
    spec = a_regression()
    found = simulated(spec)
    return card(facts(spec, kind="keep", reason="Not shown."), verdict_on(found), found)


class Page(HTMLParser):
    """A card taken apart: its tags with their attributes, its text by section, and whether its tags are in balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {"": ""}
        self.heading, self.why = "", ""
        self.open: list[str] = []
        self._section = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.sections[self._section] += " "
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.sections[self._section] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.sections[self._section] += " "

    def handle_data(self, data: str) -> None:
        if "style" in self.open or "title" in self.open:
            return
        self.sections[self._section] += data
        if "h1" in self.open:
            self.heading += data
        elif self.heading and "p" in self.open and not self._section:
            self.why += data

    @property
    def text(self) -> str:
        """Everything that is read, in single spaces."""
        return " ".join(" ".join(self.sections.values()).split())

    def said(self, section: str) -> str:
        """The text of one section, in single spaces."""
        return " ".join(self.sections[section].split())

    def values(self, attribute: str) -> list[str]:
        """Every value of an attribute, in order."""
        return [a[attribute] or "" for _, a in self.tags if attribute in a]
