"""Scores are read from the ledger by a driver whose own errors nobody outside of the ledger knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from localstack.settings import environment, ledger_url
from localstack.state import State
from titleholder.errors import ServiceError
from titleholder.ledger import event_scores, score_runs
from titleholder.ledger.many_rows import reading

pytestmark = pytest.mark.slow
READINGS: dict[str, Callable[[str], object]] = {
    "by event": lambda url: event_scores.read(url, 1, start=date(2024, 1, 1)),
    "by position": lambda url: list(score_runs.batches(url, 1, timedelta(minutes=1))),
}


@pytest.mark.parametrize("how", READINGS)
def test_a_ledger_that_refuses_is_a_service_error(state: State, how: str) -> None:
    """The warehouse's reader may not read the ledger's tables."""
    url = environment(state)["AIRFLOW_CONN_WAREHOUSE"]
    with pytest.raises(ServiceError, match=r"the ledger's rows could not be read: .*scores"):
        READINGS[how](url)


def sleeps(url: str) -> None:
    with reading(url, timedelta(seconds=1)) as cursor:
        cursor.execute("SELECT pg_sleep(60)")
        cursor.fetch_arrow_table()


def test_a_query_that_takes_too_long_is_a_service_error(state: State) -> None:
    with pytest.raises(ServiceError, match=r"could not be read: .*statement timeout"):
        sleeps(ledger_url(state, "ledger"))
