"""What the tests with PostgreSQL and MLflow share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.succession_world import without_cards


@pytest.fixture
def bare() -> Iterator[None]:
    """Decisions without cards, which cost seconds each and decide nothing."""
    with without_cards():
        yield
