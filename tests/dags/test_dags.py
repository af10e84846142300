"""House rules for DAGs, read without a scheduler."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from support.dagbag import PROBE, ROOT, read_dags


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
    found = read_dags(ROOT / "tests" / "support" / "models", tmp_path)
    stems = {p.stem for p in (ROOT / "tests" / "support" / "models").glob("*.yaml")} - {"broken"}
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
    assert set(read_dags(ROOT / "tests" / "support" / "models", tmp_path, asked)["dags"]) == {"tiny.retrain"}


def test_who_asked_for_a_run_is_told_in_words(tmp_path: Path) -> None:
    """It goes into the ledger, which nobody can correct."""
    probe = """
import json
from types import SimpleNamespace as Of
from airflow.utils.types import DagRunType
from titleholder_airflow.tasks import actor
runs = [Of(triggering_user_name=who, run_type=kind) for who, kind in
        ((None, DagRunType.SCHEDULED), (None, "backfill"), ("ann", DagRunType.MANUAL))]
print("ANSWER" + json.dumps({"actors": [actor(run) for run in runs]}))
"""
    found = read_dags(ROOT / "tests" / "support" / "models", tmp_path, probe)
    assert found["actors"] == ["airflow:scheduled", "airflow:backfill", "ann"]
