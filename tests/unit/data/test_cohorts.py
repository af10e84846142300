"""Sums of a cohort, and a kept cohort with what is new, against plain Python."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.data import sharing
from titleholder.data.cohorts import Sums, amended, bounds
from titleholder.data.extraction import _by_cohort
from titleholder.data.sharing import COHORT, HASHES, RANK, SUMS
from titleholder.spec.sql import quoted
from titleholder.spec.windows import Intervals

INT64 = st.integers(-(2**63), 2**63 - 1)


def cohort(entities: list[str], first: list[int], second: list[int]) -> pa.Table:
    return pa.table({"id": pa.array(entities, pa.string()), HASHES[0]: pa.array(first, pa.int64()), HASHES[1]: second})


def of(rows: pa.Table) -> Sums:
    return Sums.of(rows, collated=True)


def ranked(rows: pa.Table, ranks: list[int]) -> pa.Table:
    return rows.append_column(RANK, pa.array(ranks, pa.int64()))


@given(st.lists(st.tuples(INT64, INT64), min_size=1, max_size=50))
def test_sums_are_exact_beyond_64_bits(pairs: list[tuple[int, int]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    wanted = sum((b >> 32) * rank for rank, b in enumerate(second, start=1))
    rows = cohort(["x"] * len(pairs), first, second)
    assert of(rows) == Sums(len(pairs), sum(first), sum(second), wanted)
    assert Sums.of(rows, collated=False) == Sums(len(pairs), sum(first), sum(second), 0)
    assert Sums.read(str(Sums(2, -5, 2**70, -1))) == Sums(2, -5, 2**70, -1)


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.integers(0, 12))
def test_a_kept_cohort_takes_in_what_changed_and_what_came(random, size: int, fresh: int) -> None:  # type: ignore[no-untyped-def]
    """The order of the entities is none that sorting gives: only the ranks know it."""
    now = [f"e{i}" for i in range(size + fresh)]
    random.shuffle(now)
    hashes = {e: (random.getrandbits(63), random.getrandbits(63)) for e in now}
    sent = {e for e in now if int(e[1:]) >= size or random.random() < 0.4}
    whole = cohort(now, [hashes[e][0] for e in now], [hashes[e][1] for e in now])
    before = [e for e in now if int(e[1:]) < size]
    stale = {e: (1, 2) if e in sent else hashes[e] for e in before}
    kept = cohort(before, [stale[e][0] for e in before], [stale[e][1] for e in before])
    places = [i for i, e in enumerate(now) if e in sent]
    news = ranked(whole.take(places), [i + 1 for i in places])
    assert amended(kept, news, "id", of(whole)) == whole


def test_what_cannot_be_shown_to_be_right_is_not_used() -> None:
    whole = cohort(["a", "b", "c"], [1, 2, 3], [4 << 32, 5 << 32, 6 << 32])
    news = ranked(whole.slice(0, 1), [1])
    assert amended(whole, news, "id", of(whole)) == whole
    gone = whole.slice(0, 2)
    assert amended(whole, news, "id", of(gone)) is None, "a row of the kept cohort has vanished"
    changed = cohort(["a", "b", "c"], [1, 2, 9], [4 << 32, 5 << 32, 6 << 32])
    assert amended(whole, news, "id", of(changed)) is None, "a row changed and was not sent"
    turned = whole.take([0, 2, 1])
    assert amended(whole, news, "id", of(turned)) is None, "the database orders by another collation now"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_rows_are_told_apart_by_cohort_wherever_batches_end(size: int) -> None:
    lengths = [0, 3, 2, 0, 4]
    told = [f"{n} 1 2 3" for n in lengths]
    table = pa.table(
        {
            RANK: pa.array([r for n in lengths for r in range(n + 1)], pa.int64()),
            SUMS: pa.array([s for n, text in zip(lengths, told, strict=True) for s in [text, *[None] * n]]),
            COHORT: pa.array([i for i, n in enumerate(lengths) for _ in range(n + 1)], pa.timestamp("us", "UTC")),
        }
    )
    found = list(_by_cohort(table.to_batches(max_chunksize=size)))
    assert [(sums, moment, rows.num_rows) for sums, moment, rows in found] == [
        (Sums.read(text), i, n) for i, (text, n) in enumerate(zip(told, lengths, strict=True))
    ]
    assert [r for _, _, rows in found for r in rows[RANK].to_pylist()] == [1, 2, 3, 1, 2, 1, 2, 3, 4]


def test_a_cohort_that_the_window_cuts_is_another_one() -> None:
    spans = Intervals(train_start=date(2024, 1, 15), holdout_start=date(2024, 2, 20), matured=date(2024, 3, 10))
    names = [bounds(date(2024, m, 1), spans) for m in (1, 2, 3)]
    assert names == ["2024-01-15_2024-02-01", "2024-02-01_2024-03-01", "2024-03-01_2024-03-10"]


def test_identifiers_are_quoted() -> None:
    text = sharing.statement("select 1", ['a"b', "order"], "order", 'a"b', "User", collated=True)
    assert '"a""b"' in text
    assert '"order"' in text
    assert '("User" <= since) IS NOT TRUE' in text
    assert quoted('x"; drop table t; --') == '"x""; drop table t; --"'
