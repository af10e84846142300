"""Random rows: each violation is a sentence, whatever a query returns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.factories import AS_OF, a_regression, a_spec, rows, spans_of
from support.fuzz import no_hang, share
from titleholder.data import contract
from titleholder.errors import ContractError

SPECS = [
    a_spec(),
    a_regression(),
    a_spec(columns__accepted="accepted", columns__outcome_at="ended", columns__weight="w", columns__cluster="branch"),
]
CELLS = [
    None, np.nan, pd.NaT, 0, 1, -1, 2**63, 10**30, 0.5, float("inf"), -0.0, True, False, "", "1", "x" * 100, b"x", Decimal("1.5"),
    date(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1), [1], {"a": 1}, (1, 2),
    np.datetime64("2024-01-01"), "[bold]", "\x1b[31m", np.array([1, 2]),
]  # fmt: skip
TYPES = ["Int64", "boolean", "string", "float32", "uint8", "object", "datetime64[us]"]
cells = st.lists(st.sampled_from(CELLS), min_size=1, max_size=4)


@st.composite
def frames(draw: st.DrawFn) -> tuple[Any, pd.DataFrame]:
    """Rows that keep the contract of a spec, of which some columns are something else."""
    spec = draw(st.sampled_from(SPECS))
    frame = rows(spec, n=30).head(draw(st.sampled_from([0, 1, 2, 30])))
    frame = frame.assign(accepted=True, ended=frame["known_at"], w=1.0, branch="x")[spec.columns.all]
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(spec.columns.all))
        what = draw(st.sampled_from(["cells", "some", "type", "drop", "twice", "shift", "index"]))
        if name not in frame or what == "drop":
            frame = frame.drop(columns=name, errors="ignore")
        elif list(frame.columns).count(name) > 1:
            continue
        elif what in ("cells", "some"):
            new = pd.Series([draw(cells)[0] for _ in range(2)] * len(frame), dtype="object").head(len(frame))
            new.index = frame.index
            keep = pd.Series(np.arange(len(frame)) % 7 == 0, index=frame.index)
            old = frame[name]
            frame = frame.assign(**{name: new if what == "cells" else old.astype("object").mask(keep, new)})
            if draw(st.booleans()):
                frame = frame.assign(**{name: frame[name].infer_objects()})
        elif what == "type":
            try:
                frame = frame.assign(**{name: frame[name].astype(draw(st.sampled_from(TYPES)))})
            except (ArithmeticError, TypeError, ValueError):
                continue
        elif what == "twice":
            frame = pd.concat([frame, frame[[name]]], axis=1)
        elif what == "index":
            frame = frame.set_axis(range(5, 5 + len(frame))[::-1], axis=0)
        else:
            frame = frame.sample(frac=1.0, random_state=1)
    return spec, frame


@share(0.1)
@given(frames())
def test_whatever_a_query_returns_its_violations_are_sentences(case: tuple[Any, pd.DataFrame]) -> None:
    spec, frame = case
    spans = spans_of(spec)
    with no_hang():
        found = contract.violations(frame, spec, spans, AS_OF)
    assert all(isinstance(sentence, str) and sentence for sentence in found)
    if found:
        with no_hang(), pytest.raises(ContractError, match="breaks its contract"):
            contract.enforce(frame, spec, spans, AS_OF)
