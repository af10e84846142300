"""Does the wheel work in an Airflow that somebody has? A fresh environment for each minor: `make compatibility`.

As Airflow's own guide has it: Airflow first, with its constraints where a folder has them, then the wheel beside it,
with Airflow held at its version. Then a database is made, a DAG file of three lines is read, every DAG is kept as the
scheduler has it, plugin, provider and page are looked for, and `titleholder doctor` is asked. With `--stack` the tasks'
tests run too, or the demo, with retrains on PostgreSQL, MLflow and that Airflow. Exit code 1 where a minor fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
MINORS = ("3.1", "3.2", "3.3")
OLDER = {"3.2": ("cadwyn<8", "fastapi<0.137")}
"""By minor, what is held back where no constraints are given: its own API server cannot be imported with the newest."""
DAG_FILE = """from titleholder_airflow import build_dags

build_dags(globals(), models={models!r})
"""
PROBE = """
import json, sys
from importlib.metadata import version
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # 3.1
    from airflow.models.dagbag import DagBag
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager
from airflow.serialization import serialized_objects
from airflow.timetables.base import TimeRestriction
from airflow.api_fastapi.execution_api.app import create_task_execution_api_app
from fastapi.testclient import TestClient

create_task_execution_api_app()  # what tasks talk to

bag = DagBag(dag_folder=sys.argv[1])
serialise = getattr(serialized_objects, "DagSerialization", serialized_objects.SerializedDAG)
first = {}
for name, dag in bag.dags.items():
    kept = serialise.from_dict(serialise.to_dict(dag))  # as the scheduler has it
    if name.endswith("retrain"):
        always = TimeRestriction(earliest=None, latest=None, catchup=True)
        run = kept.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=always)
        first[name] = run and str(run.run_after.date())
plugins_manager.get_plugin_info()
apps = getattr(plugins_manager, "get_fastapi_plugins", None)
apps = apps()[0] if apps else plugins_manager.initialize_fastapi_plugins() or plugins_manager.fastapi_apps
(page,) = [app for app in apps if app["name"] == "Titleholder"]
print("ANSWER" + json.dumps({
    "dags": len(bag.dags), "errors": list(bag.import_errors.values()),
    "page": TestClient(page["app"], raise_server_exceptions=False).get("/").status_code,
    "first": first, "provider": "titleholder" in ProvidersManager().providers,
    "versions": {name: version(name) for name in ("apache-airflow", "SQLAlchemy", "pandas", "mlflow")},
}))
"""
STACK = ("pytest", "pytest-timeout", "playwright", "axe-playwright-python", "apache-airflow-providers-git")
WITHOUT_GIT = ("3.1",)
"""Minors whose DAG processor ends at the Git bundle of the tests, without constraints: they run the demo instead."""
STACK_TESTS = (
    "tests/dags/test_tasks.py",
    "tests/e2e/test_retrain.py",
    "tests/e2e/test_people.py",
    "tests/e2e/test_bundles.py",
)


class FailedError(Exception):
    """A command that ended with an error, with the end of what it printed."""


def do(*command: str, cwd: Path = ROOT, timeout: float = 900, **environment: str) -> str:
    """What a command prints, in an environment without anything of this project or of Airflow."""
    ours = ("AIRFLOW", "TITLEHOLDER", "MLFLOW", "PYTHON", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | environment
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise FailedError(
            f"{' '.join(command)[:200]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout


def wheel(folder: Path) -> Path:
    """The wheel, built from a copy of what it is made of."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "include", source / "include", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    do(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source))
    (built,) = (folder / "dist").glob("*.whl")
    return built


class Environment:
    """A virtual environment with one minor of Airflow."""

    def __init__(self, folder: Path, minor: str, constraints: Path | None) -> None:
        self.python = folder / "venv" / "bin" / "python"
        do(str(UV), "venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
        own = constraints / f"constraints-{minor}.txt" if constraints else None
        held = ("--constraint", str(own)) if own and own.is_file() else ()
        self.constraints = own.name if held and own else "none"
        self.older = () if held else OLDER.get(minor, ())
        self.install(f"apache-airflow=={minor}.*", *held, *self.older)
        self.airflow = f"apache-airflow=={self.version('apache-airflow')}"

    def install(self, *what: str) -> None:
        """Install packages from the index that is set up for pip."""
        index = os.environ.get("PIP_INDEX_URL") or _configured()
        chosen = ("--default-index", index) if index else ()
        do(str(UV), "pip", "install", "--quiet", "--python", str(self.python), *chosen, *what)

    def version(self, package: str) -> str:
        """The version of a package that is installed."""
        return do(
            str(self.python), "-c", f"from importlib.metadata import version; print(version({package!r}))"
        ).strip()

    def run(self, *command: str, timeout: float = 900, **environment: str) -> str:
        """What one of its programs prints."""
        return do(str(self.python.parent / command[0]), *command[1:], timeout=timeout, **environment)


def _configured() -> str:
    found = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def tried(minor: str, built: Path, folder: Path, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What was done in one environment, with what came of it. Raises FailedError."""
    environment = Environment(folder, minor, arguments.constraints)
    yield "Airflow", f"{environment.airflow}, constraints: {environment.constraints}"
    environment.install(f"titleholder[airflow] @ {built.as_uri()}", environment.airflow, *environment.older)
    yield "pip install titleholder[airflow]", "installed beside it"
    do(str(UV), "pip", "check", "--python", str(environment.python))
    yield "pip check", "every package has what it asks for"
    yield from _looked(environment, folder)
    if arguments.stack:
        environment.install(
            *STACK, f"titleholder[airflow,local] @ {built.as_uri()}", environment.airflow, *environment.older
        )
        yield "retrain", _demo(environment, folder) if minor in WITHOUT_GIT else _stack(environment)


def _looked(environment: Environment, folder: Path) -> Iterator[tuple[str, str]]:
    home = folder / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "models.py").write_text(DAG_FILE.format(models=str(ROOT / "include" / "models")))
    settings = {
        "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "TITLEHOLDER_MODELS": str(ROOT / "include" / "models"),
    }  # fmt: skip
    environment.run("airflow", "db", "migrate", **settings)
    yield "airflow db migrate", "done"
    text = environment.run("python", "-c", PROBE, str(home / "dags"), **settings)
    (line,) = [line for line in text.splitlines() if line.startswith("ANSWER")]
    found: dict[str, Any] = json.loads(line.removeprefix("ANSWER"))
    seen = (found["dags"], len(found["first"]), all(found["first"].values()), found["page"], found["provider"])
    wrong = [*found["errors"], *([] if seen == (8, 3, True, 401, True) else [found])]
    if wrong:
        raise FailedError(f"Airflow does not see what it should: {wrong}")
    yield (
        "DAG file of three lines",
        f"{found['dags']} DAGs; first runs {', '.join(sorted(found['first'].values()))}; plugin, provider, page",
    )
    report = json.loads(environment.run("titleholder", "doctor", "--service", "triggerer", "--json", **settings))
    yield "titleholder doctor", f"exit code {report['exit_code']}"
    yield "versions", ", ".join(f"{name} {number}" for name, number in found["versions"].items())


def _demo(environment: Environment, folder: Path) -> str:
    settings = {"TITLEHOLDER_STATE": str(folder / "stack"), "PYTHONPATH": str(ROOT / "include")}
    try:
        text = environment.run("python", "-m", "demo", "--months", "2", timeout=3600, **settings)
    finally:
        environment.run("titleholder", "stack", "clean", "--yes", **settings)
    (line,) = [line for line in text.splitlines() if line.startswith("Done in ")]
    return f"demo, 2 months as a backfill and two live runs: {line}"


def _stack(environment: Environment) -> str:
    paths = os.pathsep.join([str(ROOT / "include"), str(ROOT)])
    text = environment.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *STACK_TESTS,
        timeout=3600, PYTHONPATH=paths, OMP_NUM_THREADS="1",
    )  # fmt: skip
    return text.strip().splitlines()[-1]


def main(words: Sequence[str] | None = None) -> int:
    """Try each minor; print a line for what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minors", nargs="*", default=MINORS, help=f"default: {' '.join(MINORS)}")
    parser.add_argument("--stack", action="store_true", help="let a retrain run in each; minutes each")
    parser.add_argument("--constraints", type=Path, help="a folder with constraints-3.1.txt and so on")
    arguments = parser.parse_args(words)
    failed = []
    with tempfile.TemporaryDirectory(prefix="titleholder-compatibility-") as folder:
        built = wheel(Path(folder))
        for minor in arguments.minors:
            print(f"Airflow {minor}", flush=True)
            try:
                (Path(folder) / minor).mkdir()
                for what, found in tried(minor, built, Path(folder) / minor, arguments):
                    print(f"  {what}: {found}", flush=True)
            except (FailedError, subprocess.TimeoutExpired) as error:
                failed.append(minor)
                print(f"  FAILED: {error}", flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "Every minor works")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
