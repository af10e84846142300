"""What each process of the stack gets to know: what it needs, and nothing else of the caller's."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import pytest

from localstack import environments
from localstack.keys import ROLES, Keys
from localstack.services import AIRFLOW, MIGRATIONS, ORDER
from localstack.state import State
from titleholder.errors import ServiceError

PORTS = {"postgres": 15432, "mlflow": 15000, "airflow": 18080}
PROCESSES = (*ORDER, *MIGRATIONS, "mlflow-gc")
SECRETS_OF_SOMEBODY = {
    "AWS_SECRET_ACCESS_KEY": "cloud-7d1e", "DATABASE_URL": "postgresql://me:mine@elsewhere/db",
    "GITHUB_TOKEN": "token-7d1e", "PGPASSWORD": "other-7d1e", "AIRFLOW__CORE__FERNET_KEY": "foreign-7d1e",
    "MLFLOW_TRACKING_PASSWORD": "foreign-too-7d1e",
    "TITLEHOLDER_LEDGER_OWNER_URL": "postgresql://ledger_owner:owned@db/titleholder",
    "PYTHONSTARTUP": "/evil.py", "TITLEHOLDER_LOADER_URL": "postgresql://loader:loaded@db/warehouse",
    "LD_PRELOAD": "/evil.so",
}  # fmt: skip
"""Values that no path or setting of this machine has in it."""


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A shell with secrets that are none of the stack's business."""
    for name, value in SECRETS_OF_SOMEBODY.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def of(process: str, state: State, keys: Keys) -> dict[str, str]:
    return environments.of(process, state, keys, PORTS)


def mlflow_users_in(values: dict[str, str], keys: Keys) -> set[str]:
    """The users of MLflow whose passwords an environment holds."""
    return {user for user, password in keys.mlflow.items() if password in "\n".join(values.values())}


def roles_in(values: dict[str, str], keys: Keys) -> set[str]:
    """The database roles whose passwords an environment holds."""
    text = "\n".join(unquote(value) for value in values.values())
    return {role for role in ROLES if keys.roles[role] in text}


@pytest.mark.usefixtures("caller")
@pytest.mark.parametrize("process", PROCESSES)
def test_nothing_of_the_callers_that_is_not_listed(process: str, state: State, keys: Keys) -> None:
    values = of(process, state, keys)
    given = "\n".join(values.values())
    assert not [name for name, value in SECRETS_OF_SOMEBODY.items() if value in given]


@pytest.mark.parametrize(
    ("process", "roles", "users"),
    [
        ("postgres", set(), set()),
        ("mlflow", {"mlflow"}, {"titleholder", "reader"}),
        ("mlflow-migration", {"mlflow"}, set()),
        ("mlflow-gc", {"mlflow"}, {"titleholder"}),
        ("airflow-migration", {"airflow"}, set()),
        ("api-server", {"airflow", "ledger_reader"}, {"reader"}),
        ("scheduler", {"airflow", "ledger", "reader"}, {"titleholder"}),
        ("dag-processor", {"airflow", "ledger_reader"}, set()),
        ("triggerer", {"airflow"}, set()),
    ],
)
def test_each_process_has_the_passwords_that_it_needs(
    process: str, roles: set[str], users: set[str], state: State, keys: Keys
) -> None:
    values = of(process, state, keys)
    assert roles_in(values, keys) == roles
    assert mlflow_users_in(values, keys) == users
    if process != "mlflow":
        assert {values.get("MLFLOW_TRACKING_USERNAME")} == (users or {None})
    if ledger := values.get("TITLEHOLDER_LEDGER_URL"):
        assert urlsplit(ledger).username == ("ledger" if process == "scheduler" else "ledger_reader")
    airflow = process in AIRFLOW or process == "airflow-migration"
    for secret in (keys.fernet, keys.jwt, keys.api):
        assert (secret in values.values()) == airflow
    assert (keys.signing in values.values()) == (process == "scheduler"), "where tasks run"
    assert keys.admin not in values.values()


def test_what_a_person_may_set_reaches_the_services_that_use_it(
    state: State, keys: Keys, caller: pytest.MonkeyPatch
) -> None:
    for name in ("TITLEHOLDER_MODELS", "AIRFLOW_CONN_SMTP_DEFAULT", "AIRFLOW_VAR_X", "https_proxy", "LC_ALL", "TZ"):
        caller.setenv(name, f"my {name}")
    caller.setenv("OMP_NUM_THREADS", "2")
    found = {process: of(process, state, keys) for process in PROCESSES}

    def holders(name: str) -> set[str]:
        return {process for process in PROCESSES if name in found[process]}

    assert holders("OMP_NUM_THREADS") == holders("LC_ALL") == holders("TZ") == set(PROCESSES)
    assert holders("TITLEHOLDER_MODELS") == {*AIRFLOW, "airflow-migration"}
    outgoing = {"scheduler", "dag-processor", "triggerer"}
    assert holders("AIRFLOW_CONN_SMTP_DEFAULT") == holders("AIRFLOW_VAR_X") == holders("https_proxy") == outgoing
    assert "AIRFLOW_CONN_WAREHOUSE" in found["scheduler"]


def test_tasks_get_what_is_named_for_them(state: State, keys: Keys, caller: pytest.MonkeyPatch) -> None:
    caller.setenv("TITLEHOLDER_PASS_ON", "AWS_SECRET_ACCESS_KEY, AIRFLOW__CORE__FERNET_KEY,")
    assert {p for p in PROCESSES if SECRETS_OF_SOMEBODY["AWS_SECRET_ACCESS_KEY"] in of(p, state, keys).values()} == {
        "scheduler"
    }
    assert of("scheduler", state, keys)["AIRFLOW__CORE__FERNET_KEY"] == keys.fernet, "the stack's own settings win"
    caller.setenv("TITLEHOLDER_PASS_ON", "AWS_SECRET_ACCES_KEY")
    with pytest.raises(ServiceError, match=re.escape("names AWS_SECRET_ACCES_KEY, which is not set")):
        of("scheduler", state, keys)


def test_the_connection_to_the_warehouse_is_the_stacks_own(
    state: State, keys: Keys, caller: pytest.MonkeyPatch
) -> None:
    caller.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://me:mine@elsewhere/db")
    assert urlsplit(of("scheduler", state, keys)["AIRFLOW_CONN_WAREHOUSE"]).username == "reader"
    assert of("api-server", state, keys).get("AIRFLOW_CONN_WAREHOUSE") is None
