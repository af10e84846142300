"""Native backfills of the same months, so many at a time: wall time and tasks a second; and the same decisions.

    python benchmarks/backfill.py demo_default 2023-12-01 2026-11-01 --at-once 8 4 1 --shuffled

Each goes to a lane of its own, on the running stack with Airflow (`make up`, then `make demo` or `titleholder load` for
the rows). `--shuffled` starts the months by the REST API in another order too. The yardstick of a run is the first one.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from dateutil.relativedelta import relativedelta
from measurement import Row, used_by_command

from localstack.airflow import DONE, Airflow
from localstack.state import State
from titleholder.cli.local_stack import use_addresses
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings

if TYPE_CHECKING:
    from bench import Case


def outcome(rows: list[Decision]) -> list[tuple[object, ...]]:
    """What must be the same in every lane: all but version numbers."""
    as_of = {r.challenger_version: r.as_of for r in rows}
    return [
        (r.as_of, r.kind, as_of.get(r.champion_after), r.snapshot_sha256, r.judged.challenger_metrics, r.judged.gain)
        for r in rows
    ]


def run(airflow: Airflow, dag: str, months: list[date], at_once: int, lane: str) -> float:
    """A native backfill into a lane; seconds until its last run ended."""
    before = len(months)
    began = time.monotonic()
    backfill = airflow.backfill(
        dag, str(months[0]), str(months[-1]), at_once=at_once, reprocess="completed", conf={"lane": lane}
    )
    while True:
        time.sleep(1)
        runs = airflow.runs(dag, "backfill")
        mine = [r for r in runs if (r.get("conf") or {}).get("lane") == lane]
        if len(mine) >= before and all(r["state"] in DONE for r in mine):
            assert all(r["state"] == "success" for r in mine)
            seconds = time.monotonic() - began
            while not airflow.backfill_is_done(backfill):  # Airflow itself marks it half a minute later
                time.sleep(1)
            return seconds


def shuffled(airflow: Airflow, model: str, months: list[date], lane: str) -> float:
    """The same months, each started by hand, in another order; seconds until the last ended."""
    order = random.Random(5).sample(months, len(months))
    began = time.monotonic()
    runs = [airflow.trigger(f"{model}.retrain", {"as_of": str(day), "lane": lane}) for day in order]
    for run_id in runs:
        assert airflow.wait_for_run(f"{model}.retrain", run_id, timeout=7200) == "success"
    return time.monotonic() - began


def rows(case: Case) -> Iterator[Row]:
    """For `make bench`: 24 months, 4 at a time, and the same months by `titleholder run`, one after the other."""
    airflow, months = Airflow.of(State.locate()), case.months(24)
    command = [sys.executable, "-m", "titleholder.cli.main", "run", case.model, "--lane", "bench-loop"]
    loop = used_by_command([*command, "--as-of", str(months[0]), "--until", str(months[-1])])
    airflow.wait_for_dag(f"{case.model}.retrain")
    airflow.pause(f"{case.model}.retrain", False)
    seconds = run(airflow, f"{case.model}.retrain", months, 4, "bench-4")
    yield Row(f"24 months of {case.model}, 4 at a time", seconds, "s", "titleholder run", loop.clock, 0.7)
    url = Settings.from_environment().ledger_url
    looped, filled = (
        outcome(reigns.in_force(store.read(url, case.model, lane), lane)) for lane in ("bench-loop", "bench-4")
    )
    others = sum(one != other for one, other in zip(looped, filled, strict=True))
    yield Row("decisions that differ", others, "", "decisions", len(looped), 0)


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="demo_default")
    parser.add_argument(
        "first",
        nargs="?",
        type=date.fromisoformat,
        default=datetime.now(UTC).date().replace(day=1) - relativedelta(months=6),
    )
    parser.add_argument("last", nargs="?", type=date.fromisoformat, default=datetime.now(UTC).date().replace(day=1))
    parser.add_argument("--at-once", type=int, nargs="*", default=[4])
    parser.add_argument("--shuffled", action="store_true")
    asked = parser.parse_args()
    use_addresses()
    settings, airflow = Settings.from_environment(), Airflow.of(State.locate())
    airflow.wait_for_dag(f"{asked.model}.retrain")
    airflow.pause(f"{asked.model}.retrain", False)
    time.sleep(5)
    for under_way in airflow.runs(f"{asked.model}.retrain", "scheduled"):  # the tick that was due; it is live
        airflow.wait_for_run(f"{asked.model}.retrain", under_way["dag_run_id"], timeout=1800)
    months = list(
        itertools.takewhile(
            lambda d: d <= asked.last, (asked.first + relativedelta(months=n) for n in itertools.count())
        )
    )
    champion, stamp, first = Registry(settings.tracking_uri).models.champion(asked.model), f"{time.time():.0f}", None
    print(f"{asked.model}, {len(months)} months")
    print(f"{'how':>10} {'seconds':>8} {'tasks/s':>8}  decisions", flush=True)
    for how in [*map(str, asked.at_once), *(["shuffled"] if asked.shuffled else [])]:
        lane = f"bench-{how}-{stamp}"
        seconds = (
            shuffled(airflow, asked.model, months, lane)
            if how == "shuffled"
            else run(airflow, f"{asked.model}.retrain", months, int(how), lane)
        )
        rows = reigns.in_force(store.read(settings.ledger_url, asked.model, lane), lane)
        first = first or outcome(rows)
        assert [r.as_of for r in rows] == months
        tasks = len(months) * (5 + len(rows[-1].spec["training"]["candidates"]))
        same = "the same" if outcome(rows) == first else "OTHERS"
        print(f"{how:>10} {seconds:>8.0f} {tasks / seconds:>8.2f}  {same}", flush=True)
    moved = Registry(settings.tracking_uri).models.champion(asked.model) != champion
    print(f"The live alias was {'MOVED' if moved else 'not moved'}.")


if __name__ == "__main__":
    main()
