"""What the leak test finds in leaky and honest queries, and how long it takes compared with one extraction.

`python benchmarks/leaktest.py`, against the warehouse of a running stack (`make up`); it fills the schema `trap`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import date

import pyarrow as pa
from leaky_queries import AS_OF, HONEST, LEAKY, WORLD, Shape, spec_of
from measurement import Row
from sqlalchemy import create_engine

from titleholder.data import as_of_range, extraction
from titleholder.data.leakage.leaktest import leaktest
from titleholder.data.leakage.report import LeakReport
from titleholder.formatting import elapsed
from titleholder.settings import connection_url
from titleholder.spec.model import ModelSpec

TESTS = {"event": "by event", "future": "planted future", "as_of": "by `:as_of`"}
LOANS, MANY = 3_600, 60_000
"""The sizes of the lender: for the table of queries, and for the time."""


def fill(url: str, loans: int = LOANS) -> None:
    """Make the schema `trap`, in place of one that is there."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(WORLD.format(loans=loans, customers=loans // 12))
    engine.dispose()


def found_by(report: LeakReport) -> dict[str, str]:
    """For each test whether it found a leak."""
    return {title: "yes" if any(leak.test == test for leak in report.leaks) else "" for test, title in TESTS.items()}


def says(report: LeakReport, shape: Shape) -> str:
    """What the test says in a few words, or why it finds nothing."""
    by_as_of = any(leak.test == "as_of" for leak in report.leaks)
    if report.outcome == "not tested":
        return f"not tested: {shape.why or report.untested[0].partition(': ')[2]}"
    if report.outcome == "clean":
        late = [f"a warning: {leak.share:.1%} of the holdout's rows come later" for leak in report.late_rows]
        return f"**not found**: {shape.why}" if shape.why else "; ".join(["clean", *late])
    if shares := [leak.share for leak in report.leaks if leak.share is not None]:
        return f"{shares[0]:.0%} of the holdout's rows come or go later"
    if lags := [leak.lag for leak in report.leaks if leak.lag]:
        return f"known more than {elapsed(max(lags))} after the event"
    what = "label" if any(leak.column == report.target for leak in report.leaks) else "value"
    return f"the {what} changes with {'a later `:as_of`' if by_as_of else 'facts known after `:as_of`'}"


def table(title: str, shapes: Iterable[Shape], url: str) -> None:
    """Print one line for each shape."""
    print(f"\n| {title} | {' | '.join(TESTS.values())} | what the test says | s |\n|---|---|---|---|---|---:|")
    for shape in shapes:
        begun = time.perf_counter()
        report = leaktest(spec_of(shape), AS_OF, url=url)
        took = time.perf_counter() - begun
        print(
            f"| {shape.name} | {' | '.join(found_by(report).values())} | {says(report, shape)} | {took:.0f} |",
            flush=True,
        )


def seconds(spec: ModelSpec, as_of: date, url: str) -> tuple[int, float, float]:
    """Rows, the time of one extraction (the best of three), and that of the leak test."""
    spans, took = as_of_range.intervals(url, spec, as_of), []
    for _ in range(3):
        start = time.perf_counter()
        with extraction.stream(url, spec, spans, as_of) as (schema, batches):
            rows = pa.Table.from_batches(batches, schema).num_rows
        took.append(time.perf_counter() - start)
    start = time.perf_counter()
    leaktest(spec, as_of, url=url)
    return rows, min(took), time.perf_counter() - start


def rows(_case: object) -> Iterator[Row]:
    """For `make bench`."""
    fill(os.environ["TITLEHOLDER_LOADER_URL"], MANY)
    count, once, whole = seconds(spec_of(HONEST[0]), AS_OF, connection_url("warehouse"))
    yield Row(f"leak test of {count:,} rows", whole, "s", "one extraction", once, 2)


if __name__ == "__main__":
    WAREHOUSE, LOADER = connection_url("warehouse"), os.environ["TITLEHOLDER_LOADER_URL"]
    fill(LOADER)
    table("leaky query", LEAKY, WAREHOUSE)
    table("honest query", HONEST, WAREHOUSE)
    print("\n| loans | rows | one extraction, s | leak test, s | extractions |\n|---:|---:|---:|---:|---:|")
    for size in (LOANS, MANY):
        fill(LOADER, size)
        count, once, whole = seconds(spec_of(HONEST[0]), AS_OF, WAREHOUSE)
        print(f"| {size:,} | {count:,} | {once:.2f} | {whole:.1f} | {whole / once:.0f} |", flush=True)
