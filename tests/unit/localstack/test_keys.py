"""The secrets of a stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from localstack.keys import ROLES, ensure_keys, load_keys
from localstack.state import State
from titleholder.errors import ServiceError
from titleholder_mlflow.login import PASSWORDS


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_differ_between_stacks(state: State, tmp_path: Path) -> None:
    keys = ensure_keys(state)
    other = State(tmp_path / "other")
    other.prepare()
    assert ensure_keys(state) == keys == load_keys(state)
    assert set(keys.roles) == set(ROLES)
    assert set(keys.mlflow) == set(PASSWORDS)
    made = [value for one in (keys, ensure_keys(other)) for value in (*one.roles.values(), *one.mlflow.values())]
    assert len(set(made)) == 2 * (len(ROLES) + len(PASSWORDS))
    assert keys.admin not in repr(keys)


def test_lost_secrets_of_an_existing_database_are_not_replaced(state: State) -> None:
    state.postgres.mkdir()
    with pytest.raises(ServiceError, match=r"secrets\.json is missing"):
        ensure_keys(state)


def test_no_stack_yet_says_how_to_start_one(state: State) -> None:
    with pytest.raises(ServiceError, match="titleholder stack up"):
        load_keys(state)
