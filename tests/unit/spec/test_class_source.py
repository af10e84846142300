"""Classes read from their source: what is refused without an import, and what is left to one."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.utils import all_estimators

from support.specs import bent, complaint
from titleholder.spec.class_source import faults


@pytest.mark.parametrize(
    ("path", "parameters", "task", "said"),
    [
        ("sklern.linear_model.Ridge", [], "regression", "library sklern is not installed; did you mean 'sklearn'?"),
        ("lightgbmm.LGBMRegressor", [], "regression", "; did you mean 'lightgbm'?; add it to the requirements"),
        (
            "sklearn.linear_modle.Ridge",
            [],
            "regression",
            "no module sklearn.linear_modle; did you mean 'linear_model'?",
        ),
        ("sklearn.linear_model.Rigde", [], "regression", "has no class Rigde; did you mean 'Ridge'?"),
        ("sklearn.linear_model.Ridge", ["alfa"], "regression", "no parameter 'alfa'; did you mean 'alpha'?; it takes"),
        ("sklearn.linear_model.Ridge", [], "classification", "Ridge predicts values, but the task is classification"),
        ("sklearn.linear_model.LogisticRegression", [], "regression", "LogisticRegression classifies, but the task is"),
    ],
)
def test_a_class_that_cannot_do_is_refused(path: str, parameters: list[str], task: str, said: str) -> None:
    found = faults(path, parameters, task)
    assert len(found) == 1
    assert said in found[0]


def test_no_estimator_of_scikit_learn_is_refused_for_its_own_task_and_parameters() -> None:
    refused, checked = {}, 0
    for task, kind in (("classification", "classifier"), ("regression", "regressor")):
        for name, cls in all_estimators(type_filter=kind):
            public = cls.__module__.split("._")[0]
            checked += 1
            if found := faults(f"{public}.{name}", inspect.signature(cls).parameters, task):
                refused[name] = found
    assert (refused, checked > 80) == ({}, True)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("def __getattr__(name): ...", []),
        ("from other import *", []),
        ("try:\n    from fast import It\nexcept ImportError:\n    It = None", []),
        ("class It(Base):\n    def __init__(self, **others): ...", ["rate"]),
        ("@made\nclass It: ...", []),
        ("class It(metaclass=Made): ...", []),
        ("class Own(Base): ...\nclass It(Own): ...", []),
        ("class It(It): ...", []),
        ("@made\ndef It(): ...", []),
        ("if True:\n    def It(): ...", []),
        ("class It(Base): ...", ["rate"]),
        ("It = make()", ["rate"]),
        ("this is no Python", []),
        ("from .gone import It", ["rate"]),
    ],
)
def test_what_the_source_does_not_show_is_left_to_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, parameters: list[str]
) -> None:
    (tmp_path / "open_library").mkdir()
    (tmp_path / "open_library" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert faults("open_library.It", parameters, "regression") == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("subprocess.Popen", "Popen is no scikit-learn estimator: let it inherit from sklearn.base.BaseEstimator"),
        ("own_library.It", "It is no scikit-learn estimator: let it inherit from sklearn.base.BaseEstimator"),
        ("shutil.rmtree", "shutil.rmtree is a function, not a class"),
        ("own_library.make", "own_library.make is a function, not a class"),
        ("own_library.part", "own_library.part is a module, not a class"),
    ],
)
def test_what_is_no_class_of_an_estimator_is_refused_by_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    library = tmp_path / "own_library"
    library.mkdir()
    (library / "part.py").write_text("raise SystemExit('not to be imported')")
    (library / "__init__.py").write_text("class Base(object): ...\nclass It(Base): ...\nasync def make(): ...")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert faults(path, ["args"], "regression") == [said]


def test_a_module_that_was_edited_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task inherits what the scheduler has read, perhaps weeks ago."""
    (file := tmp_path / "edited_library.py").write_text("class Old(Base): ...")
    monkeypatch.syspath_prepend(str(tmp_path))
    (said,) = faults("edited_library.New", [], "regression")
    assert said.startswith("module edited_library has no class New")
    file.write_text("class New(Base): ...")
    os.utime(file, ns=(1, 1))  # as quickly as this the clock of a disk may not have moved
    assert faults("edited_library.New", [], "regression") == []


def test_a_spec_file_names_every_candidate_that_cannot_do(tmp_path: Path) -> None:
    text = bent(
        ("sklearn.linear_model.LogisticRegression", "sklearn.linear_model.LogisticRegresion"),
        ("max_iter: 5, min", "max_iters: 5, min"),
        ("owner: credit-risk", "owner: 7"),
    )
    said = complaint(tmp_path, text)
    assert "training.candidates.line.estimator: sklearn.linear_model.LogisticRegresion: module" in said
    assert "did you mean 'LogisticRegression'?" in said
    assert "takes no parameter 'max_iters'; did you mean 'max_iter'?" in said
    assert "owner: Input should be a valid string (got 7)" in said


def test_reading_specs_imports_no_library_of_models() -> None:
    code = (
        "import sys; from titleholder.spec.loader import load_specs; found = load_specs(); "
        "print(len(found.models) > 0, [m for m in ('sklearn', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"
