"""Batch scoring: rows a second and peak memory, against a plain `predict` and COPY of the same rows in one frame.

    make bench ONLY=scoring

It writes millions of scores, which nobody can delete, so it runs on the stack that `make bench` makes and deletes. Each
measurement is a process of its own; memory is its peak resident set above that of a process that only imports.

- `titleholder`: a scoring run: query, snapshot, contract, scores, digest, COPY, and the run's row.
- `reasons`: the same with four reasons for each score.
- `plain`: the same query into one frame, `predict_proba` of the same pipeline, COPY into a table with the same key.
- `copy bare`, `copy key`, `copy ledger`: the COPY alone, into a table without any key, with it, and with the guards.
"""

from __future__ import annotations

import io
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from measurement import Row, memory

SIZES, TIMES = (200_000, 2_000_000), 3
REASONS = 4
COPIES = ("copy bare", "copy key", "copy ledger")
FEATURES = [f"f{i}" for i in range(12)]
TRAINED, SCORED, LANE = date(2024, 1, 1), date(2024, 6, 2), "bench"
FIRST = 1_000_000
"""The id of the first row to score."""


def spec(rows: int = 1, turn: int = 0, reasons: int | None = None) -> Any:
    """The model; its scoring query returns so many rows, and is another one each turn."""
    from titleholder.spec.model import ModelSpec

    numbers = ", ".join(FEATURES)
    window = "happened_at >= :window_start and happened_at < :window_end and happened_at <= :as_of"
    return ModelSpec.restore(
        {
            "name": "bench_scores", "owner": "bench", "start_date": "2020-01-01", "task": "classification",
            "source": {"connection": "warehouse", "query": "x.sql", "tables": {"bench_rows": "static"}},
            "columns": {
                "entity": "id", "event_time": "happened_at", "target": "bad", "numeric": FEATURES,
                "categorical": ["kind"],
            },
            "windows": {"label_maturity": "1 month", "train": "6 months", "holdout": "2 months"},
            "training": {"search": {"trials": 1, "folds": 2}, "candidates": {"boosting": {
                "estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 100}}}},
            "judgement": {"metric": "roc_auc", "rule": "fresh", "checks": {"plausible": {"severity": "warn"}}},
            "sql": f"select id, happened_at, bad, {numbers}, kind from bench_rows where {window}",
            "scoring": {
                "query": "y.sql", "window": "1 day", "lane": LANE, "reasons": reasons,
                "sql": f"select id, happened_at, {numbers}, kind from bench_rows where id >= {FIRST} "
                f"and id < {FIRST + rows} and {window} -- {turn}",
            },
        }
    )  # fmt: skip


def fill(url: str, rows: int) -> None:
    """Make the table: 20,000 rows of 2023 to train on, and those to score on one day of 2024."""
    from sqlalchemy import create_engine

    numbers = ", ".join(f"random_normal() as {name}" for name in FEATURES)
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop table if exists bench_rows, bench_bare, bench_key")
        connection.exec_driver_sql(
            f"create table bench_rows as select *, (random() < 1 / (1 + exp(1.5 - f0 - 0.5 * f1)))::int as bad from ("
            f"select i as id, case when i < 20000 then timestamptz '2023-03-01 UTC' + i * interval '21 minutes' "
            f"else timestamptz '2024-06-01 UTC' + (i - {FIRST}) * interval '40 ms' end as happened_at, "
            f"(array['red', 'green', 'blue'])[1 + i %% 3] as kind, {numbers} from ("
            f"select generate_series(0, 19999) as i union all select generate_series({FIRST}, {FIRST + rows} - 1)"
            ") as numbers) as made"
        )
        connection.exec_driver_sql("create table bench_bare (run bigint, position int, entity text, "
                                   "event_time timestamptz, score float8)")  # fmt: skip
        connection.exec_driver_sql('create table bench_key (run bigint, position int, entity text collate "C", '
                                   "event_time timestamptz, score float8, primary key (run, entity))")  # fmt: skip


def crown() -> None:
    """Train once, so that the lane has a champion."""
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.payloads import Origin
    from titleholder.workflow.retrain import retrain

    made = retrain(
        spec(), TRAINED, LANE, url=connection_url("warehouse"), origin=Origin(actor="bench"),
        settings=Settings.from_environment(),
    )  # fmt: skip
    if made.decision.champion_after is None:
        raise SystemExit(f"no champion: {made.decision.reason}")


class Case:
    """One measurement: so many rows, known by a number of its own, so that no earlier run is found."""

    def __init__(self, rows: int, number: int, reasons: int | None = None) -> None:
        from titleholder.settings import Settings, connection_url

        self.rows, self.number, self.spec = rows, number, spec(rows, number, reasons)
        self.settings, self.url = Settings.from_environment(), connection_url("warehouse")

    def pinned(self) -> Any:
        """The champion."""
        from titleholder.workflow import batch_scoring
        from titleholder.workflow.payloads import Origin

        origin = Origin(actor="bench")
        return batch_scoring.pin(self.spec, SCORED, LANE, url=self.url, origin=origin, settings=self.settings)

    def titleholder(self) -> None:
        """A scoring run."""
        from titleholder.workflow import batch_scoring

        batch_scoring.score(self.pinned(), url=self.url, settings=self.settings)

    def plain(self) -> None:
        """All rows in one frame, scored and copied."""
        import pyarrow as pa

        from titleholder.data import extraction
        from titleholder.data.scoring_contract import scoring_window, spec_of_rows
        from titleholder.ledger import store
        from titleholder.workflow.champion_model import ChampionModel
        from titleholder.workflow.trained_versions import trained_versions

        decision = store.decision(self.settings.ledger_url, self.pinned().trained_by)
        (trained,) = trained_versions([decision], self.settings.ledger_url)
        model = ChampionModel.of(trained, self.settings).pipeline
        spans = scoring_window(self.spec, SCORED)
        with extraction.opened(self.url, spec_of_rows(self.spec, self.spec), spans, SCORED) as session:
            schema, batches = session.read(extraction.ordered(self.spec.scoring.sql, "happened_at", "id"))
            frame = pa.Table.from_batches(batches, schema).to_pandas()
        scores = model.predict_proba(frame[[*FEATURES, "kind"]].astype({"kind": object}))[:, 1]
        self.copy("key", [_batch(range(self.rows), frame["id"].astype(str), frame["happened_at"], scores)])

    def copy(self, table: str, batches: Iterable[Any]) -> None:
        """Into a table without guards."""
        import psycopg2
        import pyarrow as pa
        import pyarrow.csv as pacsv

        options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
        address = os.environ["TITLEHOLDER_LOADER_URL"].replace("postgresql+psycopg2:", "postgresql:")
        with psycopg2.connect(address) as connection:
            for batch in batches:
                numbered = batch.add_column(0, "run", pa.repeat(pa.scalar(self.number, pa.int64()), batch.num_rows))
                buffer = io.BytesIO()
                pacsv.write_csv(numbered, buffer, options)
                buffer.seek(0)
                connection.cursor().copy_expert(f"copy bench_{table} from stdin (format csv)", buffer)

    def copy_into_ledger(self, batches: Iterable[Any]) -> None:
        """Into the ledger's table, with a run that says of itself what it likes."""
        from titleholder.ledger import score_runs
        from titleholder.workflow import batch_scoring

        texts = ("input_uri", "output_uri", "output_sha256", "code_version", "actor", "airflow_run", "reason")
        entry = score_runs.Entry.model_validate(
            batch_scoring.key_of(self.pinned()).model_dump()
            | dict.fromkeys(texts, "")
            | {"window_start": TRAINED, "input_sha256": "0" * 64, "rows": self.rows, "scores_sha256": "0" * 64}
        )
        score_runs.write(self.settings.ledger_url, entry, iter(batches), timedelta(hours=1))

    def made_up(self) -> Iterator[Any]:
        """Scores of no model."""
        from titleholder.data import snapshots

        moment = datetime(2024, 6, 1, tzinfo=UTC)
        for first in range(0, self.rows, snapshots.ROW_GROUP):
            numbers = list(range(first, min(first + snapshots.ROW_GROUP, self.rows)))
            yield _batch(numbers, [str(FIRST + n) for n in numbers], [moment] * len(numbers), [n / 7 for n in numbers])


def _batch(*columns: Any) -> Any:
    import pyarrow as pa

    from titleholder.data import run_scores

    columns = (*columns, *([[None] * len(columns[0])] if len(columns) < len(run_scores.SCHEMA) else []))
    arrays = [pa.array(c).cast(f.type) for c, f in zip(columns, run_scores.SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=run_scores.SCHEMA)


def measure(how: str, rows: int, number: int) -> None:
    """Run one way once and print seconds, processor seconds and peak megabytes."""
    import mlflow.sklearn  # noqa: F401  (what is imported on first use counts for neither)
    import skops.io  # noqa: F401

    from titleholder.workflow import batch_scoring  # noqa: F401

    case = Case(rows, number, REASONS if how == "reasons" else None)
    batches = list(case.made_up()) if how in COPIES else []
    work: dict[str, Callable[[], None]] = {
        "titleholder": case.titleholder,
        "reasons": case.titleholder,
        "plain": case.plain,
        "copy bare": lambda: case.copy("bare", batches),
        "copy key": lambda: case.copy("key", batches),
        "copy ledger": lambda: case.copy_into_ledger(batches),
    }
    began, worked, before = time.perf_counter(), time.process_time(), memory("VmHWM")
    work[how]()
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    sys.stdout.write(f"{seconds} {processor} {memory('VmHWM') - before}\n")


class Measured(NamedTuple):
    """Medians of one size and way: seconds, processor seconds, and peak megabytes."""

    seconds: float
    processor: float
    megabytes: float


def rows(_case: object) -> Iterator[Row]:
    """For `make bench`."""
    fill(os.environ["TITLEHOLDER_LOADER_URL"], max(SIZES))
    crown()
    runs: dict[tuple[str, int], list[list[float]]] = {}
    ways = [(how, size) for size in SIZES for how in ("plain", "titleholder", "reasons")]
    ways += [(how, max(SIZES)) for how in COPIES]
    for number, (_, (how, size)) in enumerate(itertools.product(range(TIMES), ways)):
        command = [sys.executable, __file__, how, str(size), str(number)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.setdefault((how, size), []).append([float(value) for value in done.stdout.split()])
    found = {key: Measured(*map(statistics.median, zip(*of, strict=True))) for key, of in runs.items()}
    for size in SIZES:
        own, plain = found["titleholder", size], found["plain", size]
        yield Row(f"scoring run of {size:,} rows", own.seconds, "s", "predict and COPY", plain.seconds, 1.5)
        yield Row("the same, processor time of the process", own.processor, "s", "predict and COPY", plain.processor)
        yield Row("the same, peak memory", own.megabytes, "MB", "predict and COPY", plain.megabytes)
        yield Row("the same, rows a second", size / own.seconds, "", "predict and COPY", size / plain.seconds)
        given = found["reasons", size]
        what = f"without, {own.seconds:.1f} s"
        yield Row(
            f"the same with {REASONS} reasons a row, rows a second", size / given.seconds, "", what, size / own.seconds
        )
        yield Row("the same, peak memory", given.megabytes, "MB", "without", own.megabytes)
    small, large = (found["reasons", size].megabytes for size in SIZES)
    yield Row(f"peak memory of {SIZES[1]:,} rows with reasons", large, "MB", f"{SIZES[0]:,} rows", small, 1.5)
    small, large = (found["titleholder", size].megabytes for size in SIZES)
    yield Row(f"peak memory of {SIZES[1]:,} rows", large, "MB", f"{SIZES[0]:,} rows", small, 1.5)
    bare, key, ledger = (found[how, max(SIZES)].seconds for how in COPIES)
    yield Row(f"COPY of {max(SIZES):,} scores with the key", key, "s", "without any", bare)
    yield Row("the same with the guards of the ledger", ledger, "s", "with the key alone", key, 1.2)


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
