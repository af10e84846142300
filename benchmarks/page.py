"""The page Champions with many models and years of decisions, beside Airflow's own list of DAGs, in one run.

    python benchmarks/page.py --models 50 --months 120 --requests 40

Starts a stack of its own (some minutes), makes two real decisions, and writes them into the ledger as those of every
model and month. The last champion of each model is in use for a year: a scoring run every day, a look of the monitor
every week, and a backtest's advice about age. Requests are made one after the other, each kind in turns; the yardstick
is what Airflow's page of DAGs asks its server for, with as many DAGs on it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import requests
from dateutil.relativedelta import relativedelta

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from localstack import stack as local  # noqa: E402
from localstack.airflow import Airflow  # noqa: E402
from localstack.cli import migrate_ledger  # noqa: E402
from localstack.keys import ADMIN  # noqa: E402
from localstack.settings import environment, passwords  # noqa: E402
from localstack.state import State  # noqa: E402
from support.in_use import write_in_use  # noqa: E402
from support.stacks import fill_tiny  # noqa: E402
from titleholder.ledger import store  # noqa: E402
from titleholder.ledger.decision import Decision, Entry  # noqa: E402
from titleholder.settings import Settings, connection_url  # noqa: E402
from titleholder.spec.loader import load_specs  # noqa: E402
from titleholder.workflow.payloads import Origin  # noqa: E402
from titleholder.workflow.retrain import retrain  # noqa: E402


@contextmanager
def a_stack(models: int) -> Iterator[State]:
    """A stack with so many copies of the tests' model `tiny`."""
    home = Path(tempfile.mkdtemp(prefix="titleholder-bench-"))
    specs, tiny = home / "models", ROOT / "tests" / "support" / "models"
    specs.mkdir()
    shutil.copy(tiny / "tiny.sql", specs)
    for name in names(models):
        (specs / f"{name}.yaml").write_text((tiny / "tiny.yaml").read_text().replace("name: tiny", f"name: {name}"))
    os.environ["TITLEHOLDER_MODELS"] = str(specs)
    state = State(home / "state")
    try:
        local.up(state, after_postgres=[migrate_ledger])
        os.environ.update(
            {k: v for k, v in environment(state).items() if k.startswith(("TITLE", "MLFLOW", "AIRFLOW_C"))}
        )
        fill_tiny(os.environ["TITLEHOLDER_LOADER_URL"])
        yield state
    finally:
        local.clean(state)
        shutil.rmtree(home, ignore_errors=True)


def names(models: int) -> list[str]:
    """The models' names."""
    return [f"model_{n:03}" for n in range(models)]


def a_decision(model: str, day: date, settings: Settings) -> Decision:
    """A real one."""
    spec, url = load_specs(only=model)[model], connection_url("warehouse")
    return retrain(spec, day, "dev", url=url, origin=Origin(actor="bench"), settings=settings).decision


def fill(first: Decision, later: Decision, models: int, months: int, url: str) -> list[Decision]:
    """These decisions as those of every model and month; another champion once a year. Returns each model's last one
    that changed its champion."""
    changes = []
    for name in names(models):
        champion, change = None, first
        for month in range(months):
            row, kind = (later, "promote" if month % 12 == 0 else "keep") if month else (first, "promote")
            version = month + 1
            before, champion = champion, version if kind == "promote" else champion
            what = {
                "model": name, "lane": "live", "as_of": date(2016, 1, 1) + relativedelta(months=month),
                "challenger_version": version, "champion_before": before, "champion_after": champion, "kind": kind,
            }  # fmt: skip
            entry = Entry(**{**{k: getattr(row, k) for k in Entry.model_fields}, **what})
            written = store.append(url, [entry], after=month)
            assert written, "another writer fills the same lane"
            change = written[0] if kind == "promote" else change
        changes.append(change)
    return changes


def p(seconds: list[float], share: float) -> float:
    """A quantile, in milliseconds."""
    return float(np.quantile(seconds, share)) * 1000


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--months", type=int, default=120)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--days", type=int, default=364, help="of use of each champion")
    asked = parser.parse_args()
    with a_stack(asked.models) as state:
        settings, airflow = Settings.from_environment(), Airflow.of(state)
        first, later = (a_decision(names(1)[0], date(2024, month, 1), settings) for month in (1, 3))
        champions = fill(first, later, asked.models, asked.months, settings.ledger_url)
        for champion in champions:
            write_in_use(champion, settings, asked.days, every=7)
        for name in names(asked.models):
            airflow.wait_for_dag(f"{name}.retrain", timeout=600)
        login = {"username": ADMIN, "password": passwords(state)[ADMIN]}
        token = requests.post(f"{airflow.address}/auth/token", json=login, timeout=60).json()["access_token"]
        pages = {
            "Airflow's list of DAGs": f"/ui/dags?dag_runs_limit=14&limit={asked.models}&exclude_stale=true",
            "overview": "/titleholder/",
            "a model": f"/titleholder/models/{names(asked.models)[-1]}",
            "a decision": f"/titleholder/decisions/{champions[-1].id}",
        }
        found: dict[str, list[float]] = {page: [] for page in pages}
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            for turn in range(asked.requests + 2):
                for page, path in pages.items():
                    began = time.perf_counter()
                    answer = session.get(f"{airflow.address}{path}", timeout=60)
                    answer.raise_for_status()
                    if turn >= 2:  # the first ones import and compile
                        found[page].append(time.perf_counter() - began)
    what = f"{asked.models * asked.months:,} decisions, {asked.models * asked.days:,} scoring runs"
    print(f"{asked.models} models, {what}, {asked.requests} requests each")
    print(f"{'page':24} {'p50 ms':>8} {'p95 ms':>8} {'p95 / yardstick':>16}")
    yardstick = p(found["Airflow's list of DAGs"], 0.95)
    for page, seconds in found.items():
        print(f"{page:24} {p(seconds, 0.5):>8.0f} {p(seconds, 0.95):>8.0f} {p(seconds, 0.95) / yardstick:>16.2f}")


if __name__ == "__main__":
    main()
