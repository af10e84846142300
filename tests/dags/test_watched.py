"""What OpenLineage's provider and a StatsD server get of a step's task, with steps that only return something.

A whole run with real steps is in tests/integration/test_observed.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import apart
from support.stacks import MODELS

TASKS = """
import os, sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace as Of
os.environ.update(json.loads(sys.argv[2]))
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)  # as in every task's process
from airflow.sdk import BaseHook
from airflow.utils.state import TaskInstanceState
from support.factories import a_decision, a_nominee, a_verdict, spans_of
from titleholder.errors import ServiceError
from titleholder.ledger import queries, store
from titleholder.spec.loader import load_specs
from titleholder.workflow import publication, steps
from titleholder.workflow.payloads import Challenger, ProposedDecision, Snapshot, TrainedCandidate, ValidatedChallenger
from titleholder_airflow import build_dags, signing, tasks

FOLDER, AS_OF = Path(sys.argv[1]), date(2024, 3, 1)
SPEC = load_specs(FOLDER, only="tiny")["tiny"]
decided = a_decision(4, model="tiny", champion_before=2, hash="abc", snapshot_sha256="5ea1")
sha = "5ea1"
steps.extract = lambda spec, as_of, lane, **given: Snapshot(spec=spec, lane=lane, as_of=as_of, spans=spans_of(spec, as_of),
    candidates=("scorecard",), uri="s3://bucket/x/tiny/5ea1.parquet", sha256=sha, rows=9, key="k", run_id="run", origin=given["origin"])
steps.train = lambda snapshot, name, **_: TrainedCandidate(snapshot=snapshot, nominee=a_nominee(name, "t1"), score=0.5)
steps.nominate = lambda trained, **_: Challenger(snapshot=trained[0].snapshot, name="scorecard", version=4,
    trained_through=AS_OF, ranking=(trained[0].nominee,))
steps.validate = lambda challenger, **_: ValidatedChallenger(challenger=challenger, verdict=a_verdict())
steps.decide = lambda found, **_: ProposedDecision(challenger=found.challenger, verdict=found.verdict, kind="promote", reason="So.")
steps.promote = lambda proposed, **_: decided
steps.report = lambda *_, **__: None
store.decision = lambda url, number: decided
queries.live_status = lambda url, models: {"tiny": Of(champion=Of(reigned_from=datetime(2024, 3, 1, tzinfo=UTC)))}

namespace = {}
build_dags(namespace, FOLDER)
dag = namespace["tiny_retrain"]
form = {"as_of": None, "lane": "live", "reason": "why", "train_scorecard": True, "train_boosting": False}
run = Of(dag_id="tiny.retrain", run_id="r 1", run_type="manual", conf={}, triggering_user_name="ann", logical_date=None,
         data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC))
results, lineage = {}, {}
try:
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
except ImportError:
    ExtractorManager = None

def execute(task_id):
    task = dag.get_task(task_id)
    ti = Of(dag_id="tiny.retrain", run_id="r 1", task_id=task_id)
    context = {"dag_run": run, "params": form, "ti": ti, "task": task, "run_id": "r 1",
               "outlet_events": {tasks.champion_outlet("tiny"): Of(add=lambda asset, extra: None)}}
    from titleholder_airflow import retrain
    tasks.get_current_context = retrain.get_current_context = lambda: context
    pick = lambda source, given: given if source is None else (
        [results[s] for s in source] if isinstance(source, tuple) else results[source])
    task.op_args = [pick(*both) for both in zip(task.sources[0], task.op_args)]
    results[task_id] = task.execute(context)
    if ExtractorManager:
        found = ExtractorManager().extract_metadata(run, task, TaskInstanceState.SUCCESS, ti)
        of = lambda d: [d.namespace, d.name, d.facets["version"].datasetVersion if "version" in (d.facets or {}) else None]
        lineage[task_id] = [[of(d) for d in found.inputs], [of(d) for d in found.outputs], sorted(found.run_facets)]
        if "titleholder_decision" in found.run_facets:
            from openlineage.client.serde import Serde
            lineage["facet"] = json.loads(Serde.to_json(found.run_facets["titleholder_decision"]))
    else:
        lineage[task_id] = task.get_openlineage_facets_on_complete(ti)

for task_id in ("extract", "train.scorecard", "train.boosting", "nominate", "validate", "promote", "report"):
    execute(task_id)
def refuse(*_, **__):
    raise ServiceError("MLflow does not answer")
steps.promote = refuse
dag.get_task("promote").op_args = [None]
def again():
    fresh = {}
    build_dags(fresh, FOLDER)
    globals()["dag"] = fresh["tiny_retrain"]
    execute("promote")
try:
    again()
except ServiceError as error:
    failed = str(error)
answer = {"lineage": lineage, "failed": failed}
"""


class Found(dict[str, Any]):
    """The answer of the process, and the lines that arrived at the socket."""

    lines: list[str]


def found(tmp_path: Path, before: str = "", **environment: str) -> Found:

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(1)
        given = {
            "AIRFLOW__METRICS__STATSD_ON": "true", "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]), "TITLEHOLDER_SIGNING_KEY": "k" * 48,
            "TITLEHOLDER_LEDGER_URL": "postgresql://ledger:tr0ub4dor@db.example.org/titleholder",
            "MLFLOW_TRACKING_URI": "http://mlflow.example.org:5000", "TITLEHOLDER_SNAPSHOTS": "s3://bucket/x",
            "AIRFLOW_CONN_WAREHOUSE": "postgres://reader:tr0ub4dor@db.example.org/warehouse",
            **environment,
        }  # fmt: skip
        answer = Found(apart.run(tmp_path, before + TASKS, str(MODELS), json.dumps(given))[0])
        answer.lines = []
        while True:
            try:
                answer.lines += statsd.recv(65_535).decode().splitlines()
            except TimeoutError:
                return answer


OPENLINEAGE = {"AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}'}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    return found(tmp_path_factory.mktemp("airflow"), **OPENLINEAGE)


def test_openlineage_is_told_what_each_step_read_and_made(seen: Found) -> None:
    mlflow, postgres = "mlflow://mlflow.example.org:5000", "postgres://db.example.org:5432"
    snapshot = ["s3://bucket", "x/tiny/5ea1.parquet", "5ea1"]
    candidate, version = [mlflow, "tiny/scorecard", "t1"], [mlflow, "tiny", "4"]
    lineage = seen["lineage"]
    assert lineage["extract"] == [[[postgres, "warehouse.public.tiny", None]], [snapshot], []]
    assert lineage["train.scorecard"] == [[snapshot], [candidate], []]
    assert lineage["nominate"] == [[candidate], [version], []]
    assert lineage["validate"] == [[snapshot, version], [], []]
    made = [[postgres, "titleholder.titleholder.decisions", None], [mlflow, "tiny@champion", "4"]]
    assert lineage["promote"] == [[snapshot, version], made, ["titleholder_decision"]]
    facet = {key: value for key, value in lineage["facet"].items() if not key.startswith("_")}
    assert (facet["hash"], facet["snapshotSha256"], facet["kind"], facet["lane"]) == ("abc", "5ea1", "promote", "live")
    assert (facet["championBefore"], facet["championAfter"]) == (2, 4)
    assert "tr0ub4dor" not in str(lineage)


@pytest.mark.parametrize("how", ["disabled", "not installed"])
def test_it_is_told_nothing_where_it_is_off_or_not_there(how: str, tmp_path: Path) -> None:
    if how == "disabled":
        lineage = found(tmp_path, AIRFLOW__OPENLINEAGE__DISABLED="true")["lineage"]
        assert "facet" not in lineage
    else:
        missing = "import sys\nsys.modules['airflow.providers.openlineage'] = None\n"
        lineage = found(tmp_path, missing)["lineage"]
        assert set(lineage.values()) == {None}


def test_metrics_arrive_at_a_socket(seen: Found) -> None:
    values = dict(line.removeprefix("airflow.").split(":", 1) for line in seen.lines if "titleholder" in line)
    for step in ("extract", "train", "nominate", "validate", "promote", "report"):
        assert float(values[f"titleholder.duration.{step}"].removesuffix("|ms")) > 0
    assert values["titleholder.decisions.live.promote"] == "1|c"
    assert values["titleholder.failed.promote.ServiceError"] == "1|c"
    assert seen["failed"] == "MLflow does not answer"
    assert values["titleholder.champion.since.tiny"] == "1709251200|g"
    assert float(values["titleholder.champion.age_days.tiny"].removesuffix("|g")) > 900
    assert len(values) == 10, "nothing else is sent"
