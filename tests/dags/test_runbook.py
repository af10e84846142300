"""The commands of Airflow in docs/operations.md are commands of Airflow."""

from __future__ import annotations

import re
from pathlib import Path

from support import apart
from support.dagbag import ROOT

PARSE = """
import contextlib, io, shlex, sys
from airflow.cli import cli_parser
answer = {}
for line in sys.argv[1:]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            cli_parser.get_parser().parse_args(shlex.split(line)[1:])
    except SystemExit as end:
        if end.code:
            answer[line] = said.getvalue()[-300:]
"""


def test_every_airflow_command_of_the_runbook_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    commands = re.findall(r"(?:^\$ |`)(airflow (?!db clean`)[a-z][^`\n]*)", text, re.MULTILINE)
    assert len(commands) >= 2
    assert apart.run(tmp_path, PARSE, *commands, "airflow tasks clear x --no-such-option")[0].keys() == {
        "airflow tasks clear x --no-such-option"
    }
