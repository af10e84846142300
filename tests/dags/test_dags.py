"""House rules for DAGs, read without a scheduler."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1], load_op_links=True)
dags = {
    d.dag_id: {
        "tasks": {
            t.task_id: {"retries": t.retries, "doc": t.doc_md or "", "rule": str(t.trigger_rule),
                        "down": sorted(t.downstream_task_ids), "policy": t.retry_policy is not None,
                        "links": [l.name for l in t.operator_extra_links]}
            for t in d.tasks},
        "params": {k: d.params.get_param(k).schema for k in d.params},
        "doc": d.doc_md or "", "owner": d.owner, "catchup": d.catchup, "tags": sorted(d.tags),
        "end": str(d.end_date), "schedule": s if isinstance(s := getattr(d, "schedule", None), str | None) else str(type(s)),
    } for d in bag.dags.values()}
heavy = sorted({"sklearn", "mlflow", "pandas", "pyarrow", "scipy", "optuna"} & set(sys.modules))
print("ANSWER" + json.dumps({"dags": dags, "errors": bag.import_errors, "heavy": heavy}))
"""


def read_dags(models: Path, tmp_path: Path, probe: str = PROBE) -> dict[str, object]:
    """Parse the DAG folder in a process of its own: Airflow must find its environment before it is imported."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "TITLEHOLDER"))} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "TITLEHOLDER_MODELS": str(models),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins"), str(ROOT / "config")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", probe, str(ROOT / "dags")], env=env, capture_output=True, text=True, timeout=240
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr[-3000:]
    return dict(json.loads(answers[0].removeprefix("ANSWER")))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return read_dags(ROOT / "include" / "models", tmp_path_factory.mktemp("airflow"))


def test_every_shipped_spec_becomes_a_dag_without_import_errors(shipped: dict) -> None:
    assert shipped["errors"] == {}
    stems = {p.stem for p in (ROOT / "include" / "models").glob("*.yaml")}
    assert set(shipped["dags"]) == {f"{stem}.{what}" for stem in stems for what in ("retrain", "rollback")}


def sentence(dag: dict) -> list[str]:
    """The tasks in the order in which they follow one another; empty when they are no chain."""
    order = list(dag["tasks"])
    follow = all(following in dag["tasks"][task]["down"] for task, following in itertools.pairwise(order))
    return order if follow else []


def test_a_dag_reads_like_the_sentence(shipped: dict) -> None:
    retrain = ["extract", "train", "nominate", "validate", "decide", "promote"]
    for name, dag in shipped["dags"].items():
        assert sentence(dag) == (retrain if name.endswith("retrain") else ["rollback"])


def test_a_rollback_waits_for_a_person_with_a_reason(shipped: dict) -> None:
    dag = shipped["dags"]["demo_default.rollback"]
    assert dag["schedule"] is None
    assert set(dag["params"]) == {"reason", "to", "leaving", "force"}
    assert dag["params"]["reason"]["minLength"] == 3


PARTS = re.compile(r"\s*(### )?\w.*?\n\n\*\*Promises\.\*\* \w.*?\n\n\*\*When it is red\.\*\* \S", re.DOTALL)
"""What a DAG's or a task's documentation says: what it does, what it promises, what to do when it is red."""


def undocumented(dag: dict) -> list[str]:
    """Which of a DAG and its tasks lack a part of their documentation."""
    docs = {"the DAG": dag["doc"], **{name: task["doc"] for name, task in dag["tasks"].items()}}
    return [name for name, doc in docs.items() if not PARTS.match(doc)]


def test_house_rules(shipped: dict) -> None:
    for name, dag in shipped["dags"].items():
        assert dag["catchup"] is False, name
        assert undocumented(dag) == [], name
        assert "titleholder" in dag["tags"], name
        assert dag["owner"] not in ("", "airflow"), name
        for task in dag["tasks"].values():
            assert task["retries"] == 2
            assert task["policy"], name
            assert task["links"] == ["Decision", "MLflow run", "Model version"]


def test_parsing_imports_nothing_heavy(shipped: dict) -> None:
    assert shipped["heavy"] == []


def test_the_form_has_a_field_for_each_candidate(shipped: dict) -> None:
    params = shipped["dags"]["lending_club_default.retrain"]["params"]
    assert list(params) == ["as_of", "lane", "reason", "train_scorecard", "train_boosting"]
    assert params["train_boosting"]["description_md"] == "`sklearn.ensemble.HistGradientBoostingClassifier`"
    assert params["as_of"]["format"] == "date"


def test_the_finished_example_rests(shipped: dict) -> None:
    assert shipped["dags"]["lending_club_default.retrain"]["end"].startswith("2013-06-01")


def test_a_broken_spec_is_an_import_error_and_leaves_the_others(tmp_path: Path) -> None:
    found = read_dags(ROOT / "tests" / "models", tmp_path)
    stems = {p.stem for p in (ROOT / "tests" / "models").glob("*.yaml")} - {"broken"}
    assert set(found["dags"]) == {f"{stem}.{what}" for stem in stems for what in ("retrain", "rollback")}
    asking = ["extract", "train", "nominate", "validate", "decide", "approve", "promote"]
    assert sentence(found["dags"]["tiny_asked.retrain"]) == asking
    assert undocumented(found["dags"]["tiny_asked.retrain"]) == []
    ((file, message),) = found["errors"].items()
    assert file.endswith("broken_specs.py")
    assert "line 11: judgement.minimun_gain: unknown key; did you mean 'minimum_gain'?" in message


def test_a_task_process_builds_only_its_own_dag(tmp_path: Path) -> None:
    asked = PROBE.replace(
        "bag = DagBag",
        "import os; os.environ['_AIRFLOW_PARSING_CONTEXT_DAG_ID'] = 'tiny.retrain'\nbag = DagBag",
    )
    assert set(read_dags(ROOT / "tests" / "models", tmp_path, asked)["dags"]) == {"tiny.retrain"}


def test_who_asked_for_a_run_is_told_in_words(tmp_path: Path) -> None:
    """It goes into the ledger, which nobody can correct."""
    probe = """
import json
from types import SimpleNamespace as Of
from airflow.utils.types import DagRunType
from lifecycle_ui.tasks import actor
runs = [Of(triggering_user_name=who, run_type=kind) for who, kind in
        ((None, DagRunType.SCHEDULED), (None, "backfill"), ("ann", DagRunType.MANUAL))]
print("ANSWER" + json.dumps({"actors": [actor(run) for run in runs]}))
"""
    found = read_dags(ROOT / "tests" / "models", tmp_path, probe)
    assert found["actors"] == ["airflow:scheduled", "airflow:backfill", "ann"]
