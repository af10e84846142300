"""The section `monitor` of a spec."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from support.factories import SQL, YAML
from support.specs import complaint, write
from titleholder.spec.loader import load_spec
from titleholder.spec.model import ModelSpec
from titleholder.spec.monitor import AskForRetrain, Monitor

SCORING = "scoring: {query: small_scoring.sql, window: 1 day}\n"
SECTION = "monitor: {persistence: 3, ask_for_retrain: {cooldown: 1 month}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small_scoring.sql").write_text(SQL)
    return tmp_path


def test_a_spec_without_it_is_not_monitored(folder: Path) -> None:
    assert load_spec(write(folder, YAML + SCORING)).monitor is None


def test_every_key_has_a_default_and_it_travels_with_the_spec(folder: Path) -> None:
    spec = load_spec(write(folder, YAML + SCORING + SECTION))
    assert spec.monitor is not None
    assert (spec.monitor.persistence, spec.monitor.false_alarms, spec.monitor.minimum_rows) == (3, 0.05, 200)
    assert spec.monitor.ask_for_retrain is not None
    assert spec.monitor.ask_for_retrain.per_year == 4
    assert date(2024, 1, 31) + spec.monitor.ask_for_retrain.cooldown == date(2024, 2, 29)
    assert ModelSpec.restore(spec.model_dump(mode="json")) == spec
    assert load_spec(write(folder, YAML + SCORING + "monitor: {}\n")).monitor == Monitor()
    assert date(2024, 1, 31) + AskForRetrain().cooldown == date(2024, 4, 30)


def test_it_changes_neither_what_is_trained_nor_how_it_is_judged(folder: Path) -> None:
    without, with_it = (load_spec(write(folder, YAML + SCORING + more)) for more in ("", SECTION))
    assert without.fingerprint() != with_it.fingerprint()
    assert without.training_fingerprint() == with_it.training_fingerprint()
    assert without.judgement_fingerprint() == with_it.judgement_fingerprint()


@pytest.mark.parametrize(
    "wrong", ['{"false_alarms": 0.0}', '{"persistence": 0}', '{"minimum_rows": 0}', '{"minimum_psi": -0.1}', '{"a": 1}']
)
def test_values_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Monitor.model_validate_json(wrong)


def test_there_is_nothing_to_monitor_without_scoring(folder: Path) -> None:
    said = complaint(folder, YAML + SECTION)
    assert "monitor: it follows scoring runs, and the spec has no section scoring" in said
