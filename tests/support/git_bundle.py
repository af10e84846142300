"""A Git repository with a DAG file and a model, from which Airflow reads DAGs as from one that a team pushes to."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

MODELS = Path(__file__).parent / "models"
MODEL, BUNDLE = "tiny_pushed", "pushed"
DAG_FILE = """from pathlib import Path

from titleholder_airflow import build_dags

build_dags(globals(), models=Path(__file__).parent / "models")
"""
LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
GIT = "airflow.providers.git.bundles.git.GitDagBundle"


class Repository(NamedTuple):
    """A bare repository, and a clone in which people work."""

    bare: Path
    clone: Path

    @property
    def setting(self) -> str:
        """Airflow's `dag_bundle_config_list`: its DAGs folder, and this repository, looked at every two seconds."""
        git = {"tracking_ref": "main", "subdir": "dags", "repo_url": str(self.bare), "refresh_interval": 2}
        bundles = [("dags-folder", LOCAL, {}), (BUNDLE, GIT, git)]
        return json.dumps([{"name": name, "classpath": path, "kwargs": known} for name, path, known in bundles])

    def push(self, file: str, content: str) -> str:
        """Commit a file and push it; returns the commit."""
        path = self.clone / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        self._git("add", ".")
        self._git("commit", "--quiet", "--message", f"{file} changed")
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        who = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
        done = subprocess.run(["git", "-C", self.clone, *who, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()


@contextmanager
def repository() -> Iterator[Repository]:
    """A repository whose model is `tiny` under another name."""
    with tempfile.TemporaryDirectory(prefix="titleholder-git-") as folder:
        found = Repository(Path(folder) / "bare.git", Path(folder) / "clone")
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", found.bare], check=True)
        subprocess.run(["git", "clone", "--quiet", found.bare, found.clone], check=True, capture_output=True)
        models = found.clone / "dags" / "models"
        models.mkdir(parents=True)
        (models / f"{MODEL}.yaml").write_text((MODELS / "tiny.yaml").read_text().replace("tiny\n", f"{MODEL}\n", 1))
        (models / "tiny.sql").write_text((MODELS / "tiny.sql").read_text())
        found.push("dags/models.py", DAG_FILE)
        yield found
