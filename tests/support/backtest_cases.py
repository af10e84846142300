"""A backtest over simulated periods."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from support.factories import a_decision, a_spec
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.workflow.backtest.ageing import ageing
from titleholder.workflow.backtest.periods import Period
from titleholder.workflow.backtest.policies import ScoredRows, measure, with_profit
from titleholder.workflow.backtest.summary import Backtest, Setting, WhatIf, overall

LANE = "backtest"


def a_backtest(
    spec: ModelSpec | None = None, gates: tuple[int | None, ...] = (None, 1, 1, 2), tilt: float = 1.0, **parts: Any
) -> Backtest:
    """Periods of 400 rows, one for each gate, and one without any; version 2 sees the signal better, by `tilt`.

    They begin with 2024 and follow the spec's schedule; months where it has none.
    """
    spec, day = spec or a_spec(), date(2024, 1, 1)
    rng, found = np.random.default_rng(3), []
    for n, gate in enumerate((*gates, gates[-1]), start=1):
        size = 400 if n <= len(gates) else 0
        signal = rng.normal(size=size)
        y = (signal + rng.normal(size=size) > 0).astype(float) if spec.task == "classification" else signal
        rough = {1: signal + rng.normal(size=size), 2: tilt * signal + 0.3 * rng.normal(size=size)}
        scores = {v: 1 / (1 + np.exp(-p)) if spec.task == "classification" else p for v, p in rough.items()}
        first = next((g for g in gates[:n] if g is not None), None)
        end = windows.next_tick(spec.schedule, day)
        period = Period(
            as_of=day,
            end=end,
            kind="keep",
            versions=(1, 2),
            gate=gate,
            newest=2,
            never=first,
        )
        found.append(measure(period, ScoredRows(y, scores), spec, end))
        day = end
    own = Setting.of(spec.judgement)
    aged = ageing(found, {1: date(2023, 1, 1), 2: date(2023, 2, 1)}, metric=spec.judgement.metric, confidence=0.95)
    whole: dict[str, Any] = {
        "model": spec.name, "description": spec.description, "owner": spec.owner, "lane": "backtest", "task": spec.task,
        "metric": spec.judgement.metric, "greater_is_better": spec.judgement.greater_is_better, "rule": spec.judgement.rule,
        "confidence": 0.95, "with_profit": with_profit(spec), "quantile": spec.judgement.predicted_quantile, "labels_as_of": date(2026, 1, 1),
        "matured": date(2025, 7, 1), "snapshot_uri": "/snapshots/x.parquet", "snapshot_sha256": "ab" * 32,
        "head_hash": "cd" * 32, "code_version": "1.2", "actor": "cli:tester", "run_id": "abc", "periods": tuple(found), "schedule": spec.schedule,
        "overall": overall(found, confidence=0.95), "reproduced": True, "ageing": aged,
        "what_if": (a_trial(own, own=True),),
    }  # fmt: skip
    return Backtest(**{**whole, **parts})


def a_trial(setting: Setting, **parts: Any) -> WhatIf:
    """A replay with its first champion in January and another one from February on."""
    whole: dict[str, Any] = {
        "own": False, "first": date(2024, 1, 1), "changed": (date(2024, 2, 1),), "champions": (1, 2), "mean": 0.7, "periods": 3
    }  # fmt: skip
    return WhatIf(setting=setting, **{**whole, **parts})


def a_lane(*kinds: str) -> list[Any]:
    """Decisions of one month each; a promotion crowns that month's challenger."""
    rows, champion = [], None
    for n, kind in enumerate(kinds, start=1):
        after = n if kind == "promote" else champion
        rows.append(a_decision(n, lane=LANE, kind=kind, champion_before=champion, champion_after=after))
        champion = after
    return rows
