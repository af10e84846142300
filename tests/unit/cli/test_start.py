"""The first second of the command, in which it imports: Ctrl-C ends it with a line and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{during}":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
signal.signal(signal.SIGINT, signal.{handler})
sys.argv = ["titleholder", "--version"]
from titleholder.cli.start import main
try:
    main()
finally:
    print("as it was:", signal.getsignal(signal.SIGINT) == signal.{handler})
"""


def started(during: str, handler: str = "default_int_handler") -> subprocess.CompletedProcess[str]:
    """The command, which gets a Ctrl-C while it imports this."""
    code = INTERRUPTED.format(during=during, handler=handler)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("during", ["titleholder.cli.main", "typer", "rich.table", "titleholder.cli.verify"])
def test_ctrl_c_while_it_imports_is_no_traceback(during: str) -> None:
    done = started(during)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted: nothing was decided.\n")


def test_whoever_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    done = started("typer", "SIG_IGN")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("titleholder ")
    assert done.stdout.endswith("as it was: True\n")


def test_the_command_itself_gets_ctrl_c_as_ever() -> None:
    done = started("no such module")
    assert done.returncode == 0
    assert done.stdout.endswith("as it was: True\n")


def test_the_start_imports_nothing_that_only_commands_need() -> None:
    heavy = "numpy, pandas, pydantic, sqlalchemy, requests, mlflow, yaml, jinja2"
    code = f"import sys; import titleholder.cli.main; print([n for n in '{heavy}'.split(', ') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
