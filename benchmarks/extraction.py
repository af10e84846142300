"""Extraction: time and peak memory by rows, against pandas.read_sql + to_parquet on the same table in the same run.

Each measurement is a process of its own; memory is its peak resident set above that of a process that only imports.
Needs the local stack (`make up`); makes and drops the table `bench_events` in its warehouse.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date

SIZES = (250_000, 2_000_000)
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
    """Run one way once and print seconds and peak megabytes."""
    import pandas as pd
    from sqlalchemy import create_engine

    from titleholder.data import extraction, snapshots
    from titleholder.settings import connection_url
    from titleholder.spec import windows

    taken = spec()
    sql = taken.sql.format(rows=rows)
    taken = taken.model_copy(update={"sql": sql})
    spans, url = windows.intervals(taken, date(2024, 1, 1)), connection_url("warehouse")
    began, before = time.perf_counter(), peak()
    with tempfile.TemporaryDirectory() as folder:
        if how == "titleholder":
            with extraction.stream(url, taken, spans, date(2024, 1, 1)) as (schema, batches):
                snapshots.write(folder, "bench", schema, batches)
        elif how == "pandas":
            engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
            plain = f"select * from bench_events where id < {rows} order by happened_at, id"
            pd.read_sql(plain, engine).to_parquet(f"{folder}/x.parquet", compression="zstd")
    sys.stdout.write(f"{time.perf_counter() - began} {peak() - before}\n")


def peak() -> float:
    """Peak resident set so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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


def main() -> None:
    """Fill, measure each way at each size three times, print medians and ratios."""
    from titleholder.cli.local_stack import use_addresses

    use_addresses()
    fill(os.environ["TITLEHOLDER_LOADER_URL"], max(SIZES))
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for rows in SIZES:
        for _ in range(3):
            for how in ("titleholder", "pandas"):
                done = subprocess.run(
                    [sys.executable, __file__, how, str(rows)], check=True, capture_output=True, text=True
                )
                seconds, megabytes = map(float, done.stdout.split())
                found.setdefault((how, rows), []).append((seconds, megabytes))
    print(f"{'way':12} {'rows':>10} {'seconds':>9} {'peak MB':>9}   (medians of 3)")
    for (how, rows), runs in found.items():
        print(f"{how:12} {rows:>10,} {sorted(r[0] for r in runs)[1]:>9.2f} {sorted(r[1] for r in runs)[1]:>9.0f}")
    from sqlalchemy import create_engine

    with create_engine(os.environ["TITLEHOLDER_LOADER_URL"]).begin() as connection:
        connection.exec_driver_sql("drop table bench_events")


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else main()
