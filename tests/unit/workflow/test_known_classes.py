"""Which classes may be imported because the ledger names them: those that the folder of models names, and no others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.factories import SQL, YAML
from titleholder.errors import UsageError
from titleholder.spec.engine import EXTERNAL_MEMORY, DaskEngine
from titleholder.workflow.known_classes import require_known, require_known_cluster

ESTIMATOR = "sklearn.linear_model.LogisticRegression"
RUNS = "raise SystemExit('this module was imported')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, and beside it a library whose modules end the process that imports them."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "hostile.py").write_text(
        f"{RUNS}class Model(object): ...\nclass Estimator(BaseEstimator): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "library")
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(models))
    return models


@pytest.mark.parametrize(
    "path", ["hostile.Estimator", "antigravity.fly", "subprocess.Popen", "os.system", "mlflow.projects.run"]
)
def test_a_class_that_only_the_ledger_names_is_refused_and_not_imported(folder: Path, path: str) -> None:
    with pytest.raises(UsageError, match=rf"decision 7 trains {path}, .*`titleholder reproduce 7 --allow {path}`"):
        require_known(7, path, "classification", ["another.Class"])
    assert not {"hostile", "antigravity"} & {*sys.modules}


def test_a_class_that_a_spec_names_or_a_person_allows_may_be_imported(folder: Path) -> None:
    require_known(7, ESTIMATOR, "classification")
    require_known(7, "hostile.Estimator", "classification", ["hostile.Estimator"])
    assert ESTIMATOR in YAML
    (folder / "small.yaml").write_text(YAML.replace(ESTIMATOR, "hostile.Estimator"))
    (folder / "small.sql").write_text(SQL)
    require_known(7, "hostile.Estimator", "classification")
    assert "hostile" not in sys.modules


def test_what_is_allowed_must_be_an_estimator_by_its_source_as_in_a_spec(folder: Path) -> None:
    for path, said in {"hostile.Model": "is no scikit-learn estimator", "sklearn.svm.SVX": "has no class SVX"}.items():
        with pytest.raises(UsageError, match=f"decision 7 trains {path}: .*{said}"):
            require_known(7, path, "classification", [path])
    assert "hostile" not in sys.modules


CLUSTER = DaskEngine(dask="tcp://scheduler:8786")


def test_a_cluster_that_only_the_ledger_names_is_refused(folder: Path) -> None:
    with pytest.raises(
        UsageError, match=r"on the Dask scheduler tcp://scheduler:8786, .*7 --allow tcp://scheduler:8786"
    ):
        require_known_cluster(7, CLUSTER, ["tcp://another:8786"])
    require_known_cluster(7, CLUSTER, ["tcp://scheduler:8786"])
    (folder / "small.yaml").write_text(
        YAML.replace("training:\n", "training:\n  engine: {dask: tcp://scheduler:8786}\n")
    )
    (folder / "small.sql").write_text(SQL)
    require_known_cluster(7, CLUSTER)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("engine", [None, EXTERNAL_MEMORY, DaskEngine(dask="dask_cluster")])
def test_what_the_environment_knows_needs_no_spec(engine: str | DaskEngine | None) -> None:
    require_known_cluster(7, engine)
