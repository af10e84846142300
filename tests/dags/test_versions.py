"""What stands in for Airflow 3.3 in older minors; `make compatibility` installs those."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.apart import run

CODE = """
import sys
from titleholder.errors import DataError, ServiceError
from titleholder_airflow import requesters, versions
from types import SimpleNamespace as Of

if sys.argv[1] == "older":
    versions.AIRFLOW_V_3_3_PLUS = False
    requesters.GetDagRun = None

class Task:
    @versions.final()
    def execute(self, error):
        if error:
            raise error
        return "done"

def said(error):
    try:
        return Task().execute(error)
    except Exception as caught:
        return [type(caught).__name__, str(caught)]

event = Of(source_dag_id="d", source_run_id="r", source_task_id="t")
caused = Of(triggering_user_name=None, run_type="asset_triggered", consumed_asset_events=[event])
answer = {"data": said(DataError("bad rows")), "service": said(ServiceError("away")), "none": said(None),
          "policy": list(versions.retries())}
if sys.argv[1] == "older":
    answer["asked"] = requesters.requesters(caused)
"""


@pytest.mark.parametrize(
    ("minor", "data", "policy"),
    [
        ("3.3", ["DataError", "bad rows"], ["retry_policy"]),
        ("older", ["AirflowFailException", "DataError: bad rows"], []),
    ],
)
def test_what_a_retry_cannot_cure_is_not_tried_again(
    minor: str, data: list[str], policy: list[str], tmp_path: Path
) -> None:
    answer, _ = run(tmp_path, CODE, minor)
    assert (answer["data"], answer["policy"]) == (data, policy)
    assert answer["service"] == ["ServiceError", "away"], "an unreachable service is tried again"
    assert answer["none"] == "done"


def test_where_airflow_tells_nothing_of_another_run_it_may_have_been_anybody(tmp_path: Path) -> None:
    answer, _ = run(tmp_path, CODE, "older")
    assert answer["asked"] is None
