"""Months that share what they read, against reading everything: the same bytes, whatever happened in between."""

from __future__ import annotations

import logging
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mlflow import MlflowClient
from sqlalchemy import create_engine

from demo.lender import simulate
from demo.load import load
from titleholder.data import contract, extraction, snapshots
from titleholder.data.extraction import Extraction
from titleholder.data.snapshots import Origin
from titleholder.errors import ContractError, DataError
from titleholder.settings import Settings, connection_url, need
from titleholder.spec import windows
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("env")]
FIRST = date(2024, 1, 1)
SQL = "select * from {table} where at >= :window_start and at < :window_end and known_at <= :as_of"


def months(n: int, first: date = FIRST) -> list[date]:
    return [first + relativedelta(months=i) for i in range(n)]


def a_spec(table: str = "facts", sql: str = SQL, **columns: object) -> ModelSpec:
    """Six months of a small table whose entities are texts, mature after one month."""
    roles = {"entity": "id", "event_time": "at", "known_at": "known_at", "target": "bad", "numeric": ["x", "y"]}
    return ModelSpec.restore(
        {
            "name": "facts", "owner": "t", "start_date": "2020-01-01", "task": "classification",
            "source": {"connection": "warehouse", "query": "facts.sql"},
            "columns": {k: v for k, v in {**roles, **columns}.items() if v is not None},
            "windows": {"label_maturity": "1 month", "train": "5 months", "holdout": "1 month"},
            "training": {"candidates": {"a": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
            "judgement": {"metric": "roc_auc"}, "sql": sql.format(table=table),
        }
    )  # fmt: skip


def taken(spec: ModelSpec, as_of: date, root: Path | str, *, share: bool = True) -> Extraction:
    spans = windows.intervals(spec, as_of)
    return extraction.extract(connection_url("warehouse"), spec, spans, as_of, str(root), share=share)


def like_a_full_one(spec: ModelSpec, as_of: date, root: Path | str) -> Extraction:
    """An extraction with sharing, held to the bytes of one without."""
    with TemporaryDirectory() as elsewhere:
        whole = taken(spec, as_of, elsewhere, share=False)
    found = taken(spec, as_of, root)
    assert (found.sha256, found.rows) == (whole.sha256, whole.rows)
    assert not found.rows or found.cohorts_read + found.cohorts_amended + found.cohorts_shared, "read as a whole"
    return found


@contextmanager
def warehouse() -> Iterator[Any]:
    engine = create_engine(need("TITLEHOLDER_LOADER_URL"))
    with engine.begin() as connection:
        yield connection.exec_driver_sql
    engine.dispose()


def fill(table: str = "facts", time: str = "timestamptz", rows: int = 20) -> None:
    """`rows` a month from June 2023 for a year: texts with ties in time, numbers of every kind, gaps."""
    with warehouse() as run:
        run(f"drop table if exists {table}")
        run(
            f"create table {table} as select (array['a','B','ä','_','b ','-A'])[1 + i % 6] || i as id, "
            f"(timestamptz '2023-06-01 UTC' + (i / {rows}) * interval '1 month' + (i %% 4) * interval '1.000001 s')"
            f"::{time} as at, timestamptz '2023-06-01 UTC' + (i / {rows}) * interval '1 month' + interval '1 hour' "
            "as known_at, (i %% 3 = 0)::int as bad, nullif(i %% 7, 0) / 3.0 as x, "
            "(array['NaN','-0','0','Infinity','1e-300',null])[1 + i %% 6]::float8 as y "
            f"from generate_series(0, {12 * rows} - 1) i".replace("1 + i % 6", "1 + i %% 6")
        )


@pytest.fixture
def facts() -> None:
    fill()


def test_months_share_what_they_read(facts: None, tmp_path: Path) -> None:
    spec, run = a_spec(), months(6)
    found = [like_a_full_one(spec, as_of, tmp_path) for as_of in run]
    assert [f.cohorts_read for f in found] == [6, 1, 1, 1, 1, 1]
    assert [f.cohorts_shared for f in found] == [0, 5, 5, 5, 5, 5]
    again = like_a_full_one(spec, run[2], tmp_path)
    assert (again.cohorts_shared, again.rows_shared, again.rows_read) == (6, 120, 0)


@pytest.mark.parametrize("time", ["timestamptz", "timestamp", "date"])
def test_times_of_every_type_with_ties_and_texts_keep_the_order_of_the_database(time: str, tmp_path: Path) -> None:
    fill(time=time)
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    with warehouse() as run:  # between others in the order, and known only now
        run("insert into facts select 'Ab' || id, at, '2024-01-15', bad, x, y from facts where id like '%%3'")
        run("update facts set x = -1, known_at = '2024-01-20' where id like '%%5'")
    found = like_a_full_one(spec, date(2024, 2, 1), tmp_path)
    assert (found.cohorts_read, found.cohorts_amended) == (1, 5)


def test_a_window_that_cuts_its_months(facts: None, tmp_path: Path) -> None:
    spec = a_spec()
    found = [like_a_full_one(spec, date(2024, 3, day), tmp_path) for day in (1, 2, 9, 16, 2)]
    assert [f.cohorts_shared for f in found] == [0, 5, 5, 5, 6]


def test_late_corrections_are_read_alone(facts: None, tmp_path: Path) -> None:
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    with warehouse() as run:
        run("update facts set bad = 1 - bad, known_at = '2024-01-20' where id in ('B25', '-A29')")
    found = like_a_full_one(spec, date(2024, 2, 1), tmp_path)
    assert (found.cohorts_read, found.cohorts_amended, found.cohorts_shared) == (1, 1, 4)
    assert found.rows_read == 20 + 2, "the new cohort and the two rows"


@pytest.mark.parametrize(
    "change",
    [
        "update facts set x = 77 where id = 'B25'",
        "update facts set y = 0 where y = 0",
        "delete from facts where id = 'B25'",
        "update facts set id = 'zz' where id = 'B25'",
    ],
)
def test_what_changes_without_becoming_known_is_read(facts: None, tmp_path: Path, change: str) -> None:
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    with warehouse() as run:
        run(change)
    found = like_a_full_one(spec, FIRST, tmp_path)
    assert found.cohorts_read >= 1
    assert like_a_full_one(spec, FIRST, tmp_path).cohorts_read == 0


ACTION = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 239), st.integers(0, 8)),
    st.tuples(st.just("correct"), st.integers(0, 239), st.integers(0, 8)),
    st.tuples(st.just("edit"), st.integers(0, 239), st.integers(0, 8)),
    st.tuples(st.just("go"), st.integers(0, 239), st.integers(0, 8)),
    st.tuples(st.just("move"), st.integers(0, 239), st.integers(0, 8)),
)
WHAT = {
    "come": "insert into facts select id || '+' || {n}, at, {known}, bad, x, y from facts where {some}",
    "correct": "update facts set bad = 1 - bad, known_at = {known} where {some}",
    "edit": "update facts set y = {n} where {some}",
    "go": "delete from facts where {some}",
    "move": "update facts set at = at + interval '20 days', known_at = {known} where {some}",
}


@pytest.mark.parametrize("known_at", ["known_at", None])
@examples(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(st.tuples(st.lists(ACTION, max_size=4), st.sampled_from(months(5))), min_size=2, max_size=5))
def test_whatever_happens_in_between_the_bytes_are_those_of_a_full_extraction(known_at: str | None, history) -> None:  # type: ignore[no-untyped-def]
    fill(rows=8)
    spec = a_spec(known_at=known_at)
    with TemporaryDirectory() as root:
        for n, (actions, as_of) in enumerate(history):
            with warehouse() as run:
                for what, which, month in actions:
                    known = f"greatest(known_at, timestamptz '2023-12-10 UTC' + {month} * interval '20 days')"
                    some = f"abs(hashtext(id)) %% 240 between {which} and {which + 12}"
                    run(WHAT[what].format(n=n, known=known, some=some))
            like_a_full_one(spec, as_of, root)


def test_what_a_query_computes_over_its_window_stays_right(facts: None, tmp_path: Path) -> None:
    whole = SQL.replace("*", "*, avg(x) over (partition by bad) as mean, rank() over (order by x, id) as place")
    spec = a_spec(sql=whole, numeric=["x", "y", "mean", "place"])
    found = [like_a_full_one(spec, as_of, tmp_path) for as_of in months(3)]
    assert [f.cohorts_shared for f in found] == [0, 0, 0]
    assert like_a_full_one(spec, FIRST, tmp_path).cohorts_shared == 6


def kept(root: Path) -> list[Path]:
    return sorted((root / "_cohorts").rglob("*.arrow"))


def test_damaged_and_missing_files_are_read_again(
    facts: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    changed, halved, emptied, gone, swapped, _ = kept(tmp_path)
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    halved.write_bytes(halved.read_bytes()[:300])
    emptied.write_bytes(b"")
    gone.unlink()
    swapped.write_bytes(kept(tmp_path)[0].read_bytes())
    found = like_a_full_one(spec, FIRST, tmp_path)
    assert (found.cohorts_read, found.cohorts_shared) == (5, 1)
    assert caplog.text.count("is read from the warehouse again") == 4, "a file that is gone is not even listed"
    assert like_a_full_one(spec, FIRST, tmp_path).cohorts_shared == 6, "what was read again is whole again"


def test_a_damaged_base_is_read_again(facts: None, tmp_path: Path) -> None:
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    for file in kept(tmp_path):
        file.write_bytes(b"x")
    with warehouse() as run:
        run("update facts set bad = 1 - bad, known_at = '2024-01-20' where id in ('B25', '-A29')")
    assert like_a_full_one(spec, date(2024, 2, 1), tmp_path).cohorts_read == 6


def test_a_place_that_keeps_nothing_fails_no_run(facts: None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "_cohorts").write_text("not a folder")
    assert like_a_full_one(a_spec(), FIRST, tmp_path).cohorts_read == 6
    assert "cannot be kept" in caplog.text


def test_a_column_of_another_type_is_another_cohort(facts: None, tmp_path: Path) -> None:
    spec = a_spec()
    like_a_full_one(spec, FIRST, tmp_path)
    with warehouse() as run:
        run("alter table facts alter column bad type bigint")
    assert like_a_full_one(spec, FIRST, tmp_path).cohorts_read == 6


def in_another_process(root: str, as_of: date) -> tuple[str, int]:
    found = taken(a_spec(), as_of, root)
    return found.sha256, found.cohorts_read + found.cohorts_amended + found.cohorts_shared


def test_runs_beside_each_other_do_not_disturb(facts: None, tmp_path: Path) -> None:
    wanted = [*months(4), *months(4)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(in_another_process, [(str(tmp_path), as_of) for as_of in wanted])
    with TemporaryDirectory() as elsewhere:
        assert [f[0] for f in found] == [taken(a_spec(), m, elsewhere, share=False).sha256 for m in wanted]
    assert [f[1] for f in found] == [6] * 8
    assert not list(tmp_path.rglob("*.part"))


def test_where_nothing_can_be_shown_everything_is_read(
    facts: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The event time is a text: that is for the contract to say, as before."""
    caplog.set_level(logging.WARNING)
    spec = a_spec(sql=SQL.replace("*", "id, at::text as at, known_at, bad, x, y"))
    spans = windows.intervals(spec, FIRST)
    found = taken(spec, FIRST, tmp_path)
    assert (found.rows_read, found.cohorts_read) == (found.rows, 0)
    assert "no cohort is shared, everything is read" in caplog.text
    with pytest.raises(ContractError, match="at: has the wrong type"):
        contract.enforce(snapshots.frame(found.uri, found.sha256), spec, spans, FIRST)
    missing = a_spec(sql=SQL.replace("*", "id, at, bad, x, y"))
    assert taken(missing, FIRST, tmp_path).rows_read == 120, "the spec's known_at is no column of the query"
    with pytest.raises(DataError, match='relation "nowhere" does not exist'):
        taken(a_spec(table="nowhere"), FIRST, tmp_path)


def test_rows_that_break_the_contract_are_in_the_snapshot_all_the_same(facts: None, tmp_path: Path) -> None:
    with warehouse() as run:
        run("insert into facts values ('no time', null, '2023-10-01', 0, 1, 1), (null, '2023-10-02', null, 0, 1, 1)")
        run("insert into facts values ('early', '1850-10-01', '2023-10-01', 0, 1, 1)")
        run("insert into facts values ('late', '2030-10-01', '2023-10-01', 0, 1, 1)")
    spec = a_spec(sql="select * from facts where :as_of is not null and :window_start < :window_end")
    for _ in range(2):
        assert like_a_full_one(spec, FIRST, tmp_path).rows == 244


def test_nothing_at_all_is_an_empty_snapshot(facts: None, tmp_path: Path) -> None:
    assert like_a_full_one(a_spec(), date(2020, 1, 1), tmp_path).rows == 0


def test_the_shipped_models_read_each_cohort_about_once(tmp_path: Path) -> None:
    """N + W cohorts of rows for N months over a window of W, and the same bytes in any order of months."""
    load(need("TITLEHOLDER_LOADER_URL"), simulate(date(2026, 1, 1), months=36, per_month=120))
    specs = load_specs(DEFAULT_FOLDER)
    for name in ("demo_default", "demo_loss"):
        spec, run = specs[name], months(12, date(2025, 1, 1))
        found = [like_a_full_one(spec, as_of, tmp_path / "ordered") for as_of in run]
        cohort = found[0].rows / 15
        assert sum(f.rows for f in found) > 11 * 15 * cohort
        assert sum(f.rows_read for f in found) < (12 + 15) * 1.25 * cohort, "the rest are corrections"
        random.Random(4).shuffle(run)
        for as_of in run:
            like_a_full_one(spec, as_of, tmp_path / "shuffled")


def test_a_run_says_what_it_read_and_what_it_shared(settings: Settings) -> None:
    origin = Origin(actor="t")
    run = [
        steps.extract("tiny", as_of, "shared", url=connection_url("warehouse"), origin=origin, settings=settings)
        for as_of in (date(2024, 6, 1), date(2024, 6, 1), date(2024, 7, 1))
    ]
    assert run[0] == run[1]
    metrics = MlflowClient(settings.tracking_uri).get_run(run[2].run_id).data.metrics
    assert metrics["cohorts_shared"] + metrics["cohorts_amended"] >= 6
    assert metrics["rows_read"] + metrics["rows_shared"] >= run[2].rows
    assert metrics["rows_shared"] > metrics["rows_read"]
