"""The wheel as somebody installs it who has an Airflow: without the repository, with models in a folder of their own.

No package index is asked: the virtual environment borrows the packages that the tests run on, but not this checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "support" / "models"
DAG_FILE = """
from titleholder_airflow import build_dags

build_dags(globals(), models={models!r})
"""
BROKEN_FILE = """
from titleholder_airflow import report_missing_dags

report_missing_dags(models={models!r})
"""
PROBE = """
import json, sys
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
from airflow.providers_manager import ProvidersManager
from fastapi.testclient import TestClient
import titleholder

bag = DagBag(dag_folder=sys.argv[1], load_op_links=True)
(plugin,) = [p for p in plugins_manager.get_plugin_info() if p["name"] == "titleholder"]
_, errors = plugins_manager._get_plugins()
(page,) = [app for app in plugins_manager.get_fastapi_plugins()[0] if app["name"] == "Titleholder"]
browser = TestClient(page["app"], raise_server_exceptions=False)
provider = ProvidersManager().providers["titleholder"]
print("ANSWER" + json.dumps({
    "home": titleholder.__file__,
    "dags": sorted(bag.dags),
    "errors": {file.rpartition("/")[2]: text for file, text in bag.import_errors.items()},
    "plugin": {"source": str(plugin["source"]), "views": [v["name"] for v in plugin["external_views"]],
               "links": plugin["operator_extra_links"], "apps": [a["url_prefix"] for a in plugin["fastapi_apps"]]},
    "plugin errors": errors,
    "provider": [provider.version, provider.data["name"]],
    "page": {path: [answer.status_code, answer.text] for path in ("/", "/static/page.css", "/static/crown.svg")
             for answer in [browser.get(path)]},
}))
"""


class Installed(NamedTuple):
    """A virtual environment with the wheel, and the wheel."""

    bin: Path
    wheel: Path

    def run(self, *command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, as in a shell where nothing of this project is set."""
        ours = ("AIRFLOW", "TITLEHOLDER", "MLFLOW", "PYTHON")
        env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | environment
        program = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(program, env=env, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel from a copy of what it is made of, and install it."""
    pytest.importorskip("build", reason="the wheel is built by `build`, see requirements-dev.in")
    home = tmp_path_factory.mktemp("wheel")
    source, dist, venv = home / "source", home / "dist", home / "venv"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "include", source / "include", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    _do(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(source))
    (wheel,) = dist.glob("*.whl")
    _do(sys.executable, "-m", "venv", "--without-pip", str(venv))
    (packages,) = venv.glob("lib/python*/site-packages")
    borrowed = home / "borrowed"  # what this environment has, without the editable install of this checkout
    borrowed.mkdir()
    for folder in (Path(p) for p in sys.path if p.endswith("site-packages")):
        for entry in folder.iterdir():
            if not entry.name.startswith(("titleholder", "__editable__")):
                (borrowed / entry.name).symlink_to(entry)
    (packages / "borrowed.pth").write_text(str(borrowed))
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv, "uv is in requirements-build.txt"
    _do(
        uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "--no-deps", "--no-index", str(wheel)
    )
    return Installed(venv / "bin", wheel)


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good spec and a broken one."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("tiny.yaml", "tiny.sql", "broken.yaml"):
        shutil.copy(MODELS / name, folder)
    return folder


@pytest.fixture(scope="module")
def found(installed: Installed, models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow sees of the installed package."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    (dags / "models.py").write_text(DAG_FILE.format(models=str(models)))
    (dags / "broken.py").write_text(BROKEN_FILE.format(models=str(models)))
    done = installed.run(
        "python", "-c", PROBE, str(dags), cwd=home, AIRFLOW_HOME=str(home), AIRFLOW__CORE__LOAD_EXAMPLES="false",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db",
    )  # fmt: skip
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(answers[0].removeprefix("ANSWER"))
    return answer


def shipped(*packages: str) -> Iterator[str]:
    """The files of packages of this checkout."""
    for package in packages:
        for path in (ROOT / "include" / package).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(ROOT / "include").as_posix()


def test_the_wheel_has_every_file_of_three_packages_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (points,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
        assert "[mlflow.app]\ntitleholder = titleholder_mlflow.login:create_app" in wheel.read(points).decode()
    assert names == set(shipped("titleholder", "titleholder_airflow", "titleholder_mlflow"))


def test_its_metadata_has_ranges_extras_and_no_exact_pin(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(wheel.read(name).decode())
    required = metadata.get_all("Requires-Dist") or []
    assert set(metadata.get_all("Provides-Extra") or []) == {
        "airflow",
        "local",
        "s3",
        "gcs",
        "azure",
        "kubernetes",
        "openlineage",
        "dask",
        "lightgbm",
        "xgboost",
    }
    assert not [line for line in required if "==" in line.partition(";")[0]]
    needed = {line.split(">")[0].split("<")[0].lower() for line in required if "extra ==" not in line}
    assert {"mlflow", "pandas", "scikit-learn", "sqlalchemy", "pydantic"} <= needed
    assert not [name for name in needed if "airflow" in name or "pgserver" in name]


def test_airflow_has_the_dags_of_a_three_line_file(installed: Installed, found: dict[str, Any]) -> None:
    assert Path(found["home"]).is_relative_to(installed.bin.parent), "not this checkout"
    assert found["dags"] == ["tiny.retrain", "tiny.rollback"]
    assert list(found["errors"]) == ["broken.py"]
    assert "broken.yaml is not a valid model spec" in found["errors"]["broken.py"]


def test_airflow_has_the_plugin_and_the_provider(found: dict[str, Any]) -> None:
    assert found["plugin errors"] == {}
    assert "titleholder==" in found["plugin"]["source"]
    assert found["plugin"]["views"] == ["Champions"]
    assert found["plugin"]["apps"] == ["/titleholder"]
    assert len(found["plugin"]["links"]) == 3
    assert found["provider"][1] == "Titleholder"


def test_the_page_has_its_templates_and_static_files(found: dict[str, Any]) -> None:
    status, text = found["page"]["/"]
    assert status == 401, "not logged in"
    assert "Log in to Airflow" in text
    assert [found["page"][path][0] for path in ("/static/page.css", "/static/crown.svg")] == [200, 200]


def test_the_command_reads_the_models_folder_and_has_no_local_stack(
    installed: Installed, models: Path, tmp_path: Path
) -> None:
    done = installed.run("titleholder", "models", "--json", cwd=tmp_path, TITLEHOLDER_MODELS=str(models))
    assert done.returncode == 2, "a spec is broken"
    assert '"tiny"' in done.stdout
    usage = installed.run("titleholder", "--help", cwd=tmp_path)
    assert usage.returncode == 0, usage.stderr
    assert " rollback " in usage.stdout
    assert " stack " not in usage.stdout
