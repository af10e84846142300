"""Addresses from the environment."""

from __future__ import annotations

import os

import pytest

from titleholder.errors import ServiceError, UsageError
from titleholder.settings import Settings, connection_url


@pytest.fixture(autouse=True)
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
        monkeypatch.delenv(name)


def test_a_connection_is_a_variable_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://here")
    assert connection_url("Warehouse") == "postgresql://here"


def test_a_misspelt_connection_lists_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://a:secret@here")
    monkeypatch.setenv("AIRFLOW_CONN_MART", "postgresql://there")
    with pytest.raises(UsageError) as caught:
        connection_url("warehose")
    assert str(caught.value) == (
        "no connection 'warehose': AIRFLOW_CONN_WAREHOSE, the address of what `source.connection` or "
        "`training.engine` of a spec names, is not set. Did you mean 'warehouse'? Connections of this environment: mart, warehouse"
    )


def test_without_any_connection_the_stack_is_not_up() -> None:
    with pytest.raises(ServiceError, match=r"AIRFLOW_CONN_WAREHOUSE is not set\. Start the local stack with `make up`"):
        connection_url("warehouse")


@pytest.mark.parametrize(
    ("mlflow", "snapshots", "message"),
    [
        ("http://ann:hunter2@mlflow:5000", "/s", "MLFLOW_TRACKING_URI has a login"),
        ("http://ann:hun/ter2@mlflow:5000", "/s", "MLFLOW_TRACKING_URI has a login"),
        ("http://mlflow", "s3://AKIA:hunter2@bucket/x", "TITLEHOLDER_SNAPSHOTS has '@'"),
        ("http://mlflow", "s3://bucket/x?region=hunter2", r"TITLEHOLDER_SNAPSHOTS has '\?'.*AWS_DEFAULT_REGION"),
        ("http://mlflow", "s3://bucket/x#hunter2", "TITLEHOLDER_SNAPSHOTS has '#'"),
    ],
)
def test_no_address_that_is_shown_or_kept_has_a_secret(mlflow: str, snapshots: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        Settings("postgresql://db/x", mlflow, snapshots)
    assert "hunter2" not in str(raised.value)
    assert "ter2" not in str(raised.value)


@pytest.mark.parametrize("snapshots", ["/data/team@home/s?#", "s3://bucket/prefix", "file:///data"])
def test_folders_and_plain_addresses_are_fine(snapshots: str) -> None:
    assert Settings("postgresql://db/x", "http://mlflow", snapshots).snapshots == snapshots
