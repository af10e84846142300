"""How time grows with months, specs and decisions, as exponents: the slope of log time over log number; 0 is flat.

    python benchmarks/bench.py growth ageing

`ageing`, months: `retrain` of one month after the other in this process, processor seconds of a month; the slope is
over the months from the seventh on. `growth`, specs: a DAG file read anew, beyond imports, per model; 1, 20 and 200
models. Decisions: what the page Champions, `titleholder history` and a run ask the ledger, about a model with 100
decisions in a ledger of 100, 10,000 and 100,000; then about a model whose lane has 100, 1,000 and 10,000. These are
copies of a real decision, which the ledger's owner inserts; nothing reads their hashes here.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measurement import Row, used_by
from sqlalchemy import create_engine, text

from localstack.settings import ledger_url
from localstack.state import State
from titleholder.ledger import queries, store
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.workflow.payloads import Origin
from titleholder.workflow.retrain import retrain

if TYPE_CHECKING:
    from bench import Case

ROOT = Path(__file__).parents[1]
SPECS = 1, 20, 200
LEDGER, LANE = (100, 10_000, 100_000), (100, 1_000, 10_000)
PER_MODEL, TURNS = 100, 7
WHOLE_LANES = ("page, reigns", "page and history", "a run: the lane")
"""Questions whose answers have a row for each decision, or change, of a lane: they cannot be flat in its length."""

PROBE = """
import sys, time
from airflow.dag_processing.dagbag import DagBag
import titleholder_airflow.dags
from titleholder_airflow import dags
dags.build_dags({})  # imports what the first DAG imports
began = time.process_time()
bag = DagBag(dag_folder=sys.argv[1])
took = time.process_time() - began
assert not bag.import_errors, bag.import_errors
print(took, len(bag.dags))
"""


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The exponent b of the power law a·n^b through these points, by least squares of logarithms.

    >>> round(slope([1, 10, 100], [3, 30, 300]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def rows(case: Case) -> Iterator[Row]:
    """For `make bench`."""
    yield from of_decisions(case.steady)
    yield from of_specs(case.steady)


def exponent(what: str, sizes: Sequence[float], seconds: Sequence[float], goal: float = 0.1) -> Iterator[Row]:
    """The times at both ends, and the exponent, whose yardstick is growth in proportion."""
    first, last = (f"{size:,.0f}" for size in (sizes[0], sizes[-1]))
    yield Row(f"{what}: at {last}", seconds[-1] * 1000, "ms", f"at {first}", seconds[0] * 1000)
    yield Row(f"{what}: exponent", slope(sizes, seconds), "", "in proportion", 1.0, goal)


def ageing(case: Case) -> Iterator[Row]:
    """For `make bench`: the time of a month, in a lane of more and more."""
    case = case.steady
    settings, spec = Settings.from_environment(), load_specs(only=case.model)[case.model]
    url, origin = connection_url(spec.source.connection), Origin(actor="bench")
    month = partial(retrain, spec, lane="bench-growth", url=url, origin=origin, settings=settings)
    took = [used_by(partial(month, day)).processor for day in case.months(case.most)]
    halves = {n: statistics.mean(took[n // 2 : n]) for n in (12, 24, len(took))}
    for n in (24, len(took)):
        yield Row(f"a month, mean of months {n // 2 + 1} to {n}", halves[n], "cpu s", "of months 7 to 12", halves[12])
    later = range(7, len(took) + 1)
    yield Row("a month: exponent", slope(later, took[6:]), "", "in proportion", 1.0, 0.1)


def of_specs(case: Case) -> Iterator[Row]:
    """The time of a DAG file, per model."""
    source = ROOT / "include" / "models"
    found = []
    for count in SPECS:
        with tempfile.TemporaryDirectory(prefix="titleholder-bench-") as folder:
            models, dags = Path(folder) / "models", Path(folder) / "dags"
            models.mkdir()
            dags.mkdir()
            (models / f"{case.model}.sql").write_text((source / f"{case.model}.sql").read_text())
            spec = (source / f"{case.model}.yaml").read_text()
            for n in range(count):
                name = f"{case.model}_{n:03}"
                (models / f"{name}.yaml").write_text(spec.replace(f"name: {case.model}", f"name: {name}"))
            (dags / "retrain.py").write_text(
                "from airflow.sdk import DAG\nfrom titleholder_airflow import build_dags\nbuild_dags(globals())\n"
            )
            found.append(parse(models, dags, count))
    yield from exponent("DAGs of a model, read among so many specs", SPECS, found)


def parse(models: Path, dags: Path, count: int) -> float:
    """Processor seconds per model of the fastest of three processes that read a DAG folder."""
    home = {
        "AIRFLOW_HOME": str(dags.parent),
        "TITLEHOLDER_MODELS": str(models),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    }
    took = []
    for _ in range(3):
        command = [sys.executable, "-c", PROBE, str(dags)]
        done = subprocess.run(command, env=os.environ | home, stdout=subprocess.PIPE, text=True, check=True)
        seconds, made = done.stdout.splitlines()[-1].split()
        assert int(made) == 2 * count, f"{made} DAGs of {count} specs"
        took.append(float(seconds) / count)
    return min(took)


def of_decisions(case: Case) -> Iterator[Row]:
    """The time of what the page, the history and a run ask."""
    settings = Settings.from_environment()
    url = settings.ledger_url
    template = decided(case, settings).id
    asked: dict[str, Callable[[str], object]] = {
        "page, overview of one model": lambda model: queries.live_status(url, [model]),
        "page, reigns": lambda model: queries.reigns(url, model),
        "page and history": lambda model: queries.decisions(url, model),
        "page, lanes": lambda model: queries.lanes(url, model),
        "a run: the lane": lambda model: store.read_lane(url, model, "live"),
        "a run: the champion": lambda model: store.champion(url, model, "live"),
        "a run: newest about a version": lambda model: store.newest_about(url, model, "live", 50),
    }
    in_ledger, in_lane = {name: [] for name in asked}, {name: [] for name in asked}
    for size, before in zip(LEDGER, (0, *LEDGER), strict=False):
        copy(template, [f"many_{n:04}" for n in range(before // PER_MODEL, size // PER_MODEL)], PER_MODEL)
        measure(asked, "many_0000", in_ledger)
    for size in LANE:
        copy(template, [f"long_{size}"], size)
        measure(asked, f"long_{size}", in_lane)
    for name in asked:
        yield from exponent(f"{name}, in a ledger of so many", LEDGER, in_ledger[name])
    for name in asked:
        goal = 1.1 if name in WHOLE_LANES else 0.1
        yield from exponent(f"{name}, in a lane of so many", LANE, in_lane[name], goal)


def decided(case: Case, settings: Settings) -> Decision:
    """A real decision, judged against a champion."""
    spec = load_specs(only=case.model)[case.model]
    url, origin = connection_url(spec.source.connection), Origin(actor="bench")
    months = case.months(2)
    return [retrain(spec, day, "bench-template", url=url, origin=origin, settings=settings).decision for day in months][
        -1
    ]


def measure(asked: dict[str, Callable[[str], object]], model: str, into: dict[str, list[float]]) -> None:
    """The median seconds of each question."""
    for name, ask in asked.items():
        ask(model)
        into[name].append(statistics.median(used_by(partial(ask, model)).clock for _ in range(TURNS)))


def copy(template: int, models: Sequence[str], count: int) -> None:
    """A decision as so many of each of these models, in its lane live; another champion every twelfth row."""
    own = {
        "model": "m.model", "lane": "'live'", "sequence": "n", "hash": "md5(m.model || n)", "previous_hash": "''",
        "as_of": "date '1990-01-01' + n", "challenger_version": "n", "caused_by": "null", "kind":
        "case when n % 12 = 1 then 'promote' else 'keep' end", "champion_before": "greatest(n - 2, 0) / 12 * 12 + 1",
        "champion_after": "(n - 1) / 12 * 12 + 1", "created_at": "timestamptz '2000-01-01' + n * interval '1 day'",
    }  # fmt: skip
    with create_engine(ledger_url(State.locate(), "ledger_owner")).begin() as connection:
        listed = connection.scalars(
            text(
                "select column_name from information_schema.columns where table_schema = 'titleholder' and "
                "table_name = 'decisions' and column_name <> 'id' and is_generated = 'NEVER' order by ordinal_position"
            )
        ).all()
        names, values = ", ".join(listed), ", ".join(own.get(name, f"d.{name}") for name in listed)
        connection.execute(
            text(
                f"insert into titleholder.decisions ({names}) select {values} from titleholder.decisions d, "
                "unnest(cast(:models as text[])) m(model), generate_series(1, :count) n where d.id = :id order by n"
            ),
            {"models": list(models), "count": count, "id": template},
        )
