"""What `make compatibility` says of a minor that works and of one that does not; the environments themselves are made by it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import compatibility


def test_a_minor_that_fails_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tried(minor: str, *_: Any) -> Iterator[tuple[str, str]]:
        yield "Airflow", minor
        if minor == "3.1":
            raise compatibility.FailedError("no such thing")

    monkeypatch.setattr(compatibility, "tried", tried)
    monkeypatch.setattr(compatibility, "wheel", lambda folder: folder / "a.whl")
    assert compatibility.main(["3.1", "3.3"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Airflow 3.1", "  Airflow: 3.1", "  FAILED: no such thing", "Airflow 3.3", "  Airflow: 3.3", "Failed: 3.1",
    ]  # fmt: skip
    assert compatibility.main(["3.3"]) == 0


def test_a_command_knows_nothing_of_this_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", "/ours")
    monkeypatch.setenv("AIRFLOW_HOME", "/ours")
    code = "import os, sys; print([n for n in os.environ if n in ('TITLEHOLDER_MODELS', 'AIRFLOW_HOME')]); sys.exit(len(sys.argv) - 1)"
    assert compatibility.do(sys.executable, "-c", code, cwd=tmp_path, AIRFLOW_HOME="/own").strip() == "['AIRFLOW_HOME']"
    with pytest.raises(compatibility.FailedError, match="ended with 1"):
        compatibility.do(sys.executable, "-c", code, "more", cwd=tmp_path)
