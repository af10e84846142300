"""`titleholder doctor`: is this installation as it should be, and if not, what is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titleholder.cli.console import AsJson, Line, conclude, fitted, out, working
from titleholder.formatting import counted

if TYPE_CHECKING:
    from titleholder.workflow.doctor.report import Report

STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red", "not checked": ""}


def doctor(
    service: Annotated[
        str,
        typer.Option(
            help="Whose environment this is: command-line, worker, api-server, dag-processor or triggerer. "
            "The scheduler is a worker with LocalExecutor."
        ),
    ] = "command-line",
    as_json: AsJson = False,
) -> None:
    """Check what this installation needs: versions, variables, roles and rights, MLflow's login, the store, clocks.

    Exit code 1: something is wrong; 3: a service is down. Nothing is changed but one file below the snapshots.
    """
    from titleholder.workflow.doctor import run

    with working(f"doctor ({service})") as on_step:
        report = run.examine(service, on_step=on_step)
    conclude(report, _print_report, as_json=as_json)


def _print_report(report: Report) -> None:
    """The state first; what is wrong comes before what is not."""
    out.print(Text(f"Service {report.service}: {_summary(report)}", style="bold red" if report.exit_code else "green"))
    lines, order = [], ["wrong", "warning", "not checked", "ok"]
    for check in sorted(report.checks, key=lambda check: order.index(check.state)):
        said = ". ".join(filter(None, [check.found, check.remedy]))
        lines.append(Line([check.name, Text(check.state, style=STYLES[check.state]), said]))
    columns = ["what", "state", "found, and what to do"]
    out.print(fitted("", columns, lines, out.width, columns[2:]))


def _summary(report: Report) -> str:
    count = {state: sum(check.state == state for check in report.checks) for state in STYLES}
    parts = [f"{count['wrong']} wrong" if count["wrong"] else "nothing is wrong"]
    parts += [counted(count["warning"], "warning")] if count["warning"] else []
    parts += [f"{count['not checked']} not checked"] if count["not checked"] else []
    return f"{', '.join(parts)}; {count['ok']} as it should be."
