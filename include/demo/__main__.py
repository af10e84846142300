"""`make demo`: the local stack, a simulated lender, a backfill, live runs, and whether they were worth it."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from dateutil.relativedelta import relativedelta
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.lender import fingerprint, simulate
from demo.load import load, loaded
from localstack import cli as stack
from localstack.airflow import DONE, Airflow
from localstack.settings import addresses, environment
from localstack.state import State
from titleholder.cli.console import ProgressBars, err, out, print_error
from titleholder.cli.tables import decision_table
from titleholder.errors import TitleholderError
from titleholder.ledger import reigns, store
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import BACKTEST, LIVE
from titleholder.workflow.backtest.answer import answer
from titleholder.workflow.backtest.run import backtest
from titleholder.workflow.backtest.walk import Request

MODEL = "demo_default"
DAG = f"{MODEL}.retrain"
MONTHS, PER_MONTH, SEED = 60, 2000, 10  # of the simulated lender


def run(
    months: Annotated[int, typer.Option(min=1, max=24, help="Months of history to backfill.")] = 18,
    at_once: Annotated[int, typer.Option(min=1, max=16, help="Runs of the backfill at a time.")] = 4,
) -> None:
    """From an empty folder to a champion. Running it again repeats nothing that exists already."""
    began = time.monotonic()
    stack.up()
    state = State.locate()
    os.environ.update(addresses(state))  # the stack that was started, whatever the shell has; MLflow's client reads it
    settings = Settings.from_environment()
    this_month = datetime.now(UTC).date().replace(day=1)
    spec = load_specs(only=MODEL)[MODEL]
    airflow = Airflow.of(state)
    with _progress() as progress:
        _fill_warehouse(environment(state)["TITLEHOLDER_LOADER_URL"], this_month, progress)
        airflow.wait_for_dag(DAG)
        url = settings.ledger_url
        history = _backfill(airflow, url, this_month - relativedelta(months=months), this_month, at_once, progress)
        live = _live(airflow, url, this_month, progress)
        _until(lambda: all([history(), live()]))  # side by side: a chain of tasks alone leaves a core idle
        worth, report = _backtest(spec, settings, progress)
    _print_summary(spec, airflow, url, settings.tracking_uri, report, time.monotonic() - began)
    out.print(f"\nWas retraining worth it? {worth}", soft_wrap=True)


def _fill_warehouse(url: str, this_month: date, progress: Progress) -> None:
    bar = progress.add_task("Simulated lender: rows in the warehouse", total=None)
    end = this_month + relativedelta(months=1)
    if loaded(url) != fingerprint(end, MONTHS, PER_MONTH, SEED):
        lender = simulate(end, MONTHS, PER_MONTH, SEED)
        sizes = {name: len(table) for name, table in lender.tables.items()}
        total, before = sum(sizes.values()), dict(zip(sizes, itertools.accumulate([0, *sizes.values()]), strict=False))

        def on_rows(table: str, done: int, _rows: int) -> None:
            progress.update(bar, total=total, completed=before[table] + done)

        load(url, lender, progress=on_rows)
        progress.update(bar, completed=total)
    else:
        progress.update(bar, total=1, completed=1)


def _backfill(
    airflow: Airflow, url: str, first: date, until: date, at_once: int, progress: Progress
) -> Callable[[], bool]:
    """Start the months before this one, in the lane `backtest`; those with a decision are left alone.

    Returns what says whether they are done, and shows how many.
    """
    all_months = [first + relativedelta(months=n) for n in range(_months_between(first, until))]
    decided = {row.as_of for row in store.read(url, MODEL, BACKTEST)}
    missing = [month for month in all_months if month not in decided]
    bar = progress.add_task(f"Backfill: {len(all_months)} months of history", total=len(all_months))
    if missing:
        airflow.backfill(DAG, str(missing[0]), str(missing[-1]), at_once=at_once)
    airflow.pause(DAG, False)

    def done() -> bool:
        ended = airflow.count(DAG, "backfill", DONE) if missing else 0
        progress.update(bar, completed=len(all_months) - max(len(missing) - ended, 0))
        if not missing:
            return True
        if ended < len(missing) or not airflow.have_ended(DAG, "backfill", len(missing)):
            return False
        _raise_for_failures(airflow, airflow.runs(DAG, "backfill"))
        return True

    return done


def _live(airflow: Airflow, url: str, this_month: date, progress: Progress) -> Callable[[], bool]:
    """The month's scheduled run, which Airflow starts by itself, then a run by the REST API, as the form starts it.

    Returns what starts the second once the first has ended, and says whether both are done.
    """
    bar = progress.add_task("Live: the schedule's run, then one by the REST API", total=2)
    today = datetime.now(UTC).date()
    live = [row.as_of for row in store.read(url, MODEL, LIVE) if row.as_of >= this_month]
    started: list[str] = []

    def done() -> bool:
        if not live and not airflow.count(DAG, "scheduled", DONE):
            return False
        if not started and len(live) < 2 and today not in live:
            _raise_for_failures(airflow, airflow.runs(DAG, "scheduled"))
            started.append(airflow.trigger(DAG, {"reason": "make demo"}))
        runs = [airflow.run(DAG, run_id) for run_id in started]
        ended = all(run["state"] in DONE for run in runs)
        progress.update(bar, completed=1 + ended)
        _raise_for_failures(airflow, runs)
        return ended

    return done


def _backtest(spec: ModelSpec, settings: Settings, progress: Progress) -> tuple[str, str]:
    """The backtest's answer over the backfilled months, and its report's address; without other thresholds."""
    own = spec.judgement
    bar = progress.add_task("Backtest: what became of the loans that followed", total=None)
    done = backtest(
        Request(MODEL, BACKTEST, tolerated_losses=(own.tolerance,), confidences=(own.confidence,)),
        url=connection_url,
        actor="demo",
        settings=settings,
        on_step=lambda _what, n, total: progress.update(bar, completed=n, total=total + 1),
    )
    progress.update(bar, total=1, completed=1)
    return answer(done.result), done.url


def _print_summary(spec: ModelSpec, airflow: Airflow, url: str, mlflow: str, report: str, seconds: float) -> None:
    for lane in (BACKTEST, LIVE):
        out.print(
            decision_table(f"{spec.name}, lane {lane}", reigns.in_force(store.read(url, MODEL, lane), lane), out.width),
            "",
        )
    command = os.path.relpath(os.path.join(os.path.dirname(sys.executable), "titleholder"))  # noqa: PTH118, PTH120
    out.print(
        f"\nDone in {seconds:.0f} s.\n"
        f"  Airflow   {airflow.address}   user admin, password: {command} stack status --password\n"
        f"  Champions {airflow.address}/plugin/champions   the champion, and why\n"
        f"  MLflow    {mlflow}   user reader, password: {command} stack status --password --mlflow\n"
        f"  History   {command} history {MODEL} --lane backtest\n"
        f"  Backtest  {report}\n"
        f"  Audit     {command} audit {MODEL}          (ledger, MLflow and snapshots agree)\n"
        f"  Stop      make down        (data stays; make clean deletes it)",
        soft_wrap=True,
    )


def _raise_for_failures(airflow: Airflow, runs: Sequence[Mapping[str, Any]]) -> None:
    failed = [str(run["dag_run_id"]) for run in runs if run["state"] == "failed"]
    if failed:
        raise TitleholderError(
            f"{len(failed)} run(s) of {DAG} failed: {', '.join(failed)}. The champion stays where it was. See the red "
            f"task's log at {airflow.address}/dags/{DAG}, clear it there, or run `make demo` again."
        )


def _until(done: Callable[[], bool], timeout: float = 3000) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise TitleholderError(f"not done after {timeout / 60:.0f} minutes; Airflow continues by itself")
        time.sleep(1)


def _months_between(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


def _progress() -> Progress:
    return ProgressBars(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    )


def main() -> None:
    """Run the demo; errors meant for a person end it with their message."""
    try:
        typer.run(run)
    except TitleholderError as error:
        print_error(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
