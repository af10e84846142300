"""The secrets of docker-compose.yaml: required, generated, each only where it is used."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from localstack.state import PROJECT
from support.compose_file import AIRFLOW, SECRETS, SERVICES, TEXT, WORKERS, script


def _named(text: str) -> set[str]:
    """Names of the `NAME=` lines of a file in .env form."""
    return set(re.findall(r"^([A-Z][A-Z0-9_]*)=", text, flags=re.M))


def test_every_secret_is_required_with_a_message_and_never_defaulted() -> None:
    uses: dict[str, list[tuple[str, str]]] = {}
    for name, operator, rest in re.findall(r"\$\{(\w+)(:?[-?+]?)([^}]*)\}", TEXT):
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
    assert holders("READER_DB_PASSWORD") == {"postgres", *WORKERS, "titleholder"}
    assert holders("LEDGER_DB_PASSWORD") == {"postgres", *WORKERS, "titleholder"}
    assert holders("LEDGER_READER_DB_PASSWORD") == {"postgres", "airflow-apiserver", "airflow-dag-processor"}
    assert holders("MLFLOW_DB_PASSWORD") == {"postgres", "airflow-init", "mlflow"}
    assert holders("MLFLOW_WRITER_PASSWORD") == {"mlflow", *WORKERS, "titleholder"}
    assert holders("MLFLOW_READER_PASSWORD") == {"mlflow", "airflow-apiserver"}
    assert holders("AIRFLOW_DB_PASSWORD") == {"postgres", *AIRFLOW}, "not the workers"
    assert holders("BROKER_PASSWORD") == {"valkey", "airflow-scheduler", *WORKERS}
    for key in ("STORE_ACCESS_KEY", "STORE_SECRET_KEY"):
        assert holders(key) == {"store", "mlflow", *WORKERS, "titleholder"}
    assert holders("AIRFLOW_ADMIN_PASSWORD") == {"airflow-init"}
    assert holders("TITLEHOLDER_SIGNING_KEY") == set(WORKERS), "where tasks run"
    for key in ("AIRFLOW_FERNET_KEY", "AIRFLOW_API_SECRET_KEY", "AIRFLOW_JWT_SECRET"):
        assert holders(key) == AIRFLOW, "equal on every Airflow service, and not where tasks run"


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
    make_env = script("make_env")
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
