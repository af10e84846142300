"""What others see of a retrain that Airflow runs: OpenLineage events in a file, metrics at a StatsD socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localstack.settings import environment
from localstack.state import State
from support.audit_world import EASY
from support.dagbag import ROOT
from support.succession_world import write_model
from titleholder.ledger import store

RUN = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from airflow.utils.db import initdb
initdb()
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)  # as in every task's process
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
assert not bag.import_errors, bag.import_errors
dag = bag.dags["tiny_seen.retrain"]
form = {"as_of": "2024-03-01", "lane": sys.argv[2], "reason": "observed"}
ran = dag.test(run_after=datetime(2024, 3, 2, tzinfo=UTC), run_conf=form)
print("STATE", ran.state)
"""


class Observed(NamedTuple):
    events: list[dict[str, Any]]
    metrics: list[str]
    printed: str


class StatsD:
    """A socket that notes every packet."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while packet := self.socket.recv(65_535):
            self.lines += packet.decode().splitlines()


def run(state: State, home: Path, lane: str, **more: str) -> Observed:
    """A retrain by `dag.test()`, in a process of its own."""
    statsd, events = StatsD(), home / "events.json"
    (models := home / "models").mkdir(parents=True)
    write_model(models, "tiny_seen", judgement=EASY)
    passed = {k: v for k, v in environment(state).items() if k.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_"))}
    given = {
        **{k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}, **passed,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("include", "plugins", "config")),
        "TITLEHOLDER_MODELS": str(models), "TITLEHOLDER_SIGNING_KEY": "k" * 48, "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false", "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__METRICS__STATSD_ON": "true", "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(events), "append": True}),
        **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), lane],
        env=given, cwd=home, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    printed = done.stdout + done.stderr
    assert "STATE success" in printed, printed[-6000:]
    lines = events.read_text().splitlines() if events.exists() else []
    return Observed([json.loads(line) for line in lines], statsd.lines, printed)


@pytest.fixture(scope="module")
def observed(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    return run(state, tmp_path_factory.mktemp("observed") / "home", "live")


def completed(found: Observed, task: str) -> dict[str, Any]:
    return next(
        e for e in found.events if e["eventType"] == "COMPLETE" and e["job"]["name"] == f"tiny_seen.retrain.{task}"
    )


def named(datasets: list[dict[str, Any]]) -> list[str]:
    return [f"{d['name']} {d.get('facets', {}).get('version', {}).get('datasetVersion', '')}".strip() for d in datasets]


def test_lineage_leads_from_the_warehouse_to_the_champion(observed: Observed, settings: Any) -> None:
    extract, train, nominate, promote = (
        completed(observed, task) for task in ("extract", "train.scorecard", "nominate", "promote")
    )
    facet = promote["run"]["facets"]["titleholder_decision"]
    decided = store.decision(settings.ledger_url, facet["decision"])
    assert (facet["hash"], facet["snapshotSha256"]) == (decided.hash, decided.snapshot_sha256)
    assert (facet["kind"], facet["lane"], facet["asOf"]) == ("promote", "live", "2024-03-01")
    (table,), (snapshot,) = extract["inputs"], extract["outputs"]
    assert table["namespace"].startswith("postgres://")
    assert table["name"].endswith(".public.tiny")
    assert snapshot["facets"]["version"]["datasetVersion"] == decided.snapshot_sha256
    assert decided.snapshot_uri.endswith(snapshot["name"])
    assert named(train["inputs"]) == named(extract["outputs"])
    assert set(named(train["outputs"])) <= set(named(nominate["inputs"]))
    version = f"tiny_seen {decided.challenger}"
    assert named(nominate["outputs"]) == [version]
    assert version in named(promote["inputs"])
    ledger, champion = named(promote["outputs"])
    assert ledger.endswith(".titleholder.decisions")
    assert champion == f"tiny_seen@champion {decided.challenger}"


def test_events_have_no_password(observed: Observed, env: dict[str, str]) -> None:
    text = json.dumps(observed.events)
    passwords = {value.split("@")[0].rpartition(":")[2] for value in env.values() if "://" in value and "@" in value}
    passwords |= {value for name, value in env.items() if name.endswith(("_PASSWORD", "_KEY"))}
    assert len([p for p in passwords if len(p) > 8]) > 3
    assert [p for p in passwords if len(p) > 8 and p in text] == []


def test_metrics_arrive_at_the_socket(observed: Observed) -> None:
    own = [line.removeprefix("airflow.") for line in observed.metrics if ".titleholder." in f".{line}"]
    values = dict(line.split(":", 1) for line in own)
    assert values["titleholder.decisions.live.promote"] == "1|c"
    for step in ("extract", "train", "nominate", "validate", "promote", "report"):
        assert float(values[f"titleholder.duration.{step}"].removesuffix("|ms")) > 0
    age, unit = values["titleholder.champion.age_days.tiny_seen"].split("|")
    assert (unit, 0 <= float(age) < 1) == ("g", True)
    assert values["titleholder.champion.since.tiny_seen"].endswith("|g")
    assert not [line for line in own if "failed" in line]
    assert all("observed" not in line and "2024" not in line and "manual" not in line for line in own)
