"""What the tests of the local stack share."""

from __future__ import annotations

from pathlib import Path

import pytest

from localstack.keys import Keys, ensure_keys
from localstack.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    made.prepare()
    return made


@pytest.fixture
def keys(state: State) -> Keys:
    return ensure_keys(state)
