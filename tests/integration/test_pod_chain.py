"""A whole retrain in which every step runs as its container would: the pod's command, with nothing but its environment.

The pods are those that Airflow's operator builds. Two differences: the folder of the sidecar, which Kubernetes mounts, is
a temporary one here. And the first pod alone is a new process; the others are forks of one that has imported the package,
which takes five seconds, in an environment that has nothing but PATH.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from localstack.settings import environment
from localstack.state import State
from support import apart, retraining
from support.stacks import MODELS
from titleholder.ledger import store
from titleholder.settings import Settings
from titleholder.workflow import remote

KEY = "k" * 48
WARM = """
import json, os, runpy, shutil, sys, traceback
import skops.io, titleholder.cli.main, titleholder.workflow.steps, titleholder.workflow.verbs

def run(command, environment, scratch, printed):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(scratch)
    for stream in (1, 2):
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.argv = [shutil.which(command[0]), *command[1:]]
    runpy.run_path(sys.argv[0], run_name="__main__")

for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            run(*json.loads(line))
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
CHAIN = """
import os, subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace as Of
from kubernetes.client import models as k8s
from titleholder.workflow import remote
from titleholder_airflow import build_dags, pods, signing, tasks, retrain

folder, scratch, venv, _, warm = sys.argv[1:6]
SECRET = {name: os.environ[name] for name in sys.argv[4].split(",")}  # what Kubernetes keeps, and mounts as variables
place = {"image": "titleholder:1", "namespace": "models", "in_cluster": True,
         "env_from": [k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="titleholder"))]}
pods.PodStep.hook = Of(is_in_cluster=True, get_namespace=lambda: None, get_xcom_sidecar_container_image=lambda: None,
    get_xcom_sidecar_container_resources=lambda: None, get_xcom_sidecar_container_security_context=lambda: None)
ran, sizes = [], {}
imported = subprocess.Popen([Path(venv, "python"), "-c", warm], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": SECRET["PYTHONPATH"], "MLFLOW_DISABLE_TELEMETRY": "true"})

def process(command, environment):
    printed = Path(scratch, "printed")
    if not ran:
        done = subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True)
        return done.returncode, done.stderr
    imported.stdin.write(json.dumps([command, environment, scratch, str(printed)]) + "\\n")
    imported.stdin.flush()
    return int(imported.stdout.readline()), printed.read_text()

def kubelet(self, context):
    container = self.build_pod_request_obj(context).spec.containers[0]
    assert container.env_from[0].secret_ref.name == "titleholder"
    returned = Path(scratch, "return.json")
    arguments = [str(returned) if a == pods.RETURNED else a for a in container.args]
    environment = {"PATH": f"{venv}:/usr/bin:/bin", **SECRET, **{v.name: v.value for v in container.env}}
    code, printed = process([*container.command, *arguments], environment)
    ran.append(" ".join(container.command + container.args[:2]))
    sizes[self.task_id] = len(environment[remote.VARIABLE])
    assert code == 0, printed
    text = returned.read_text()
    returned.unlink()
    return json.loads(text)

pods.KubernetesPodOperator.execute = kubelet
events = []
RUN = Of(dag_id="tiny.retrain", run_id="r 1", run_type="manual", conf={}, triggering_user_name="ann",
         data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC), logical_date=None,
         partition_key=None)
namespace = {}
build_dags(namespace, folder, run_in="pod", pod=place)
dag = namespace["tiny_retrain"]
results = {}

def run(task_id):
    form = {"as_of": None, "lane": "in_pods", "reason": "why", "train_scorecard": True, "train_boosting": False}
    task = dag.get_task(task_id)
    context = {"dag_run": RUN, "params": form, "task": task, "run_id": "r 1", "dag": dag,
               "ti": Of(dag_id="tiny.retrain", run_id="r 1", task_id=task_id, map_index=-1, try_number=1),
               "outlet_events": {tasks.champion_outlet("tiny"): Of(add=lambda asset, extra: events.append(extra))}}
    pick = lambda source, given: given if source is None else (
        [results[s] for s in source] if isinstance(source, tuple) else results[source])
    task.op_args = [pick(*both) for both in zip(task.sources[0], task.op_args)]
    results[task_id] = task.execute(context)

order = ["extract", "train.scorecard", "train.boosting", "nominate", "validate", "promote", "report"]
for task_id in order:
    run(task_id)
imported.communicate()
answer = {"ran": ran, "sizes": sizes, "decision": json.loads(results["promote"]["payload"]), "off": results["train.boosting"],
          "report": results["report"], "signed": sorted(k for k, v in results.items() if v and v["signature"])}
"""


@pytest.fixture(scope="module")
def known(state: State) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(state).items():
            if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_")):
                patch.setenv(name, value)
        patch.setenv("TITLEHOLDER_MODELS", str(MODELS))
        yield Settings.from_environment()


@pytest.fixture(scope="module")
def chain(known: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("pod")
    secret = [name for name in os.environ if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_"))]
    names = [name for name in secret if name not in ("TITLEHOLDER_SIGNING_KEY", "TITLEHOLDER_MODELS")]
    given = {name: os.environ[name] for name in names} | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    found, _ = apart.run(
        tmp_path_factory.mktemp("airflow"), CHAIN, str(MODELS), str(scratch), str(Path(sys.executable).parent),
        ",".join(given), WARM, TITLEHOLDER_SIGNING_KEY=KEY, **given,
    )  # fmt: skip
    return dict(found)


def test_a_retrain_in_pods_decides_as_one_in_tasks_does(chain: dict[str, Any], known: Settings) -> None:
    verbs_run = ["extract", "train", "nominate", "validate", "promote", "report"]
    assert chain["ran"] == [f"titleholder step {verb}" for verb in verbs_run], "no pod for what is switched off"
    assert (chain["off"], chain["report"]) == (None, None)
    assert chain["signed"] == ["extract", "nominate", "promote", "train.scorecard", "validate"]
    decided = store.decision(known.ledger_url, chain["decision"]["id"])
    same = retraining.retrain("tiny", date(2024, 3, 1), "in_tasks", known, candidates=("scorecard",))
    assert (decided.actor, decided.asked_because, decided.airflow_run) == ("ann", "why", "tiny.retrain/r 1")
    assert decided.snapshot_sha256 == same.snapshot_sha256
    assert decided.judged.challenger_metrics == same.judged.challenger_metrics
    assert (decided.kind, decided.reason) == (same.kind, same.reason)


def test_payloads_fit_the_variable_of_a_container_with_room_to_spare(chain: dict[str, Any]) -> None:
    assert max(chain["sizes"].values()) * 3 < remote.LONGEST
