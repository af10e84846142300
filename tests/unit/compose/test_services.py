"""The services of docker-compose.yaml, without an engine: form, networks, limits, volumes."""

from __future__ import annotations

import importlib.resources
import json
import re

import pytest

from localstack.state import PROJECT
from support.compose_file import ADDRESSES, AIRFLOW, COMPOSE, OURS, SERVICES, WORKERS, image_environment

ONE_SHOT = {"airflow-init", "titleholder"}


def test_follows_the_compose_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema carries the compose-spec schema")
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    validator = validator_for(schema, default=Draft202012Validator)(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []


def test_has_the_services_of_the_stack_and_no_version() -> None:
    always = {"postgres", "valkey", "mlflow", *AIRFLOW, *WORKERS}
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"titleholder": ["cli"], "store": ["s3"]}
    assert set(SERVICES) == always | set(profiles)
    assert "version" not in COMPOSE


def test_tasks_run_in_workers_of_two_queues_as_many_as_a_person_says() -> None:
    for name, queue in WORKERS.items():
        assert SERVICES[name]["command"] == ["airflow", "celery", "worker", "--queues", queue, "--skip-serve-logs"]
    replicas = {name: SERVICES[name]["deploy"]["replicas"] for name in WORKERS}
    assert replicas == {"airflow-worker": "${WORKERS:-1}", "airflow-worker-training": "${TRAINING_WORKERS:-1}"}
    slots = [
        int(SERVICES[name]["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"].rpartition("-")[2][:-1])
        for name in WORKERS
    ]
    at_once = SERVICES["airflow-scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"]
    assert at_once == f"${{TITLEHOLDER_PARALLELISM:-{sum(slots)}}}", "no task waits in the broker for a slot"
    assert SERVICES["airflow-dag-processor"]["environment"]["TITLEHOLDER_TRAINING_QUEUE"] == "training"
    for name in {*AIRFLOW, *WORKERS}:
        assert SERVICES[name]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_every_dependency_is_a_service_and_a_condition_that_can_come_true() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            else:
                assert (how["condition"], SERVICES[other]["restart"]) == ("service_completed_successfully", "no")


def test_every_named_volume_is_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}
    assert named == set(COMPOSE["volumes"]) == {"postgres", "broker", "store", "artifacts", "snapshots", "logs"}
    for mount in mounts:
        if mount.startswith("."):
            assert (PROJECT / mount.split(":")[0]).exists()
            assert mount.endswith(":ro")


def test_ports_are_published_on_loopback_unless_a_person_says_otherwise() -> None:
    """Passwords cross these ports in clear text."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {
        "mlflow": ["127.0.0.1:${MLFLOW_PORT:-5000}:5000"],
        "airflow-apiserver": ["${AIRFLOW_BIND:-127.0.0.1}:${AIRFLOW_PORT:-8080}:8080"],
    }


def test_every_service_is_watched_or_ends() -> None:
    for name, service in SERVICES.items():
        if name in ONE_SHOT:
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"][0] == "CMD"


def test_our_services_share_one_image_settings_and_limits() -> None:
    assert {service["image"] for service in OURS.values()} == {"${TITLEHOLDER_IMAGE:-titleholder:local}"}
    for service in OURS.values():
        assert service["env_file"] == "config/airflow.env"
        assert service["init"] is True
    for service in SERVICES.values():
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service


def test_images_are_pinned_by_version_and_digest() -> None:
    digest = "@sha256:[0-9a-f]{64}"
    assert re.fullmatch(r"\$\{POSTGRES_IMAGE:-postgres:18\.\d+-\w+" + digest + r"\}", SERVICES["postgres"]["image"])
    assert re.fullmatch(r"\$\{BROKER_IMAGE:-valkey/valkey:\d+\.\d+\.\d+" + digest + r"\}", SERVICES["valkey"]["image"])
    assert re.fullmatch(
        r"\$\{STORE_IMAGE:-versity/versitygw:v\d+\.\d+\.\d+" + digest + r"\}", SERVICES["store"]["image"]
    )
    base = re.search(r"^ARG BASE_IMAGE=(.*)$", (PROJECT / "Dockerfile").read_text(), flags=re.M)
    assert base is not None
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+" + digest, base[1])
    assert SERVICES["mlflow"]["build"]["args"]["BASE_IMAGE"] == f"${{TITLEHOLDER_BASE_IMAGE:-{base[1]}}}"


def test_mlflow_is_small_and_knows_its_names() -> None:
    mlflow = SERVICES["mlflow"]
    assert mlflow["command"] == ["python", "/opt/titleholder/compose/mlflow_server.py"]
    assert mlflow["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    addresses = {SERVICES[name]["environment"]["TITLEHOLDER_MLFLOW_ADDRESS"] for name in ("mlflow", *WORKERS)}
    assert addresses == {"${MLFLOW_ADDRESS:-http://localhost:5000}"}


ZONES = {
    "postgres": {"airflow", "mlflow", "records"},
    "valkey": {"broker"},
    "store": {"tracking"},
    "mlflow": {"mlflow", "tracking", "front"},
    "airflow-init": {"airflow"},
    "airflow-apiserver": {"airflow", "execution", "tracking", "front"},
    "airflow-scheduler": {"airflow", "broker"},
    "airflow-worker": {"broker", "execution", "records", "tracking", "outside"},
    "airflow-worker-training": {"broker", "execution", "records", "tracking", "outside"},
    "airflow-dag-processor": {"airflow", "outside"},
    "airflow-triggerer": {"airflow", "outside"},
    "titleholder": {"records", "tracking", "outside"},
}


def test_each_service_is_in_the_networks_that_it_needs() -> None:
    assert {name: set(service["networks"]) for name, service in SERVICES.items()} == ZONES
    outward = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}
    assert outward == {"front", "outside"}
    assert {name for name, service in SERVICES.items() if "ports" in service} == {
        name for name, zones in ZONES.items() if "front" in zones
    }


def test_who_waits_for_a_service_or_has_its_address_is_in_a_network_with_it() -> None:
    for name, service in SERVICES.items():
        text = json.dumps([service.get("environment"), service.get("healthcheck")])
        named = set(re.findall(rf"[@/]({'|'.join(ADDRESSES)}):", text))
        for other in named - {name}:
            assert ZONES[name] & ZONES[other], (name, other)


def test_every_service_has_limits_and_writes_into_volumes_and_memory_only() -> None:
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\$\{[A-Z]+_MEMORY:-\dg\}", service["mem_limit"]), name
        assert re.fullmatch(r"\$\{[A-Z]+_PIDS:-\d+\}", service["pids_limit"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "/tmp" in service["tmpfs"], name
    training = {name for name, service in SERVICES.items() if "TASKS_MEMORY" in service["mem_limit"]}
    assert training == {*WORKERS, "titleholder"}
    assert SERVICES["postgres"]["user"] == "postgres"
    assert "/var/run/postgresql:mode=1777" in SERVICES["postgres"]["tmpfs"]
    home = image_environment()["AIRFLOW_HOME"]
    for name in {*AIRFLOW, *WORKERS}:
        assert any(mount.startswith(f"{home}:") for mount in SERVICES[name]["tmpfs"]), "airflow.cfg is written there"


def test_snapshots_and_logs_lie_where_the_environment_says() -> None:
    home = image_environment()["AIRFLOW_HOME"]
    for name in {*AIRFLOW, *WORKERS}:
        assert f"logs:{home}/logs" in SERVICES[name]["volumes"]
    for name in (*WORKERS, "titleholder"):
        where = SERVICES[name]["environment"]["TITLEHOLDER_SNAPSHOTS"]
        assert where == "${TITLEHOLDER_SNAPSHOTS:-/var/lib/titleholder/snapshots}"
        assert "snapshots:/var/lib/titleholder/snapshots" in SERVICES[name]["volumes"]
    assert (
        SERVICES["mlflow"]["environment"]["MLFLOW_ARTIFACTS"] == "${MLFLOW_ARTIFACTS:-/var/lib/titleholder/artifacts}"
    )
    assert "artifacts:/var/lib/titleholder/artifacts" in SERVICES["mlflow"]["volumes"]
    assert f"broker:{SERVICES['valkey']['environment']['BROKER_FOLDER']}" in SERVICES["valkey"]["volumes"]


def test_airflow_uses_the_login_for_production() -> None:
    for name in AIRFLOW:
        assert SERVICES[name]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")
    for name in {*AIRFLOW, *WORKERS}:
        address = SERVICES[name]["environment"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
        assert address == "http://airflow-apiserver:8080/execution/"
