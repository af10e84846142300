"""Reads the DAG folder in a process of its own: Airflow must find its environment before it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
                        "links": [l.name for l in t.operator_extra_links], "args": [str(a) for a in getattr(t, "op_args", ())]}
            for t in d.tasks},
        "params": {k: d.params.get_param(k).schema for k in d.params},
        "doc": d.doc_md or "", "owner": d.owner, "catchup": d.catchup, "tags": sorted(d.tags),
        "end": str(d.end_date), "schedule": s if isinstance(s := getattr(d, "schedule", None), str | None) else str(type(s)),
    } for d in bag.dags.values()}
heavy = sorted({"sklearn", "mlflow", "pandas", "pyarrow", "scipy", "optuna"} & set(sys.modules))
print("ANSWER" + json.dumps({"dags": dags, "errors": bag.import_errors, "heavy": heavy}))
"""


def read_dags(models: Path, tmp_path: Path, probe: str = PROBE, dags: Path = ROOT / "dags") -> dict[str, object]:
    """Parse a DAG folder in a process of its own: Airflow must find its environment before it is imported."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "TITLEHOLDER"))} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "TITLEHOLDER_MODELS": str(models),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins"), str(ROOT / "config")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", probe, str(dags)], env=env, capture_output=True, text=True, timeout=240
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr[-3000:]
    return dict(json.loads(answers[0].removeprefix("ANSWER")))
