"""A connection that Airflow does not know, in a task: one sentence says what it is and which there are."""

from __future__ import annotations

from pathlib import Path

from support.apart import run

CODE = """
import os
from titleholder_airflow.tasks import connection_url
try:
    answer = connection_url(sys.argv[1])
except Exception as error:
    answer = f"{type(error).__name__}: {error}"
"""


def test_a_misspelt_connection_lists_those_that_exist(tmp_path: Path) -> None:
    known = {"AIRFLOW_CONN_WAREHOUSE": "postgres://reader:x@db/warehouse"}
    answer, _ = run(tmp_path, f"import sys\n{CODE}", "warehose", **known)
    assert answer.startswith("UsageError: no connection 'warehose'")
    assert "Did you mean 'warehouse'? Connections of this environment: warehouse. Airflow has none" in answer
    assert run(tmp_path, f"import sys\n{CODE}", "warehouse", **known)[0] == "postgres://reader:x@db/warehouse"


def test_the_address_of_a_dask_scheduler_comes_from_a_connection(tmp_path: Path) -> None:
    known = {"AIRFLOW_CONN_CLUSTER": "tls://scheduler:8786"}
    code = f"import sys\n{CODE}\nfrom titleholder.engines.cluster import scheduler_address\nanswer = scheduler_address(answer)"
    assert run(tmp_path, code, "cluster", **known)[0] == "tls://scheduler:8786"
