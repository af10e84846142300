"""What the monitor says over 36 months of daily scoring, by Airflow on a stack of its own, and when it says it.

    python benchmarks/monitoring_backfill.py --json said.json    # 1,096 scoring runs, 157 looks; an hour
    python benchmarks/monitoring_backfill.py --months 1          # what a day costs

One lane of the shipped `demo_default` with its scorecard alone, on the loans of `daily_lender.py`. The first champion
lacks the columns of the credit bureau; a retrain 18 months later has them. Then Airflow's own backfill of
`<model>.score`, four days at once, with the monitor switched off. Then a run of `<model>.monitor` for every seventh
day, one after the other: looks must be made in order.

There is no rollback: only the lane `live` has them, and only now. Nor does another lane ask for retrains: the table
says when `live` would have asked for the same alarms.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from daily_lender import MODEL, MONTHS, RULE, SECOND, SPANS, START, history, months_later, write_model
from measurement import machine, used_by_command
from sqlalchemy import text
from tables import table

from demo.load import load
from localstack import stack as local
from localstack.airflow import DONE, Airflow
from localstack.cli import migrate_ledger
from localstack.settings import addresses, environment
from localstack.state import State
from titleholder.ledger import monitor_reports, score_runs, store
from titleholder.ledger.database import engine
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.validation.monitoring.report import RealisedCohort
from titleholder.validation.monitoring.retrain_request import Asked, ask
from titleholder.workflow.audit import audit
from titleholder.workflow.skew import of_model

MODELS = "TITLEHOLDER_MODELS"
LANE, SCORE, MONITOR = "daily", f"{MODEL}.score", f"{MODEL}.monitor"


# --- what is run -----------------------------------------------------------------------------------------------------


@contextmanager
def a_stack(home: Path | None) -> Iterator[State]:
    """A stack without Airflow, whose model is the one to be written; stopped in the end, deleted without a `home`."""
    state = State(home or Path(tempfile.mkdtemp(prefix="titleholder-daily-")))
    models = state.root.with_suffix(".models")
    models.mkdir(exist_ok=True)
    os.environ.update({"TITLEHOLDER_STATE": str(state.root), MODELS: str(models)})
    write_model(models, bureau=False)
    try:
        local.up(state, airflow=False, after_postgres=[migrate_ledger])
        os.environ.update(addresses(state))
        yield state
    finally:
        (local.down if home else local.clean)(state)
        shutil.rmtree(models, ignore_errors=True)
        if not home:
            shutil.rmtree(state.root, ignore_errors=True)


def decide(day: date, settings: Settings) -> None:
    """The retrain of a day, unless it was decided before; the version must take over."""
    rows = store.read(settings.ledger_url, MODEL, LANE)
    if not any(row.as_of == day for row in rows):
        command = [sys.executable, "-m", "titleholder.cli.main", "run", MODEL, "--lane", LANE, "--as-of", str(day)]
        used_by_command(command)
        rows = store.read(settings.ledger_url, MODEL, LANE)
    (row,) = (row for row in rows if row.as_of == day)
    if row.champion_after != row.challenger_version:
        raise SystemExit(f"the version of {day} did not become champion: {row.reason}")


def backfill(airflow: Airflow, days: Sequence[date], log: Callable[[str], None]) -> int:
    """Airflow's own backfill of the scoring of these days; how many of its runs failed."""
    airflow.wait_for_dag(SCORE)
    airflow.pause(SCORE, False)
    log("Airflow makes the runs")
    if airflow.count(SCORE, "backfill") < len(days):
        airflow.backfill(SCORE, str(days[0]), str(days[-1]), at_once=4, conf={"lane": LANE})
    log(f"it has those of {len(days)} days")
    shown = 0
    while not airflow.have_ended(SCORE, "backfill", len(days)):
        time.sleep(2)
        if (ended := airflow.count(SCORE, "backfill", DONE)) >= shown + 100:
            shown = ended
            log(f"{ended} scoring runs ended")
    airflow.pause(SCORE, True)
    return airflow.count(SCORE, "backfill", ("failed",))


def looks(settings: Settings) -> list[MonitorRecord]:
    """Every look at the lane."""
    found = monitor_reports.each(settings.ledger_url, MODEL)
    return [one for one in found if isinstance(one, MonitorRecord) and one.lane == LANE]


def look(airflow: Airflow, days: Sequence[date], every: int, settings: Settings) -> None:
    """A run of the monitor for the last of every so many days that has no report yet, one after the other."""
    airflow.wait_for_dag(MONITOR)
    airflow.pause(MONITOR, False)
    known = {one.as_of for one in looks(settings)}
    for day in (day for day in dict.fromkeys([*days[every - 1 :: every], days[-1]]) if day not in known):
        run = airflow.trigger(MONITOR, {"as_of": str(day), "lane": LANE})
        airflow.wait_for_success(MONITOR, run)
    airflow.pause(MONITOR, True)


# --- what was said ---------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """Every look of the lane, the days of its decisions, and the end of the loans that were scored."""

    looks: Sequence[MonitorRecord]
    decided: Sequence[date]
    end: date

    @property
    def alarms(self) -> list[Stood]:
        """Every alarm in the order in which it was raised; one that ends and comes back is there twice."""
        found: dict[tuple[str, int, date], Stood] = {}
        for one in self.looks:
            for alarm in one.report.alarms:
                key = (alarm.name, one.decision, alarm.since)
                sentence = found[key].sentence if key in found else alarm.sentence
                found[key] = Stood(alarm.name, one.version, alarm.since, one.as_of, sentence)
        return list(found.values())

    @property
    def asked(self) -> list[date]:
        """When the same alarms would have asked for a retrain in the lane `live`, by the same function."""
        found: list[Asked] = []
        for one in self.looks:
            last = max(day for day in self.decided if day <= one.as_of)
            answer = ask(
                one.report.alarms,
                RULE,
                lane="live",
                as_of=one.as_of,
                decision=one.decision,
                earlier=found,
                last_decision=last,
            )
            found += [Asked(one.as_of, one.decision)] if answer.asks else []
        return [one.as_of for one in found]

    @property
    def cohorts(self) -> list[RealisedCohort]:
        """The matured cohorts of every reign."""
        last = {one.decision: one.report.cohorts for one in self.looks}
        return [cohort for cohorts in last.values() for cohort in cohorts]

    @property
    def reviews(self) -> list[str]:
        """The answers of the review of the second version with the first look that gave each, and its last sentence."""
        given = [(one.as_of, one.report.review) for one in self.looks if one.report.review]
        first = {review.answer: day for day, review in reversed(given)}
        return [*(f"{answer} since {day}" for answer, day in first.items()), *(r.sentence for _, r in given[-1:])]

    @property
    def lines(self) -> Iterator[list[object]]:
        """A line of the table for each span: what was raised and would have been asked for, and what came true."""
        for span in (span for span in SPANS if span.start < self.end):
            raised = [f"`{one.name}` {one.since} to {one.until}" for one in self.alarms if one.since in span]
            some = [
                (c.estimated.estimate, c.realised.estimate) for c in self.cohorts if c.estimated and middle(c) in span
            ]
            yield [
                span.what,
                f"{span.start} to {min(span.end, self.end)}",
                ", ".join(raised) or "none",
                ", ".join(str(day) for day in self.asked if day in span) or "no",
                len(some),
                ", ".join(f"{value:.3f}" for value in np.mean(some, axis=0)) if some else "",
            ]


def middle(of: RealisedCohort) -> date:
    """The day in the middle of a cohort."""
    return of.start + (of.end - of.start) / 2


class Stood(NamedTuple):
    """An alarm, and the looks from the first to the last in which it stood."""

    name: str
    version: int
    since: date
    until: date
    sentence: str


def faults(runs: Sequence[ScoreRun], days: Sequence[date], loans: pd.DataFrame, settings: Settings) -> list[str]:
    """What is not as it must be: a run for each day, a score for each loan, and an audit without findings."""
    found = [] if sorted(run.as_of for run in runs) == list(days) else ["not one scoring run for each day"]
    first, last = (pd.Timestamp(day, tz="UTC") for day in (days[0] - timedelta(days=1), days[-1]))
    applied = int(((loans["applied_at"] >= first) & (loans["applied_at"] < last)).sum())
    with engine(settings.ledger_url).connect() as connection:
        query = "SELECT count(*), count(DISTINCT entity) FROM titleholder.scores WHERE run = ANY(:runs)"
        scores = tuple(connection.execute(text(query), {"runs": [run.id for run in runs]}).one())
    if scores != (applied, applied) or sum(run.rows for run in runs) != applied:
        found.append(f"{scores} scores and entities of {applied} loans")
    return [*found, *(str(finding) for finding in audit([MODEL], settings=settings).findings)]


def main() -> None:
    """Run everything, and print what was said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=MONTHS, help="of scoring, of the 36")
    parser.add_argument("--per-month", type=int, default=1000, help="loans")
    parser.add_argument("--every", type=int, default=7, help="days from look to look")
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--home", type=Path, help="keep the stack's data here; a second run continues")
    parser.add_argument("--json", type=Path, help="where all figures go")
    given = parser.parse_args()
    began = time.monotonic()

    def log(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)

    with a_stack(given.home) as state:
        summary, said = measured(state, given, log)
    table(
        f"{MODEL}, lane {LANE}",
        ["what changes", "loans of", "alarms, first look to last", "asks", "cohorts", "expected, realised ROC AUC"],
        said.lines,
    )
    print()
    for name, value in summary.items():
        print(f"{name}: {value}")
    if given.json:
        write(given.json, summary, said)
    sys.exit(bool(summary["failed"] or summary["faults"]))


def measured(state: State, given: argparse.Namespace, log: Callable[[str], None]) -> tuple[dict[str, Any], Said]:
    """Decide, score and look; what came of it, in figures and in all that was said."""
    seconds = dict[str, float]()

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        log(what)
        before = time.monotonic()
        yield
        seconds[what] = round(time.monotonic() - before, 1)

    end = months_later(given.months)
    days = [START + timedelta(days=n) for n in range(1, (end - START).days + 1)]
    decided = [day for day in (START, SECOND) if day <= end]
    settings, books, models = (
        Settings.from_environment(),
        history(given.per_month, given.seed),
        Path(os.environ[MODELS]),
    )
    with timed("load"):
        load(environment(state)["TITLEHOLDER_LOADER_URL"], books)
    for day in decided:
        with timed(f"retrain as of {day}"):
            write_model(models, bureau=day == SECOND)
            decide(day, settings)
    write_model(models, bureau=True)
    with timed("Airflow"):
        local.up(state, after_postgres=[migrate_ledger])
        airflow = Airflow.of(state)
    with timed("backfill"):
        failed = backfill(airflow, days, log)
    with timed("looks"):
        look(airflow, days, given.every, settings)
    said = Said(looks(settings), decided, end)
    every = score_runs.of_model(settings.ledger_url, MODEL)
    runs = [run for run in every if (run.lane, run.role) == (LANE, "champion")]
    with timed("audit"):
        wrong = faults(runs, days, books.applications, settings)
    summary = {
        "scoring runs": len(runs),
        "failed": failed,
        "rows": sum(run.rows for run in runs),
        "looks": len(said.looks),
        "faults": wrong,
        "seconds": seconds,
        "skew": {one.column: f"{one.differing} of {one.rows}" for one in of_model(MODEL, LANE, settings).beyond},
        "review": said.reviews,
        "about retrains": sorted({one.ask_reason for one in said.looks if one.ask_reason}),
    }
    return summary, said


def write(path: Path, summary: dict[str, Any], said: Said) -> None:
    """All figures for programs."""
    whole = {
        "alarms": [one._asdict() for one in said.alarms],
        "asked": said.asked,
        "cohorts": [one.model_dump(mode="json") for one in said.cohorts],
        "table": list(said.lines),
    }
    path.write_text(json.dumps({"machine": machine(), **summary, **whole}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
