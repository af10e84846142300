"""The commands for a new model: `new` writes it from a table, `check` tests it without training it,
`schema` lets an editor complete its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titleholder.cli.console import AsJson, Line, Model, conclude, fitted, out, print_json, print_table, user, working
from titleholder.errors import UsageError
from titleholder.spec.metrics import Task

if TYPE_CHECKING:
    from titleholder.workflow.preflight.report import Preflight
    from titleholder.workflow.scaffold.files import Written

STYLES = {"ok": "green", "warning": "yellow", "fault": "bold red", "not tested": "yellow"}


def new(
    model: Annotated[str, typer.Argument(help="The name of the new model: lower-case letters, digits and _.")],
    table: Annotated[str, typer.Option("--from", help="The table of its rows, as NAME or SCHEMA.NAME.")],
    connection: Annotated[str, typer.Option(help="The Airflow connection of the warehouse.")] = "warehouse",
    task: Annotated[str, typer.Option(help="classification or regression.", show_default="guessed")] = "",
    target: Annotated[
        str, typer.Option(help="The column of the outcome, or 'COLUMN > 30' for 1 beyond.", show_default="guessed")
    ] = "",
    event_time: Annotated[str, typer.Option(help="The column of the event's time.", show_default="guessed")] = "",
    entity: Annotated[str, typer.Option(help="The column that tells rows apart.", show_default="guessed")] = "",
    schedule: Annotated[str, typer.Option(help="Cron in UTC, such as @weekly.", show_default="guessed")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files of a model that is there.")] = False,
) -> None:
    """Write the first spec and query of a model from a table's columns and values. Every role is a guess to check."""
    from titleholder.data.as_of_range import today_utc
    from titleholder.settings import connection_url
    from titleholder.workflow.scaffold import files
    from titleholder.workflow.scaffold.outcome import Choices

    choices = Choices(_task(task), target or None, event_time or None, entity or None)
    with working(f"read {table}") as on_column:
        written = files.write(
            model, table, choices, url=connection_url(connection), connection=connection, owner=user(),
            today=today_utc(), schedule=schedule or None, force=force, on_column=on_column,
        )  # fmt: skip
    _print_guesses(written)


def _task(text: str) -> Task | None:
    tasks: tuple[Task, ...] = ("classification", "regression")
    if text and text not in tasks:
        raise UsageError(f"--task: {text!r} is neither {' nor '.join(tasks)}")
    return next((t for t in tasks if t == text), None)


def _print_guesses(written: Written) -> None:
    from titleholder.workflow.scaffold import marks
    from titleholder.workflow.scaffold.calendar import GIVEN

    model, roles = written.draft.model, written.draft.roles
    guessed = {
        "entity": roles.entity,
        "event_time": roles.event_time,
        "known_at": roles.known_at,
        "target": roles.target,
    }
    rows = [
        {"role": k, "column": i.alias, "why": i.why} if i else {"role": k, "column": "none", "why": "no column says so"}
        for k, i in guessed.items()
    ]
    if roles.cluster:
        rows.append({"role": "cluster", "column": roles.cluster.alias, "why": roles.cluster.why})
    rows += [
        {"role": k, "column": f"{len(v)} columns", "why": ", ".join(i.alias for i in v)}
        for k, v in (("numeric", roles.numeric), ("categorical", roles.categorical), ("protected", roles.protected))
        if v
    ]
    rows += [{"role": "overwritten?", "column": c.name, "why": c.why} for c in roles.overwritten]
    if happened := written.draft.outcome_at:
        why = "the rows with outcome 1 have it, and no others"
        rows.append({"role": "outcome's date", "column": happened.name, "why": why})
    left_out = [c for c in roles.left_out if not happened or c.name != happened.name]
    rows += [{"role": "left out", "column": c.name, "why": c.why} for c in left_out]
    print_table(f"{written.draft.table.name}: a {roles.task}", rows, ["why"])
    times = written.draft.calendar
    hint = "" if times.why_schedule == GIVEN else "; --schedule changes it"
    out.print(
        Text(
            f"Schedule {times.schedule} ({times.why_schedule}{hint}): outcomes are final after "
            f"{times.label_maturity}, models are trained on {times.train} and judged on {times.holdout}."
        )
    )
    places = sum(map(len, marks.lines(written.spec, written.query).values()))
    out.print(Text(f"Written: {written.spec}\n         {written.query}"))
    out.print(Text(f"Look at the {places} places marked CHECK. Next: titleholder check {model}", style="green"))


def check(
    model: Model,
    as_of: Annotated[
        str,
        typer.Option(help="The date to test as of; default: the last one with a whole holdout.", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Test spec, estimators, query, contract, dates, windows and leaks, and list all faults; train nothing.

    Exit code 1: a fault of the data, or a leak; 2: of the spec; 3: the warehouse is down; 4: something is not tested.
    """
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow.preflight import run

    day = resolve_as_of(as_of, None, None) if as_of else None
    with working(f"check {model}", "spec") as on_step:
        report = run.check(model, day, on_step=on_step)
    conclude(report, _print_report, as_json=as_json)


def _print_report(report: Preflight) -> None:
    """The state first, the next step last; what could not be tested for the same reason is one line."""
    title = f"{report.model}{f' as of {report.as_of}' if report.as_of else ''}"
    out.print(Text(f"{title}: {_summary(report)}", style="green" if not report.exit_code else "bold red"))
    lines, before, skipped = [], "", dict[str, list[str]]()
    for f in report.findings:
        if f.outcome == "not tested":
            skipped.setdefault(f.explanation, []).append(f.step)
            continue
        step = "" if f.step == before else f.step
        lines.append(Line([step, Text(f.outcome, style=STYLES[f.outcome]), f.explanation]))
        before = f.step
    for why, steps in skipped.items():
        lines.append(Line(["", Text("not tested", style=STYLES["not tested"]), f"{', '.join(steps)}: {why}"]))
    out.print(fitted("", ["step", "result", "explanation"], lines, out.width, ["explanation"]))
    if not report.exit_code:
        out.print(Text(f"Next: titleholder run {report.model} --as-of {report.as_of}", style="green"))


def _summary(report: Preflight) -> str:
    count = {kind: sum(f.outcome == kind for f in report.findings) for kind in STYLES}
    if not report.exit_code:
        warnings = f" ({count['warning']} to look at)" if count["warning"] else ""
        return f"ready{warnings}."
    parts = [
        f"{count[kind]} {kind}{'s' if kind == 'fault' and count[kind] > 1 else ''}" for kind in ("fault", "not tested")
    ]
    return f"{', '.join(part for part in parts if not part.startswith('0'))}."


def schema() -> None:
    """Print the JSON schema of a spec, with which an editor completes and checks its keys."""
    from titleholder.spec.json_schema import json_schema

    print_json(json_schema())
