"""The form of a rollback, made of what the ledger knows when Airflow reads the DAG file."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from support.dagbag import read_dags
from support.rows import append, entry
from support.succession_world import write_model
from titleholder.ledger import queries, store
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL, EMPTY = "tiny_throne", "tiny_empty"
PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
dags = DagBag(dag_folder=sys.argv[1]).dags
answer = {name: dags[name].params.get_param("to").schema for name in dags if name.endswith("rollback")}
"""
GIVEN = ("TITLEHOLDER_MODELS", "TITLEHOLDER_LEDGER_URL")


CHAMPIONS = [1, 2, 1, 3]
"""The champions of a live lane: 1, then 2, back to 1, then 3."""


@pytest.fixture
def lane(settings: Settings) -> None:
    if store.read_lane(settings.ledger_url, MODEL, "live"):
        return
    before = None
    for month, version in enumerate(CHAMPIONS, start=1):
        made = entry("live", date(2024, month, 1), "promote", version, before).model_copy(update={"model": MODEL})
        nothing_judged = {"kind": "rollback", "challenger_version": None, "verdict": None, "spans": None}
        append(settings, made.model_copy(update=nothing_judged if version in CHAMPIONS[: month - 1] else {}))
        before = version


@pytest.mark.usefixtures("lane")
def test_the_champions_of_many_models_in_one_query(settings: Settings) -> None:
    found = queries.reigns_by_model(settings.ledger_url, [MODEL, EMPTY])
    assert [r.version for r in found[MODEL]] == CHAMPIONS
    assert [r.kind for r in found[MODEL]] == ["promote", "promote", "rollback", "promote"]
    assert found[MODEL][-1].reigned_to is None
    assert [r.reigned_to for r in found[MODEL][:-1]] == [r.reigned_from for r in found[MODEL][1:]]
    assert found[EMPTY] == []
    assert queries.reigns(settings.ledger_url, MODEL) == found[MODEL]


def to_fields(settings: Settings, tmp_path: Path, dag_id: str = "") -> dict[str, dict]:
    """The field `to` of every rollback DAG, as the DAG processor reads it, or a task's process."""
    for name in (MODEL, EMPTY):
        write_model(tmp_path, name)
    known = {k: v for k, v in os.environ.items() if k.startswith(("TITLEHOLDER_", "MLFLOW_")) and k not in GIVEN}
    parsing = {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": dag_id} if dag_id else {}
    return read_dags(tmp_path, tmp_path, PARSE, TITLEHOLDER_LEDGER_URL=settings.ledger_url, **known, **parsing)


@pytest.mark.usefixtures("lane")
def test_a_rollback_offers_former_champions(settings: Settings, tmp_path: Path) -> None:
    found = to_fields(settings, tmp_path)
    assert found[f"{EMPTY}.rollback"]["enum"] == [None]
    field = found[f"{MODEL}.rollback"]
    assert field["enum"] == [None, 2, 1]
    first, second = (field["values_display"][version] for version in ("1", "2"))
    assert first.startswith("version 1: 20")
    assert first.count(" to ") == 2, "it was champion twice"
    assert first.endswith(", as of 2024-01-01")
    assert "(rolled back)" in second


@pytest.mark.usefixtures("lane")
def test_a_task_offers_no_list_that_may_have_changed_since(settings: Settings, tmp_path: Path) -> None:
    """Airflow validates a run's form again in every task, against the DAG that the task's process reads."""
    dag = f"{MODEL}.rollback"
    assert "enum" not in to_fields(settings, tmp_path, dag)[dag]


def test_a_ledger_that_was_never_migrated_leaves_the_plain_field(settings: Settings, tmp_path: Path) -> None:
    database, _, _ = settings.ledger_url.rpartition("/")
    other = Settings(f"{database}/postgres", settings.tracking_uri, settings.snapshots)
    assert "enum" not in to_fields(other, tmp_path)[f"{MODEL}.rollback"]
