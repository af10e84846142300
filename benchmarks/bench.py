"""`make bench`: what finishes in minutes, as one table for people and one JSON file for programs.

    make bench                     those that finish in minutes
    make bench ONLY="extraction scale"
    make bench ALL=1               the long ones too; some need Airflow
    make bench LOANS=lending_club.parquet   months of real loans instead of the simulated lender's

Every figure has a yardstick from the same run. The services are those of a stack of its own, in a scratch folder.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

from dateutil.relativedelta import relativedelta
from measurement import Row, machine, show
from usual_dag import STUB

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / ".bench" / "results.json"
LENDER = (72, 2000, 10)
"""Months, loans a month and seed of the simulated lender."""
DAGS_FOLDER = "AIRFLOW__CORE__DAGS_FOLDER"
MOST = 48
"""Its as-of dates: 6 months to mature, 3 of holdout and 12 of training come before the first."""


class Case(NamedTuple):
    """The model whose months are run, the first of them, and how many there are; and that of the simulated lender."""

    model: str
    first: date
    most: int
    simulated: Case | None = None

    @property
    def steady(self) -> Case:
        """Months of about equally many rows each: the simulated lender's."""
        return self.simulated or self

    def months(self, count: int) -> list[date]:
        """The first `count` as-of dates."""
        return [self.first + relativedelta(months=n) for n in range(count)]


class Benchmark(NamedTuple):
    """A module with a function of a `Case` that yields `Row`s; what it needs, and whether it takes long."""

    module: str
    about: str
    needs: Literal["nothing", "services", "airflow"] = "services"
    long: bool = False
    function: str = "rows"

    def rows(self, case: Case) -> Iterator[Row]:
        """Measure."""
        found: Iterator[Row] = getattr(importlib.import_module(self.module), self.function)(case)
        return found


BENCHMARKS = {
    "judgement": Benchmark("judgement_speed", "areas and bootstraps, against scikit-learn's plain way", "nothing"),
    "scale": Benchmark("scale", "training and judging 1,000,000 x 30, outside of the estimators", "nothing"),
    "extraction": Benchmark("extraction", "2,000,000 rows to Parquet, against COPY"),
    "scoring": Benchmark("score_rows", "scoring 2,000,000 rows, against a plain predict and COPY", long=True),
    "leaktest": Benchmark("leaktest", "the leak test, against one extraction"),
    "months": Benchmark("plain_script", "titleholder run, against scikit-learn and MLflow without judgement"),
    "after": Benchmark("after_the_run", "backtest, audit and reproduce of these months"),
    "growth": Benchmark("growth", "specs and decisions: exponents, 0 is flat"),
    "ageing": Benchmark("growth", "48 months, one after the other: exponent, 0 is flat", long=True, function="ageing"),
    "backfill": Benchmark("backfill", "a native backfill, 4 at a time, against the loop", "airflow", long=True),
    "usual": Benchmark("usual_dag", "a native backfill, against one of the usual kind of DAG", "airflow", long=True),
}


def chosen(names: Sequence[str], everything: bool) -> dict[str, Benchmark]:
    """Those named, or all, or all that finish in minutes."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return {n: b for n, b in BENCHMARKS.items() if n in names or (not names and (everything or not b.long))}


@contextmanager
def stack(*, airflow: str | None, log: Callable[[str], None]) -> Iterator[None]:
    """A running stack in a scratch folder, whose addresses are in the environment; deleted in the end.

    With Airflow where a model is named: it then has the usual DAG of that model too.
    """
    from localstack import environments
    from localstack import stack as local
    from localstack.cli import migrate_ledger
    from localstack.settings import environment
    from localstack.state import State

    state = State(Path(tempfile.mkdtemp(prefix="titleholder-bench-")))
    log("starting PostgreSQL, MLflow" + (" and Airflow" if airflow else ""))
    dags = state.root.with_suffix(".dags")
    plainly = environments.airflow_settings
    try:
        shutil.copytree(ROOT / "dags", dags)
        (dags / "usual.py").write_text(STUB.format(benchmarks=str(ROOT / "benchmarks"), model=airflow))
        with patch.object(environments, "airflow_settings", lambda *known: plainly(*known) | {DAGS_FOLDER: str(dags)}):
            local.up(state, airflow=airflow is not None, after_postgres=[migrate_ledger])
        os.environ["TITLEHOLDER_STATE"] = str(state.root)
        os.environ.update(
            {k: v for k, v in environment(state).items() if k.startswith(("TITLE", "MLFLOW", "AIRFLOW_C"))}
        )
        yield
    finally:
        local.clean(state)
        for folder in (state.root, dags):
            shutil.rmtree(folder, ignore_errors=True)


def loaded(loans: str | None, log: Callable[[str], None]) -> Case:
    """Fill the warehouse with the simulated lender's books, and with real loans where there are any."""
    from demo.lender import simulate
    from demo.load import load

    months, per_month, seed = LENDER
    log(f"simulating a lender of {months} months")
    end = datetime.now(UTC).date().replace(day=1)
    load(os.environ["TITLEHOLDER_LOADER_URL"], simulate(end, months, per_month, seed))
    simulated = Case("demo_default", end - relativedelta(months=MOST), MOST)
    if loans is None:
        return simulated
    from localstack import loading

    log(f"loading {loans}")
    loading.load(Path(loans), "lending_club", replace=False, on_rows=lambda *_: None)
    return Case("lending_club_default", date(2010, 7, 1), 36, simulated)


def main() -> None:
    """Run the chosen benchmarks and print their table; exit 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--all", action="store_true", help="the long ones too")
    parser.add_argument("--loans", help="a Parquet file of real loans, see docs/add-a-model.md")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    asked = parser.parse_args()
    wanted, began = chosen(asked.names, asked.all), time.monotonic()

    def log(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", file=sys.stderr, flush=True)

    found, failed = {}, {}
    about = {"machine": machine(), "case": "", "failed": failed}
    with ExitStack() as services:
        case, needs = Case("", date.min, 0), {benchmark.needs for benchmark in wanted.values()}
        if needs != {"nothing"}:
            model = "lending_club_default" if asked.loans else "demo_default"
            services.enter_context(stack(airflow=model if "airflow" in needs else None, log=log))
            case = loaded(asked.loans, log)
        for name, benchmark in wanted.items():
            log(f"{name}: {benchmark.about}")
            rows: list[Row] = found.setdefault(name, [])
            try:
                for row in benchmark.rows(case):
                    log(f"{name}: {row.name}: {row.ratio:.2f} of {row.yardstick}")
                    rows.append(row)
            except Exception as error:  # the others are measured all the same
                failed[name] = repr(error)
                log(f"{name} failed: {error!r}")
    for name, rows in found.items():
        show(f"{name}: {wanted[name].about}", rows)
    write(asked.json, about | {"case": case.model, "load_after": round(os.getloadavg()[0], 2)}, found)
    sys.exit(bool(failed))


def write(path: Path, about: dict[str, Any], found: dict[str, list[Row]]) -> None:
    """The machine for people, and all figures for programs."""
    it = about["machine"]
    print(
        f"{it['cores']} cores, {it['memory_gib']} GiB, {it['processor']}; load {it['load']} before and "
        f"{about['load_after']} after. As JSON: {path}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"benchmark": name, **row.document()} for name, rows in found.items() for row in rows]
    path.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
