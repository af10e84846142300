"""Features on trust that look overwritten after the event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec
from titleholder.spec.model import ModelSpec
from titleholder.workflow.on_trust import strong_features, trusted_features

ROWS = 4_000


def a_trusting_spec(*on_trust: str, **changes: Any) -> ModelSpec:
    declared = {"loans": {"known_at": "ended_on", "changes": ["status"], "on_trust": list(on_trust)}}
    return a_spec(**{"source__tables": declared, "columns__categorical": ["purpose", "region"], **changes})


def rows(spec: ModelSpec, strength: float = 0.0, *, n: int = ROWS) -> pd.DataFrame:
    """Honest features, of which `debt` is as strong as asked for: in standard deviations between the outcomes."""
    rng = np.random.default_rng(7)
    bad = (rng.uniform(size=n) < 0.2).astype(int)
    names = spec.columns
    return pd.DataFrame(
        {
            names.entity: np.arange(n),
            names.event_time: pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="h"),
            names.target: bad,
            "income": rng.normal(size=n) + 0.5 * bad,
            "debt": rng.normal(size=n) + strength * bad,
            "purpose": rng.choice(["car", "home"], n),
            "region": rng.choice([f"r{i}" for i in range(50)], n),
        }
    )


def test_a_column_on_trust_that_all_but_tells_the_outcome_is_named_with_its_number() -> None:
    """Whoever took the comments away before the proposed `on_trust` trusted a balance that was overwritten."""
    spec = a_trusting_spec("debt", "income", "purpose")
    found = strong_features(spec, rows(spec, 1.6))
    assert found is not None
    assert list(found.features) == ["debt"]
    assert found.features["debt"] == pytest.approx(0.87, abs=0.02), "Phi(1.6 / sqrt 2)"
    assert (
        "roc_auc of debt 0.87 (the best feature that is not declared on_trust: region, 0.52). Check in two copies"
        in str(found)
    )


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_honest_columns_are_not_doubted(strength: float) -> None:
    spec = a_trusting_spec("debt", "income", "purpose", "region")
    assert strong_features(spec, rows(spec, strength)) is None


def test_a_tested_column_that_is_as_strong_makes_it_usual() -> None:
    spec = a_trusting_spec("debt")
    frame = rows(spec, 1.4)
    found = strong_features(spec, frame)
    assert found is not None
    assert found.tested is not None
    assert found.tested[0] == "income"
    assert "(the best feature that is not declared on_trust: income, 0.6" in str(found)
    frame["income"] += 0.6 * frame[spec.columns.target]
    assert strong_features(spec, frame) is None


def test_where_one_feature_may_explain_more_the_spec_says_so() -> None:
    more = a_trusting_spec("debt", "income", judgement__checks={"single_feature": {"roc_auc": 0.9}})
    assert strong_features(more, rows(more, 1.6)) is None


def test_few_events_name_no_column() -> None:
    spec = a_trusting_spec("debt", "income", "purpose", "region")
    frame = rows(spec, 1.25, n=120)
    assert strong_features(spec, frame) is None
    assert strong_features(spec, frame.assign(**{spec.columns.target: 0})) is None
    assert strong_features(spec, frame[:0]) is None


def test_nothing_on_trust_is_nothing_to_doubt() -> None:
    spec = a_trusting_spec()
    assert strong_features(spec, rows(spec, 3.0)) is None


def test_features_on_trust_are_those_that_read_such_a_column() -> None:
    sql = "select id, at as issued_at, bad, gross - paid as income, owed as debt, purpose, date_part('hour', at) as region"
    spec = a_trusting_spec(
        "gross", "purpose", "at", sql=f"{sql} from loans where at < :as_of and :window_start < at and at < :window_end"
    )
    assert trusted_features(spec) == ["income", "purpose"], "not what only the time of the event says"
