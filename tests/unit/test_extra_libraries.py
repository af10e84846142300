"""Libraries of a team's own: installed by make and in the image where they are locked, and usable as candidates."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from localstack.state import PROJECT
from support.factories import rows, with_candidate
from support.training_cases import fitted, scores
from titleholder.registry.model_files import requirements

LOCK = "requirements-extra.txt"
LIBRARIES = [
    ("lightgbm.LGBMClassifier", {"n_estimators": 20, "verbose": -1}),
    ("xgboost.XGBClassifier", {"n_estimators": 20}),
]


def planned(folder: Path, target: str) -> str:
    """What make would do in a folder with the files that it goes by."""
    for name in ("Makefile", "requirements.txt", "requirements-build.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return subprocess.run(["make", "--dry-run", target], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_make_installs_the_extra_lock_where_there_is_one(tmp_path: Path) -> None:
    assert LOCK not in planned(tmp_path, "install")
    (tmp_path / LOCK).write_text("lightgbm==4.7.0\n")
    assert f"-r requirements.txt -r {LOCK}" in planned(tmp_path, "install")


def test_a_newer_extra_lock_or_wheel_is_installed(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("lightgbm==4.7.0\n")
    (tmp_path / "wheels").mkdir()
    planned(tmp_path, "install")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    assert "pip install" not in planned_again(tmp_path)
    wheel = tmp_path / "wheels" / "scoring-1.2-py3-none-any.whl"
    wheel.touch()
    os.utime(wheel, (2_000_000_000, 2_000_000_000))
    assert f"-r {LOCK}" in planned_again(tmp_path)


def planned_again(folder: Path) -> str:
    return subprocess.run(
        ["make", "--dry-run", "install"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_the_lock_goes_by_the_versions_of_requirements_txt(tmp_path: Path) -> None:
    assert re.search(
        rf"uv pip compile .* -c requirements\.txt -o {LOCK} requirements-extra\.in", planned(tmp_path, "lock")
    )


def test_the_image_takes_the_extra_lock_and_the_wheels() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "COPY requirements.txt requirements-build.txt requirements-extra.tx[t] ./" in dockerfile, (
        "a pattern: the file may be absent"
    )
    assert f"--requirement {LOCK}" in dockerfile
    assert {f"!{LOCK}", "!wheels"} <= set(ignored)
    assert list((PROJECT / "wheels").iterdir()), "git keeps no empty folder, and COPY needs one"


def test_a_version_requires_the_library_of_every_class_in_it() -> None:
    found = requirements("sklearn.svm.SVC", "collections.OrderedDict", "yaml.loader.SafeLoader", "not_installed.Model")
    assert [line.partition("==")[0] for line in found] == [
        "mlflow",
        "numpy",
        "pandas",
        "scikit-learn",
        "scipy",
        "skops",
        "PyYAML",
    ]


@pytest.mark.parametrize(("estimator", "params"), LIBRARIES)
def test_a_gradient_boosting_library_keeps_gaps_directions_and_its_result(
    estimator: str, params: dict[str, Any]
) -> None:
    pytest.importorskip(estimator.partition(".")[0], reason=f"{estimator} is optional: docs/extra-libraries.md")
    frame = rows(n=600, seed=2)
    frame["bad"] = (np.sin(frame["debt"] * 3) > 0).astype(int)
    spec = with_candidate(estimator=estimator, params=params, increasing=["debt"])
    pipeline = fitted(spec, frame).pipeline
    grid = pd.concat([frame.head(1)] * 200, ignore_index=True)
    grid = grid.assign(debt=np.linspace(frame["debt"].min(), frame["debt"].max(), 200), income=np.nan)
    assert np.diff(scores(pipeline, grid, spec)).min() >= 0
    assert (scores(fitted(spec, frame).pipeline, frame, spec) == scores(pipeline, frame, spec)).all()
