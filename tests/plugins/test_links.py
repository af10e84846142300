"""The buttons on a task, from what it returned."""

from __future__ import annotations

from pathlib import Path

from support import apart

CODE = """
from types import SimpleNamespace as Of
from unittest import mock
from titleholder_airflow import links, signing
it = Of(dag_id="m.retrain", run_id="r", task_id="t")
sign = lambda value: signing.sign(value, signing.Place.of(it)) if isinstance(value, dict) else value
results = {}
with mock.patch.object(links.BaseXCom, "get_value", side_effect=lambda ti_key, key: results.get(key)):
    def leads(returned):
        results["return_value"] = sign(returned)
        return links.DecisionLink().get_link(None, ti_key=it)
    answer = [leads(returned) for returned in RETURNED]
"""
RETURNED = """[
    {"id": 12, "model": "m", "kind": "promote", "challenger_version": 3, "mlflow_run_id": "r"},
    {"id": 13, "model": "m", "kind": "rollback", "champion_after": 2, "mlflow_run_id": ""},
    {"run_id": "r", "spec": {"name": "m"}},
    {"challenger": {"version": 3, "snapshot": {"model": "m", "run_id": "r"}}, "kind": "promote"},
    None,
]"""


def test_a_decision_has_its_page_on_champions_and_nothing_else_has(tmp_path: Path) -> None:
    code = CODE.replace("RETURNED", RETURNED)
    found, _ = apart.run(
        tmp_path, code, AIRFLOW__API__BASE_URL="https://x.org/airflow", TITLEHOLDER_SIGNING_KEY="k" * 48
    )
    page = "https://x.org/airflow/plugin/champions/airflow/titleholder/decisions"
    assert found == [f"{page}/12", f"{page}/13", "", "", ""]
