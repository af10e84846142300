"""Extraction: time and peak memory by rows, against `COPY (the same ordered query) TO STDOUT (FORMAT binary)`.

    python benchmarks/extraction.py --rows 2000000 8000000
    python benchmarks/extraction.py --ways titleholder unsynced again

Each measurement is a process of its own; memory is its peak resident set above that of a process that only imports.
The yardstick is psycopg2's COPY into /dev/null, in the same run; beside them pandas.read_sql + to_parquet.
`check` is the step `contract` of `titleholder check`, which reads the rows of one date and holds them to the contract.
`unsynced` does not bring the file to the disk; `again` finds the file there and verifies it. Needs the local stack
(`make up`); makes and drops the table `bench_events` in its warehouse.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from measurement import Row, memory

WAYS = ["COPY", "titleholder", "unsynced", "again", "pandas"]
FEATURES = [f"f{i}" for i in range(12)]


def spec() -> object:
    """A spec whose query reads the whole table."""
    from titleholder.spec.model import ModelSpec

    return ModelSpec.restore(
        {
            "name": "bench", "owner": "bench", "start_date": "2020-01-01", "task": "classification",
            "source": {"connection": "warehouse", "query": "bench.sql"},
            "columns": {"entity": "id", "event_time": "happened_at", "target": "bad", "numeric": FEATURES},
            "windows": {"label_maturity": "1 month", "train": "24 months", "holdout": "3 months"},
            "training": {"candidates": {"a": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
            "judgement": {"metric": "roc_auc"},
            "sql": "select * from bench_events where id < {rows} and happened_at >= :window_start "
            "and happened_at < :window_end and happened_at <= :as_of",
        }
    )  # fmt: skip


def measure(how: str, rows: int) -> None:
    """Run one way once and print seconds, processor seconds and peak megabytes."""
    import pandas as pd
    import psycopg2
    from sqlalchemy import create_engine

    from titleholder.data import extraction, snapshots
    from titleholder.settings import connection_url
    from titleholder.spec import windows
    from titleholder.workflow.preflight.known import Known
    from titleholder.workflow.preflight.rows import check_contract

    taken = spec()
    sql = taken.sql.format(rows=rows)
    taken = taken.model_copy(update={"sql": sql})
    spans, url = windows.intervals(taken, date(2024, 1, 1)), connection_url("warehouse")
    plain = f"select * from bench_events where id < {rows} order by happened_at, id"

    def extract() -> None:
        with extraction.stream(url, taken, spans, date(2024, 1, 1)) as (schema, batches):
            snapshots.write(folder, "bench", schema, batches)

    with tempfile.TemporaryDirectory() as folder:
        if how == "again":
            extract()
        if how == "unsynced":
            os.fsync = lambda _: None
        began, worked, before = time.perf_counter(), time.process_time(), memory("VmHWM")
        if how in ("titleholder", "unsynced", "again"):
            extract()
        elif how == "COPY":
            with psycopg2.connect(url) as connection, open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                connection.cursor().copy_expert(f"COPY ({plain}) TO STDOUT (FORMAT binary)", nowhere)
        elif how == "check":
            assert all(
                said.outcome != "fault" for said in check_contract(Known("bench", date(2023, 10, 2), url, read=taken))
            )
        elif how == "pandas":
            engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
            pd.read_sql(plain, engine).to_parquet(f"{folder}/x.parquet", compression="zstd")
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
    sys.stdout.write(f"{seconds} {processor} {memory('VmHWM') - before}\n")


def fill(url: str, rows: int) -> None:
    """Make the table."""
    from sqlalchemy import create_engine

    columns = ", ".join(f"random() as {name}" for name in FEATURES)
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop table if exists bench_events")
        connection.exec_driver_sql(
            f"create table bench_events as select i as id, timestamptz '2021-10-01 UTC' + (i %% 700) * interval '1 day'"
            f" as happened_at, (i %% 10 = 0)::int as bad, {columns} from generate_series(0, {rows} - 1) i"
        )


class Measured(NamedTuple):
    """Medians of one size and way: seconds, processor seconds, and peak megabytes."""

    rows: int
    how: str
    seconds: float
    processor: float
    megabytes: float


def measured(sizes: Sequence[int], times: int, ways: Sequence[str]) -> Iterator[Measured]:
    """Each size and way, several times in turn."""
    from sqlalchemy import create_engine

    loader = os.environ["TITLEHOLDER_LOADER_URL"]
    fill(loader, max(sizes))
    for rows in sizes:
        found: dict[str, list[list[float]]] = {}
        for _, how in itertools.product(range(times), ways):
            command = [sys.executable, __file__, "--measure", how, str(rows)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.setdefault(how, []).append([float(number) for number in done.stdout.split()])
        for how, runs in found.items():
            yield Measured(rows, how, *map(statistics.median, zip(*runs, strict=True)))
    with create_engine(loader).begin() as connection:
        connection.exec_driver_sql("drop table bench_events")


def rows(_case: object) -> Iterator[Row]:
    """For `make bench`."""
    found = {one.how: one for one in measured([2_000_000], 3, WAYS)}
    own, copy, unsynced, again = (found[how] for how in ("titleholder", "COPY", "unsynced", "again"))
    size = f"{own.rows:,} rows"
    yield Row(f"titleholder, {size}", own.seconds, "s", "COPY", copy.seconds, 1.3)
    yield Row("titleholder, peak memory", own.megabytes, "MB", "250 MB", 250, 1.0)
    yield Row("titleholder, brought to the disk", own.seconds, "s", "not brought to the disk", unsynced.seconds)
    yield Row("the same, processor time", own.processor, "s", "not brought to the disk", unsynced.processor)
    yield Row("titleholder, the file is there and is verified", again.seconds, "s", "written", own.seconds)
    yield Row("the same, processor time", again.processor, "s", "written", own.processor)
    yield Row(f"pandas, {size}", found["pandas"].seconds, "s", "COPY", copy.seconds)


def main() -> None:
    """Fill, measure each way at each size, print medians and ratios."""
    from titleholder.cli.local_stack import use_addresses

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000_000])
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=[*WAYS, "check"])
    asked = parser.parse_args()
    use_addresses()
    yardsticks: dict[int, float] = {}
    heads = f"{'way':12} {'rows':>10} {'seconds':>9} {'ratio':>6} {'processor':>9} {'peak MB':>9}"
    print(f"{heads}   (medians of {asked.times})")
    for one in measured(asked.rows, asked.times, asked.ways):
        ratio = one.seconds / yardsticks.setdefault(one.rows, one.seconds)
        numbers = f"{one.seconds:>9.2f} {ratio:>6.2f} {one.processor:>9.2f} {one.megabytes:>9.0f}"
        print(f"{one.how:12} {one.rows:>10,} {numbers}", flush=True)


if __name__ == "__main__":
    measure(sys.argv[2], int(sys.argv[3])) if sys.argv[1:2] == ["--measure"] else main()
