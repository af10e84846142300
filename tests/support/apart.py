"""Runs a piece of code in a process of its own: Airflow must find its environment before it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, code: str, **environment: str) -> tuple[Any, str]:
    """What `code` leaves in `answer`, and what it printed and logged."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "TITLEHOLDER"))} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
        **environment,
    }
    text = f"import json\nanswer = None\n{code}\nprint('ANSWER' + json.dumps(answer))"
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, timeout=240)
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr[-3000:]
    return json.loads(answers[0].removeprefix("ANSWER")), done.stdout + done.stderr
