"""The version of the DAG bundle that a task runs from: with Airflow's own Git bundle, on a repository of this machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import apart, git_bundle
from support.git_bundle import BUNDLE, Repository

PROBE = """
import json, sys
from types import SimpleNamespace as Of
from airflow.dag_processing.bundles.manager import DagBundlesManager
from titleholder.errors import UsageError
from titleholder_airflow import bundles

def task(name, version=None):
    bundle = DagBundlesManager().get_bundle(name=name, version=version)
    bundle.initialize()
    return Of(dag_id="m.retrain", run_id="r 1", bundle_instance=bundle)

def refused(before, ti):
    proposed = Of(challenger=Of(snapshot=Of(origin=Of(bundle=bundles.current(before)))))
    try:
        bundles.refuse_changed(proposed, ti)
    except UsageError as error:
        return str(error)

name, first, second = sys.argv[1:]
old, new, plain = task(name, first), task(name, second), task("dags-folder")
answer = {
    "pinned": str(bundles.current(old)), "pruned": not (old.bundle_instance.repo_path / ".git").exists(),
    "newest": str(bundles.current(task(name))), "plain": bundles.current(plain), "none": bundles.current(Of()),
    "same": refused(old, task(name, first)), "changed": refused(old, new), "none before": refused(plain, new),
}
"""


@pytest.fixture(scope="module")
def repository() -> Iterator[Repository]:
    with git_bundle.repository() as found:
        yield found


@pytest.fixture(scope="module")
def found(repository: Repository) -> dict[str, Any]:
    first, second = (repository.push("README", text) for text in ("one", "two"))
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": repository.setting,
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": folder,
        }
        answer, _ = apart.run(Path(folder), PROBE, BUNDLE, first, second, **settings)
    return {**answer, "first": first, "second": second}


def test_a_version_of_a_git_bundle_is_its_commit_where_there_is_no_checkout(found: dict[str, Any]) -> None:
    assert found["pruned"], "git describe would find nothing there"
    assert found["pinned"] == f"{BUNDLE} at {found['first']}"


def test_a_run_without_a_pinned_version_has_the_commit_that_is_checked_out(found: dict[str, Any]) -> None:
    assert found["newest"] == f"{BUNDLE} at {found['second']}"


def test_a_plain_folder_has_no_version(found: dict[str, Any]) -> None:
    assert (found["plain"], found["none"]) == (None, None)


def test_a_bundle_that_changed_since_extract_is_refused(found: dict[str, Any]) -> None:
    assert found["same"] is None
    assert found["changed"].startswith(
        f"the DAG bundle of the run m.retrain/r 1 changed within the run: extract ran from {BUNDLE} at "
        f"{found['first']}, promote runs from {BUNDLE} at {found['second']}. Nothing was decided. Clear extract"
    )
    assert "extract ran from a bundle without a version" in found["none before"]


def test_cleared_runs_keep_their_version(tmp_path: Path) -> None:
    code = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
answer = {name: dag.rerun_with_latest_version for name, dag in bag.dags.items()}
"""
    models = Path(__file__).parents[1] / "support" / "models"
    dags, _ = apart.run(tmp_path, code, str(apart.ROOT / "dags"), TITLEHOLDER_MODELS=str(models))
    assert len(dags) == 22, json.dumps(dags)
    assert set(dags.values()) == {False}
