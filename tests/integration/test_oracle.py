"""An oracle for extraction: what was known, worked out row by row in plain Python, agrees with the SQL.

Nothing is shared with the queries but the tables: every application is looked at by itself, its facts are walked in the
order in which they were recorded, and whatever was recorded after `as_of` is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from demo.lender import Lender, simulate
from demo.load import load
from support.time_world import END, MONTHS, shipped
from titleholder.data import extraction, snapshots
from titleholder.settings import connection_url
from titleholder.spec import windows

pytestmark = pytest.mark.slow
PER_MONTH, SEEDS = 15, (1, 2, 3)
HALF_A_YEAR = relativedelta(months=6)


@lru_cache(maxsize=3)
def books(seed: int) -> tuple[Lender, dict[str, list[dict[str, Any]]]]:
    """A lender, and its tables as plain rows in the order in which they were recorded."""
    lender = simulate(END, MONTHS, PER_MONTH, seed)
    rows = {}
    for name, table in lender.tables.items():
        moment = "recorded_from" if name == "unemployment" else "recorded_at"
        rows[name] = sorted(table.astype(object).to_dict("records"), key=lambda row: row[moment])
    return lender, rows


def granted(rows: dict[str, list[dict[str, Any]]], spans: windows.Intervals, now: datetime) -> Iterator[dict[str, Any]]:
    """The applications of the window that were known."""
    for loan in rows["applications"]:
        if spans.train_start <= loan["applied_at"].date() < spans.matured and loan["recorded_at"] <= now:
            yield loan


def facts_of(table: list[dict[str, Any]], now: datetime) -> dict[int, list[dict[str, Any]]]:
    """What was known of each application."""
    found = defaultdict(list)
    for fact in table:
        if fact["recorded_at"] <= now:
            found[fact["application_id"]].append(fact)
    return found


def defaults(rows: dict[str, list[dict[str, Any]]], spans: windows.Intervals, now: datetime) -> dict[int, tuple]:
    """Of each application: whether it had defaulted within half a year, and when the last fact about it came."""
    endings, found = facts_of(rows["outcomes"], now), {}
    for loan in granted(rows, spans, now):
        label, known = 0, loan["recorded_at"]
        for fact in endings[loan["application_id"]]:
            in_time = fact["occurred_on"].date() < loan["applied_at"].date() + HALF_A_YEAR
            label = int(fact["status"] in ("defaulted", "recovered") and in_time)
            last = fact["recorded_at"]
        if endings[loan["application_id"]]:
            known = max(known, last)
        found[loan["application_id"]] = (label, known)
    return found


def losses(rows: dict[str, list[dict[str, Any]]], spans: windows.Intervals, now: datetime) -> dict[int, tuple]:
    """Of each application: the unpaid share of what was due, when that came to be known, and its region's rate then."""
    payments, found = facts_of(rows["instalments"], now), {}
    for loan in granted(rows, spans, now):
        day, known, believed = loan["applied_at"].date(), loan["recorded_at"], {}
        for fact in payments[loan["application_id"]]:
            if fact["due_on"].date() <= day + relativedelta(months=5):
                believed[fact["number"]] = fact
        if not believed:
            continue
        due = sum(fact["amount"] for fact in believed.values())
        unpaid = 0.0
        for fact in believed.values():
            known = max(known, fact["recorded_at"])
            if pd.isna(fact["paid_on"]) or fact["paid_on"].date() > day + HALF_A_YEAR:
                unpaid += fact["amount"]
        found[loan["application_id"]] = (round(unpaid / due, 9), known, published(rows["unemployment"], loan))
    return found


def published(versions: list[dict[str, Any]], loan: dict[str, Any]) -> float | None:
    """The newest rate of the loan's region that was out when it was applied for, as it stood that day."""
    rate, newest = None, None
    for version in versions:
        if version["region"] != loan["region"] or version["recorded_from"] > loan["applied_at"]:
            continue
        if not pd.isna(version["recorded_to"]) and version["recorded_to"] <= loan["applied_at"]:
            continue
        if newest is None or version["valid_from"] > newest:
            rate, newest = version["rate"], version["valid_from"]
    return rate


def both_ways(
    model: str, oracle: Callable[..., dict[int, tuple]], env: dict[str, str], folder: Any, seed: int, as_of: date
) -> tuple[pd.DataFrame, dict[int, tuple]]:
    """What the query of a model extracts from a lender's books, and what its oracle reads in them."""
    lender, rows = books(seed)
    load(env["TITLEHOLDER_LOADER_URL"], lender)
    spec = shipped(model)
    spans = windows.intervals(spec, as_of)
    with extraction.stream(connection_url("warehouse"), spec, spans, as_of) as (schema, batches):
        frame = snapshots.write(str(folder), f"{spec.name}/{as_of}", schema, batches).read()
    expected = oracle(rows, spans, datetime.combine(as_of, datetime.min.time(), tzinfo=UTC))
    assert len(frame) == len(expected) > 0
    return frame, expected


DATES = st.dates(min_value=date(2022, 12, 15), max_value=END + timedelta(days=200))
SOME = examples(
    max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.parametrize("seed", SEEDS)  # each is loaded once for all of its dates
@SOME
@given(as_of=DATES)
def test_defaults_as_known(env: dict[str, str], tmp_path: Any, seed: int, as_of: date) -> None:
    frame, expected = both_ways("demo_default", defaults, env, tmp_path, seed, as_of)
    found = zip(frame["application_id"], frame["defaulted"], frame["known_at"], strict=True)
    assert {i: (label, known) for i, label, known in found} == expected


@pytest.mark.parametrize("seed", SEEDS)  # each is loaded once for all of its dates
@SOME
@given(as_of=DATES)
def test_losses_as_known(env: dict[str, str], tmp_path: Any, seed: int, as_of: date) -> None:
    frame, expected = both_ways("demo_loss", losses, env, tmp_path, seed, as_of)
    shares = frame["unpaid_share"].round(9)
    found = zip(frame["application_id"], shares, frame["known_at"], frame["unemployment"], strict=True)
    assert {i: (share, known, rate) for i, share, known, rate in found} == expected


def test_the_oracle_is_not_blind() -> None:
    """What the oracle guards against happens in these books: labels that change after they were first known."""
    changed, spans = 0, windows.intervals(shipped("demo_default"), date(2023, 6, 1))
    for seed in SEEDS:
        _, rows = books(seed)
        then, now = (defaults(rows, spans, datetime(2023, month, 1, tzinfo=UTC)) for month in (6, 12))
        assert then.keys() == now.keys()
        changed += sum(then[i][0] != now[i][0] for i in then)
    assert changed > 0
