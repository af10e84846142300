"""Reads the DAG folder in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import apart

ROOT = Path(__file__).parents[2]

PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(dag_folder=sys.argv[1], load_op_links=True)
def pod(task):  # as Airflow keeps it for the executor
    from kubernetes.client.api_client import ApiClient
    given = (task.executor_config or {}).get("pod_override")
    return ApiClient().sanitize_for_serialization(given) if given else None
for d in bag.dags.values():
    DagSerialization.to_dict(d)
dags = {
    d.dag_id: {
        "tasks": {
            t.task_id: {"retries": t.retries, "doc": t.doc_md or "", "rule": str(t.trigger_rule),
                        "down": sorted(t.downstream_task_ids), "policy": t.retry_policy is not None,
                        "resources": {k: getattr(t, k) for k in ("queue", "pool", "pool_slots", "priority_weight")} | {"pod": pod(t)},
                        "longest": t.execution_timeout and t.execution_timeout.total_seconds(), "executor": t.executor,
                        "links": [l.name for l in t.operator_extra_links], "args": [str(a) for a in getattr(t, "op_args", ())]}
            for t in d.tasks},
        "params": {k: d.params.get_param(k).schema for k in d.params},
        "doc": d.doc_md or "", "owner": d.owner, "catchup": d.catchup, "tags": sorted(d.tags),
        "schedule": s if isinstance(s := getattr(d, "schedule", None), str | None) else str(type(s)),
    } for d in bag.dags.values()}
heavy = sorted({"sklearn", "mlflow", "pandas", "pyarrow", "scipy", "optuna"} & set(sys.modules))
answer = {"dags": dags, "errors": bag.import_errors, "heavy": heavy}
"""


def read_dags(
    models: Path, tmp_path: Path, probe: str = PROBE, dags: Path = ROOT / "dags", **environment: str
) -> dict[str, Any]:
    """What `probe` finds in a DAG folder, for a folder of models."""
    return dict(apart.run(tmp_path, probe, str(dags), TITLEHOLDER_MODELS=str(models), **environment)[0])
