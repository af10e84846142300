"""A whole stack to break, started once, and a model whose months nothing disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localstack.state import State
from support import stacks
from support.audit_world import EASY, models_in
from support.fault_cases import FIRST, SECOND, Calm
from support.fragile import Fragile, a_fragile_stack, wrong_clock
from support.retraining import retrain
from support.succession_world import write_model
from titleholder.settings import Settings

MODELS = (
    *("calm", "shaken_0", "shaken_1", "shaken_2", "shaken_3", "shaken_4", "away_0", "away_1", "restarted", "full"),
    *("read_only", "doubled", "fast_clock", "slow_clock"),
)
APART = ("cut_off_lane", "cut_off_alias", "flipped", "truncated")
"""Models whose steps the tests run without Airflow."""


@pytest.fixture(scope="session", autouse=True)
def synced() -> Iterator[None]:
    """PostgreSQL waits for the disk, as that of a user does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "UNSYNCED", [])
        yield


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that differ by name only; nearly every challenger wins."""
    folder = tmp_path_factory.mktemp("models")
    for name in (*MODELS, *APART):
        write_model(folder, name, judgement=EASY)
    return folder


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The library with a clock that can be wrong; None where it cannot be compiled."""
    return wrong_clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="session")
def fragile(models: Path, clock: Path | None) -> Iterator[Fragile]:
    """The stack; a test that broke something has started it again, or the next one does."""
    with a_fragile_stack(models, {"LD_PRELOAD": str(clock)} if clock else {}) as fragile:
        airflow = fragile.airflow
        for name in MODELS:
            airflow.wait_for_dag(f"{name}.retrain")
            airflow.pause(f"{name}.retrain", False)
        yield fragile


@pytest.fixture(scope="session")
def state(fragile: Fragile) -> State:
    return fragile.state


@pytest.fixture
def settings(models: Path, fragile: Fragile) -> Iterator[Settings]:
    """Where the services are, also in this process's environment."""
    with models_in(models, fragile.state) as found:
        fragile.up()
        yield found


@pytest.fixture(scope="session")
def calm(models: Path, fragile: Fragile) -> Calm:
    """Two months that nothing disturbed: what every other model's months must be like."""
    with models_in(models, fragile.state) as settings:
        return Calm([retrain("calm", month, "live", settings, report=True) for month in (FIRST, SECOND)])
