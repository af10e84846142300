"""The client of Airflow's REST API: how long it waits for which answer."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from localstack.airflow import Airflow


class Answer:
    ok, content = True, b"{}"

    def json(self) -> dict[str, Any]:
        return {"access_token": "t", "id": 7, "dag_run_id": "r"}


def test_a_backfill_of_years_may_take_longer_to_be_made_than_other_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow makes all its runs before it answers: those of three years of days take more than half a minute."""
    waits: dict[str, float] = {}

    def request(_self: object, _method: str, url: str, *, json: object, timeout: float) -> Answer:
        waits[url.rpartition("/")[2]] = timeout
        return Answer()

    monkeypatch.setattr(requests.Session, "request", request)
    airflow = Airflow("http://airflow.example", "admin", "password")
    assert airflow.backfill("loans.score", "2023-07-02", "2026-07-01", at_once=4) == 7
    assert airflow.trigger("loans.score") == "r"
    assert waits == {"token": 60, "backfills": 600, "dagRuns": 60}
