"""Rows of the ledger for tests that need some and train nothing."""

from __future__ import annotations

from datetime import date

from support.factories import a_nominee
from titleholder.ledger import store
from titleholder.ledger.decision import Decision, Entry
from titleholder.settings import Settings
from titleholder.spec.windows import Intervals
from titleholder.validation.verdict import Recall, Verdict


def entry(
    lane: str,
    as_of: date = date(2024, 1, 1),
    kind: str = "promote",
    version: int = 1,
    before: int | None = None,
    recalled: int | None = None,
) -> Entry:
    """A row about challenger `version`; of the kind `recall`, one that makes `recalled` champion."""
    after = {"promote": version, "recall": recalled}.get(kind, before)
    recall = Recall(version=recalled, as_of=as_of, trained_through=as_of, gain=0.01, risk=0.01) if recalled else None
    verdict = Verdict(
        champion=None, holdout_start=as_of, holdout_end=as_of, rows=0, events=0, metric="roc_auc",
        challenger_metrics={"roc_auc": -0.0, "tiny": 1e-7}, champion_metrics={}, gain=None, confidence=0.95, checks=(),
        recall=recall,
    )  # fmt: skip
    return Entry(
        model="paper", lane=lane, as_of=as_of, kind=kind, challenger_version=version, champion_before=before,
        champion_after=after, trained_through=as_of, nominees=(a_nominee(run_id="t"),), run_key="k", snapshot_uri="u", snapshot_sha256="s",
        spec={"C": 0.001, "huge": 1e20, "high": 10, "name": "Zoë"}, spec_fingerprint="f", training_run_id="t", judgement_fingerprint="j", reign_fingerprint="", verdict=verdict,
        spans=Intervals(train_start=as_of, holdout_start=as_of, matured=as_of), code_version="0", seed=7,
        mlflow_run_id="r", airflow_run="", actor="tester", reason="because",
    )  # fmt: skip


def append(settings: Settings, made: Entry, *consequences: Entry) -> Decision:
    """Write an entry, and months re-judged because of it, behind whatever its lane holds; returns the first row."""
    for _ in range(100):
        rows = store.read_lane(settings.ledger_url, made.model, made.lane)
        after = rows[-1].sequence if rows else 0
        if written := store.append(settings.ledger_url, [made, *consequences], after=after):
            return written[0]
    raise AssertionError("other writers were always faster")
