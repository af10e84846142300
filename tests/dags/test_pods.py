"""`build_dags(run_in="pod")`: the pod that Kubernetes would get of each step, and what is refused of its answer.

There is no cluster here: the pods are built by Airflow's operator, and read back by Kubernetes' own models.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support import apart
from support.stacks import MODELS

KEY = "k" * 48
BUILT = """
import sys
from datetime import UTC, datetime
from types import SimpleNamespace as Of
from kubernetes.client import ApiClient, models as k8s
from titleholder.workflow import remote
from titleholder_airflow import build_dags, pods, signing

namespace = {}
secret = k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name="titleholder"))
place = {"image": "registry.example/titleholder:1", "namespace": "models", "env_from": [secret],
         "env_vars": {"TITLEHOLDER_SNAPSHOTS": "s3://bucket/x"}, "service_account_name": "trainer", "in_cluster": True}
pods.PodStep.hook = Of(is_in_cluster=True, get_namespace=lambda: None, get_xcom_sidecar_container_image=lambda: None,
    get_xcom_sidecar_container_resources=lambda: None, get_xcom_sidecar_container_security_context=lambda: None)
build_dags(namespace, sys.argv[1], run_in="pod", pod=place)
dag = namespace["tiny_asked_retrain"]

RUN = Of(dag_id=dag.dag_id, run_id="r 1", run_type="manual", conf={}, triggering_user_name="ann",
         data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC),
         logical_date=None, partition_key=None)

def context(task_id):
    form = {"as_of": None, "lane": None, "reason": "why", "train_scorecard": True, "train_boosting": False}
    ti = Of(dag_id=dag.dag_id, run_id="r 1", task_id=task_id, map_index=-1, try_number=1)
    return {"dag_run": RUN, "params": form, "ti": ti, "task": dag.get_task(task_id), "run_id": "r 1", "dag": dag}

def pod_of(task_id):
    task = dag.get_task(task_id)
    ran = []
    def in_pod(self, given, order):
        self.env_vars = [*pods._variables(self.env_vars), k8s.V1EnvVar(name=remote.VARIABLE, value=remote.packed(order))]
        ran.append(self.build_pod_request_obj(given))
        raise StopIteration
    pods.PodStep._in_pod = in_pod
    try:
        task.execute(context(task_id))
    except StopIteration:
        pass
    text = ApiClient().sanitize_for_serialization(ran[0])
    again = ApiClient()._ApiClient__deserialize(text, "V1Pod")  # every value is of the kind that the API names
    assert ApiClient().sanitize_for_serialization(again) == text
    return text
"""

PODS = """
extract = pod_of("extract")
train = dag.get_task("train.scorecard")
train.op_args = [signing.sign({"candidates": ["scorecard"]}, signing.Place(dag.dag_id, "r 1", "extract")), "scorecard"]
trained = pod_of("train.scorecard")
off = dag.get_task("train.boosting") if dag.has_task("train.boosting") else None
answer = {
    "extract": extract, "train": trained,
    "payload": json.loads(remote.unpacked(next(v["value"] for v in extract["spec"]["containers"][0]["env"] if v["name"] == remote.VARIABLE))),
    "kinds": {t.task_id: type(t).__mro__[1].__name__ for t in dag.tasks},
    "rollback": [type(t).__mro__[1].__name__ for t in namespace["tiny_asked_rollback"].tasks],
    "down": {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks},
    "links": [l.name for l in dag.get_task("promote").operator_extra_links],
    "rules": [str(dag.get_task("nominate").trigger_rule.value), len(dag.get_task("promote").outlets)],
    "queue": dag.get_task("train.scorecard").queue, "retries": dag.get_task("extract").retries,
}
edited = dag.get_task("validate")
edited.op_args = [{"payload": "{}", "signature": "x"}]
try:
    edited.execute(context("validate"))
except Exception as error:
    answer["edited"] = f"{type(error).__name__}: {error}"
from airflow.serialization.serialized_objects import DagSerialization
DagSerialization.to_dict(dag)
ended = lambda code: Of(status=Of(container_statuses=[Of(name="base", state=Of(terminated=Of(exit_code=code)))]))
def failing(code):
    edited.remote_pod = ended(code)
    return type(edited._failure(pods.AirflowException("the pod failed"))).__name__
answer["failures"] = {code: failing(code) for code in (1, 2, 3, 137)}
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for file in ("tiny_asked.yaml", "tiny.sql"):
        shutil.copy(MODELS / file, folder)
    spec = (folder / "tiny_asked.yaml").read_text()
    given = "training:\n  resources: {queue: training, pod: {memory: 8Gi, cpu: '2', image: big:1, node_selector: {disk: ssd}}}\n"
    assert "training:\n" in spec
    (folder / "tiny_asked.yaml").write_text(spec.replace("training:\n", given))
    return folder


@pytest.fixture(scope="module")
def built(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found, _ = apart.run(tmp_path_factory.mktemp("airflow"), BUILT + PODS, str(models), TITLEHOLDER_SIGNING_KEY=KEY)
    return dict(found)


def test_the_pod_of_a_step_runs_the_command_and_has_no_secret(built: dict[str, Any]) -> None:
    spec = built["extract"]["spec"]
    step, sidecar = spec["containers"]
    assert (step["command"], step["image"]) == (["titleholder"], "registry.example/titleholder:1")
    assert step["args"] == ["step", "extract", "env:TITLEHOLDER_PAYLOAD", "--output", "/airflow/xcom/return.json"]
    assert step["envFrom"] == [{"secretRef": {"name": "titleholder"}}]
    assert [v["name"] for v in step["env"]] == ["TITLEHOLDER_SNAPSHOTS", "TITLEHOLDER_PAYLOAD"]
    assert sidecar["volumeMounts"] == step["volumeMounts"] == [{"mountPath": "/airflow/xcom", "name": "xcom"}]
    assert built["extract"]["metadata"]["namespace"] == "models"
    assert (spec["serviceAccountName"], spec["restartPolicy"]) == ("trainer", "Never")
    assert KEY not in str(built["extract"])


def test_its_payload_is_the_order_with_the_spec(built: dict[str, Any]) -> None:
    payload = built["payload"]
    assert (payload["model"], payload["as_of"], payload["lane"]) == ("tiny_asked", "2024-03-01", "live")
    assert payload["spec"]["name"] == "tiny_asked"
    assert payload["spec"]["source"]["query"].startswith("SELECT") or "select" in str(payload["spec"]).lower()
    assert (payload["origin"]["actor"], payload["origin"]["reason"]) == ("ann", "why")


def test_a_training_has_the_resources_of_the_spec(built: dict[str, Any]) -> None:
    step = built["train"]["spec"]["containers"][0]
    amounts = {"memory": "8Gi", "cpu": "2"}
    assert step["resources"] == {"limits": amounts, "requests": amounts}
    assert (step["image"], built["train"]["spec"]["nodeSelector"]) == ("big:1", {"disk": "ssd"})
    assert built["queue"] == "training"
    assert "resources" not in built["extract"]["spec"]["containers"][0]


def test_the_dag_is_the_same_chain_and_people_are_asked_by_airflow(built: dict[str, Any]) -> None:
    in_pods = {task for task, kind in built["kinds"].items() if kind == "PodStep"}
    assert in_pods == set(built["kinds"]) - {"approve"}
    assert set(built["rollback"]) & {"PodStep"} == set(), "a rollback trains nothing"
    assert built["down"]["validate"] == ["approve"]
    assert built["down"]["promote"] == ["report"]
    assert built["links"] == ["MLflow run", "Model version", "Decision"]
    assert built["rules"] == ["all_done_min_one_success", 1]
    assert built["retries"] == 2


def test_an_edited_payload_starts_no_pod_and_a_permanent_failure_is_not_tried_again(built: dict[str, Any]) -> None:
    assert built["edited"].startswith("SignatureError: what is there as the result (XCom) of nominate")
    assert built["failures"] == {
        "1": "AirflowFailException", "2": "AirflowFailException", "3": "AirflowException", "137": "AirflowException"
    }  # fmt: skip


REFUSED = """
import sys
from titleholder_airflow import build_dags
def refused(**given):
    try:
        build_dags({}, sys.argv[1], **given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
answer = [refused(run_in="cloud"), refused(pod={"image": "x"}), refused(run_in="pod"),
          refused(run_in="pod", pod={"image": "x", "cmds": ["sh"], "arguments": []}),
          refused(run_in="pod", pod={"image": "x", "env_vars": {"MLFLOW_TRACKING_PASSWORD": "tr0ub4dor"}}),
          refused(run_in="pod", pod={"image": "x", "env_vars": {"DB": "postgresql://ann:tr0ub4dor@db/x"}})]
sys.modules["airflow.providers.cncf.kubernetes.operators.pod"] = None
for name in [name for name in sys.modules if name == "titleholder_airflow.pods"]:
    del sys.modules[name]
answer.append(refused(run_in="pod", pod={"image": "x"}))
"""


def test_what_a_dag_file_may_not_ask_for(models: Path, tmp_path: Path) -> None:
    place, both, image, ours, secret, login, missing = apart.run(tmp_path, REFUSED, str(models))[0]
    assert place == "UsageError: build_dags: run_in is 'cloud'; there are 'task', 'pod'"
    assert "and run_in is 'task'" in both
    assert "needs the image" in image
    assert "`pod` has arguments, cmds, which Titleholder sets itself" in ours
    for said, name in ((secret, "MLFLOW_TRACKING_PASSWORD"), (login, "DB")):
        assert f"has a secret in {name}," in said
        assert "tr0ub4dor" not in said
    assert "pip install 'titleholder[kubernetes]'" in missing
