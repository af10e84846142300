"""Runs pieces of code against Airflow, each in a process of its own.

Airflow must find its environment before it is imported, and importing it takes seconds: so one process imports it, and
each piece of code runs in a fork of that.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

FORKING = """
import json, os, sys, traceback
try:
    from airflow.dag_processing import dagbag
except ImportError:  # Airflow 3.1
    from airflow.models import dagbag
    sys.modules["airflow.dag_processing.dagbag"] = dagbag

def run(request):
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(request["environment"])
    sys.argv = ["-c", *request["arguments"]]
    try:
        exec(compile(request["code"], "a test", "exec"), {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(json.loads(line))
    os.waitpid(child, 0)
    print("done", flush=True)
"""


@functools.cache
def _airflow() -> subprocess.Popen[str]:
    """A process that has imported Airflow, with an empty home and this project's plugins."""
    home = tempfile.TemporaryDirectory(prefix="titleholder-airflow-")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "TITLEHOLDER", "MLFLOW"))} | {
        "AIRFLOW_HOME": home.name,
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.name}/airflow.db",
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("include", "plugins", "config", "tests")),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def end() -> None:
        process.communicate()  # its input ends, and so does it
        home.cleanup()

    atexit.register(end)
    return process


def run(tmp_path: Path, code: str, *arguments: str, **environment: str) -> tuple[Any, str]:
    """What `code` leaves in `answer`, and what it printed and logged; it finds `arguments` in `sys.argv`."""
    output, process = tmp_path / "output", _airflow()
    request = {
        "code": f"import json\nanswer = None\n{code}\nprint('ANSWER' + json.dumps(answer))",
        "arguments": arguments,
        "environment": environment,
        "output": str(output),
    }
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    while process.stdout.readline() not in ("done\n", ""):  # Airflow 3.1 and 3.2 log there while they are imported
        pass
    text = output.read_text(encoding="utf-8")
    output.unlink()
    answers = [line for line in text.splitlines() if line.startswith("ANSWER")]
    assert answers, text[-3000:]
    return json.loads(answers[0].removeprefix("ANSWER")), text
