"""Addresses of MLflow's pages."""

from __future__ import annotations

import pytest

from titleholder.registry import urls


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TITLEHOLDER_MLFLOW_ADDRESS", raising=False)


@pytest.mark.parametrize("server", ["http://flow:5000", "http://flow:5000/", "http://ann:s3cret@flow:5000"])
def test_pages_are_those_of_the_server_without_a_login(server: str) -> None:
    assert urls.run(server, "r1") == "http://flow:5000/#/runs/r1"
    assert urls.version(server, "tiny", 3) == "http://flow:5000/#/models/tiny/versions/3"
    found = urls.artifact(server, "7", "r1", "backtest report.html")
    assert found == "http://flow:5000/#/experiments/7/runs/r1/artifacts/backtest%20report.html"


def test_an_address_of_its_own_for_people_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_MLFLOW_ADDRESS", "https://ann:s3cret@models.example/mlflow/")
    assert urls.run("http://flow:5000", "r1") == "https://models.example/mlflow/#/runs/r1"


def test_a_name_cannot_lead_elsewhere() -> None:
    assert urls.run("http://flow:5000", "../../x") == "http://flow:5000/#/runs/..%2F..%2Fx"
    assert urls.version("http://flow:5000", "a/b?c", 1) == "http://flow:5000/#/models/a%2Fb%3Fc/versions/1"
