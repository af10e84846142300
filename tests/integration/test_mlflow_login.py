"""MLflow's login on the real server: what nobody, a reader and a task can do there."""

from __future__ import annotations

import http.client
import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from mlflow import MlflowClient

from localstack import environments, processes, pruning
from localstack.keys import Keys, load_keys
from localstack.state import State
from support.retraining import challenge
from titleholder.errors import ServiceError
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.payloads import Challenger
from titleholder_airflow.page import mlflow as page
from titleholder_mlflow.login import READER, WRITER, may

pytestmark = pytest.mark.slow
MONTH = date(2024, 3, 1)
SEARCHES = {
    "/graphql",
    *(
        f"/{api}{path}"
        for api in ("api", "ajax-api")
        for path in (
            "/2.0/mlflow/experiments/search", "/2.0/mlflow/runs/search", "/2.0/mlflow/logged-models/search",
            "/2.0/mlflow/registered-models/get-latest-versions", "/3.0/mlflow/traces/search",
            "/3.0/mlflow/datasets/search", "/2.0mlflow/experiments/search-datasets",
        )
    ),
    "/ajax-api/2.0/mlflow/experiments/search-datasets",
}  # fmt: skip
"""What of MLflow a reader may ask with another method than GET."""
GRAPHQL = {"query": 'query { mlflowGetExperiment(input: {experimentId: "0"}) { experiment { name } } }'}


@pytest.fixture(scope="module")
def keys(state: State) -> Keys:
    return load_keys(state)


@pytest.fixture
def challenger(settings: Settings) -> Challenger:
    return challenge("tiny", MONTH, "login", settings)


@pytest.fixture
def attacks(challenger: Challenger, settings: Settings) -> list[tuple[str, str, Any]]:
    """Method, path and body of what must be refused to all but tasks."""
    model, run_id = challenger.nominee.model, challenger.nominee.run_id
    version = {"name": "tiny", "version": str(challenger.version)}
    file = f"{files_of(challenger, settings)}/MLmodel"
    return [
        ("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{file}", "flavors: {}"),
        ("PUT", f"/ajax-api/2.0/mlflow-artifacts/artifacts/{file}", "flavors: {}"),
        ("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{file}", None),
        ("POST", f"/api/2.0/mlflow-artifacts/mpu/create/{file}", {"path": "MLmodel", "num_parts": 1}),
        ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=card.html", "<p>forged"),
        ("POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": run_id, "key": "titleholder.scores", "value": "forged"}),
        ("POST", "/ajax-api/2.0/mlflow/runs/set-tag", {"run_id": run_id, "key": "forged", "value": "x"}),
        ("POST", "/api/2.0/mlflow/runs/delete", {"run_id": run_id}),
        ("POST", "/api/2.0/mlflow/experiments/create", {"name": "forged"}),
        ("POST", "/api/2.0/mlflow/registered-models/create", {"name": "forged"}),
        ("POST", "/api/2.0/mlflow/model-versions/create", {"name": "tiny", "source": model.uri}),
        ("POST", "/api/2.0/mlflow/model-versions/set-tag", {**version, "key": "forged", "value": "x"}),
        ("POST", "/api/2.0/mlflow/registered-models/alias", {**version, "alias": "champion"}),
        ("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": "tiny", "alias": "champion"}),
        ("PATCH", f"/api/2.0/mlflow/logged-models/{model.uri.rpartition('/')[2]}/tags", {"tags": []}),
        ("POST", "/api/2.0/mlflow/webhooks", {"name": "x", "url": "https://example.org", "events": []}),
        ("POST", "/api/3.0/mlflow/traces", {}),
        ("POST", "/v1/traces", None),
        ("POST", "/ajax-api/3.0/jobs/", {}),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message", {"message": "x"}),
    ]


def files_of(challenger: Challenger, settings: Settings) -> str:
    """Where the files of the challenger's model are, below the root of all artifacts."""
    client = Registry(settings.tracking_uri).server.client
    location = client.get_logged_model(challenger.nominee.model.uri.rpartition("/")[2]).artifact_location
    return location.partition(":/")[2].lstrip("/")


def ask(
    settings: Settings, method: str, path: str, body: Any = None, login: tuple[str, str] | None = None
) -> requests.Response:
    content = {"data": body} if isinstance(body, str) else {"json": body}
    with requests.Session() as session:
        session.trust_env = False  # no login of a .netrc
        return session.request(method, f"{settings.tracking_uri}{path}", auth=login, timeout=30, **content)


READS = [
    ("GET", "/", None), ("GET", "/version", None), ("GET", "/api/3.0/mlflow/server-info", None),
    ("GET", "/api/2.0/mlflow/registered-models/search", None),
    ("GET", "/ajax-api/2.0/mlflow/experiments/search?max_results=1", None),
    ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"]}),
    ("POST", "/graphql", GRAPHQL),
]  # fmt: skip


def test_nobody_gets_anything(settings: Settings, keys: Keys, attacks: list[tuple[str, str, Any]]) -> None:
    wrong = [None, (WRITER, "wrong"), (WRITER, ""), (WRITER, keys.mlflow[READER]), ("admin", keys.mlflow[WRITER])]
    for login in wrong:
        for method, path, body in [*READS, *attacks]:
            answer = ask(settings, method, path, body, login)
            assert (answer.status_code, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic"), (login, method, path)
            assert keys.mlflow[WRITER] not in answer.text
    assert ask(settings, "GET", "/health").text == "OK"


def test_a_reader_reads(settings: Settings, keys: Keys, challenger: Challenger) -> None:
    login = (READER, keys.mlflow[READER])
    for method, path, body in READS:
        answer = ask(settings, method, path, body, login)
        assert answer.status_code == 200, (method, path, answer.text)
    found = ask(settings, "POST", "/graphql", GRAPHQL, login).json()
    assert found == {"data": {"mlflowGetExperiment": {"experiment": {"name": "Default"}}}, "errors": None}
    file = f"/api/2.0/mlflow-artifacts/artifacts/{files_of(challenger, settings)}/MLmodel"
    assert "sklearn" in ask(settings, "GET", file, login=login).text


def test_a_reader_changes_nothing(
    settings: Settings, keys: Keys, challenger: Challenger, attacks: list[tuple[str, str, Any]]
) -> None:
    client, models = MlflowClient(settings.tracking_uri), Registry(settings.tracking_uri).models

    def everything() -> tuple[Any, ...]:
        run = client.get_run(challenger.nominee.run_id)
        experiments = {experiment.name for experiment in client.search_experiments()}
        registered = {model.name: dict(model.aliases) for model in client.search_registered_models()}
        version = client.get_model_version("tiny", str(challenger.version)).tags
        files = models.files(challenger.nominee.model.uri)
        return run.to_dictionary(), experiments, registered, version, files

    before = everything()
    for method, path, body in attacks:
        answer = ask(settings, method, path, body, (READER, keys.mlflow[READER]))
        assert answer.status_code == 403, (method, path)
        assert answer.text in ("The user reader may only read\n", "This server does not serve that\n"), (method, path)
    assert everything() == before


@pytest.mark.parametrize(
    "path",
    [
        "/graphql/../api/2.0/mlflow/experiments/create",
        "/api/2.0/mlflow/runs/search/../../experiments/create",
        "/api/2.0/mlflow/experiments/create?x=/api/2.0/mlflow/runs/search",
        "/api/2.0/mlflow/experiments/create;/api/2.0/mlflow/runs/search",
        "/api/2.0/mlflow/experiments%2Fcreate",
        "//api/2.0/mlflow/experiments/create",
        "/API/2.0/mlflow/experiments/create",
    ],
)
def test_no_other_spelling_of_a_path_gets_a_reader_through(settings: Settings, keys: Keys, path: str) -> None:
    connection = http.client.HTTPConnection(settings.tracking_uri.removeprefix("http://"), timeout=30)
    login = requests.auth._basic_auth_str(READER, keys.mlflow[READER])
    headers = {"Authorization": login, "Content-Type": "application/json", "X-HTTP-Method-Override": "GET"}
    connection.request("POST", path, json.dumps({"name": "forged"}), headers)
    assert connection.getresponse().status != 200
    connection.close()
    assert MlflowClient(settings.tracking_uri).get_experiment_by_name("forged") is None


def test_a_task_writes(settings: Settings, challenger: Challenger) -> None:
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == WRITER
    client = MlflowClient(settings.tracking_uri)
    client.set_tag(challenger.nominee.run_id, "written", "yes")
    assert client.get_run(challenger.nominee.run_id).data.tags["written"] == "yes"


def test_of_all_routes_of_mlflow_a_reader_may_read_and_search() -> None:
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    routes = {(method, str(rule.rule)) for rule in flask_app.url_map.iter_rules() for method in rule.methods or ()}
    routes |= {(method, route.path) for route in app.routes for method in getattr(route, "methods", None) or ()}
    assert len(routes) > 500
    assert {("PUT", "/api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}"), ("POST", "/graphql")} <= routes
    writing = {route for route in routes if route[0] not in ("GET", "HEAD", "OPTIONS")}
    allowed = {route for route in writing if may(READER, *route)}
    assert {method for method, _ in allowed} == {"POST"}
    assert {path for _, path in allowed} <= SEARCHES
    assert {"/graphql", "/api/2.0/mlflow/runs/search", "/ajax-api/2.0/mlflow/runs/search"} <= {p for _, p in allowed}
    # More than these needs a reading of what MLflow does there: it runs commands for whoever asks its assistant.
    assert {noun_of(path) for method, path in routes if may(WRITER, method, path) and method not in READING} == WRITTEN
    assert {noun_of(path) for method, path in routes if may(READER, method, path) and method in READING} == SHOWN


READING = ("GET", "HEAD", "OPTIONS")
WRITTEN = {
    "graphql", "mlflow-artifacts", "experiments", "logged-models", "model-versions", "registered-models", "runs",
    "upload-artifact", "traces", "datasets",
}  # fmt: skip
SHOWN = (WRITTEN - {"upload-artifact"}) | {
    "", "version", "health", "get-artifact", "static-files", "artifacts", "metrics", "server-info",
}  # fmt: skip


def noun_of(path: str) -> str:
    """What a route is about."""
    return re.sub(r"^/(?:(?:ajax-)?api/[23]\.0/?(?:mlflow/)?)?([\w-]*).*", r"\1", path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (folder := tmp_path / "dags").mkdir()
    return folder


def test_no_file_of_the_server_is_written_or_read_by_who_writes_to_mlflow(
    settings: Settings, keys: Keys, elsewhere: Path
) -> None:
    """An experiment with files of its own: MLflow wrote a DAG file there, which Airflow would have imported."""
    login = (WRITER, keys.mlflow[WRITER])
    made = {"name": "elsewhere", "artifact_location": elsewhere.as_uri()}
    answer = ask(settings, "POST", "/api/2.0/mlflow/experiments/create", made, login)
    if answer.ok:
        run = {"experiment_id": answer.json()["experiment_id"]}
        info = ask(settings, "POST", "/api/2.0/mlflow/runs/create", run, login).json()["run"]["info"]
        upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={info['run_id']}&path=evil.py"
        ask(settings, "POST", upload, "print('imported')", login)
    assert not list(elsewhere.rglob("*.py"))
    assert MlflowClient(settings.tracking_uri).get_experiment_by_name("elsewhere") is None


@pytest.mark.parametrize(
    "source", ["s3://titleholder/snapshots", "gs://b/x", "wasbs://c@a.blob.core.windows.net/x", "dbfs:/x"]
)
def test_no_version_leads_to_files_outside_of_the_servers_store(
    settings: Settings, keys: Keys, challenger: Challenger, source: str
) -> None:
    """MLflow reads a version's files with its own login to the object store, where the snapshots lie too, for readers."""
    made = {"name": "tiny", "source": source, "run_id": challenger.nominee.run_id}
    answer = ask(settings, "POST", "/api/2.0/mlflow/model-versions/create", made, (WRITER, keys.mlflow[WRITER]))
    assert (answer.status_code, answer.json()["message"]) == (400, f"Invalid model version source: '{source}'.")
    sources = [version.source for version in Registry(settings.tracking_uri).models.of_model("tiny")]
    assert sources
    assert source not in sources


def test_mlflows_assistant_runs_no_command(settings: Settings, keys: Keys) -> None:
    """Its tools include a shell, and whoever may configure it names the model that uses them."""
    assistant, login = "/ajax-api/3.0/mlflow/assistant", (WRITER, keys.mlflow[WRITER])
    provider = {"model": "x", "selected": True, "permissions": {"full_access": True}}
    for method, path, body in [
        ("PUT", "/config", {"providers": {"ollama": {**provider, "base_url": "http://127.0.0.1:9"}}}),
        ("POST", "/message", {"message": "x"}),
        ("GET", "/sessions/x/stream", None),
        ("GET", "/providers/ollama/models?base_url=http://127.0.0.1:9", None),
    ]:
        for user in (login, (READER, keys.mlflow[READER])):
            assert ask(settings, method, assistant + path, body, user).status_code == 403, (method, path)


@pytest.fixture
def as_the_api_server(state: State, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the process that shows the page."""
    values = environments.of("api-server", state, keys, state.read().ports)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, values[name])
    return values


@pytest.mark.usefixtures("settings", "challenger")
def test_the_page_reads_with_the_login_of_its_process(
    as_the_api_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert as_the_api_server["MLFLOW_TRACKING_USERNAME"] == READER
    assert "tiny" in page.aliases(0).versions
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    assert page.aliases(0) == page.Aliases({}, "MLflow answered 401")


def test_a_wrong_login_is_an_error_that_says_whose_and_no_password(
    settings: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wr0ng-passw0rd")
    said = r"refuses MLFLOW_TRACKING_USERNAME \(titleholder\) with MLFLOW_TRACKING_PASSWORD"
    with pytest.raises(ServiceError, match=said) as refused:
        Registry(settings.tracking_uri).models.champion("tiny")
    assert "wr0ng" not in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", READER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", keys.mlflow[READER])
    with pytest.raises(ServiceError, match="The user reader may only read"):
        Registry(settings.tracking_uri).models.set_champion("tiny", 1)


def test_the_clean_up_of_deleted_runs_logs_in(settings: Settings, state: State) -> None:
    client = MlflowClient(settings.tracking_uri)
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "x", "x.txt")
    (file,) = state.artifacts.rglob(f"{run_id}/artifacts/x.txt")
    client.delete_run(run_id)
    pruning._run("mlflow-gc", state, [*pruning._mlflow(state, 0), "--run-ids", run_id])
    assert not file.exists()


def test_no_password_is_in_a_log_or_an_argument(state: State, keys: Keys) -> None:
    """After everything above was asked."""
    logs = {path.name: path.read_text(errors="replace") for path in (state.root / "logs").iterdir()}
    assert "experiments/create" in logs["mlflow.log"], "requests are logged"
    running = [process for group in processes.find(str(state.root)).values() for process in group]
    arguments = [part for process in running if process.is_running() for part in arguments_of(process)]
    assert any("uvicorn" in part for part in arguments)
    for password in keys.mlflow.values():
        assert not [name for name, text in logs.items() if password in text]
        assert not [part for part in arguments if password in part]


def arguments_of(process: psutil.Process) -> list[str]:
    return Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
