"""The whole stack for the tests that need Airflow, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stacks import a_stack
from titleholder.local.state import State


@pytest.fixture(scope="session")
def state() -> Iterator[State]:
    """PostgreSQL, MLflow and Airflow."""
    with a_stack(airflow=True) as state:
        yield state
