"""The `titleholder` command. Exit codes: 0 done, 1 a check failed, 2 bad usage or spec, 3 a service is down."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localstack import cli as stack_cli
from titleholder.cli import backtest, verify
from titleholder.cli.console import AsJson, Model, err, out, plain, print_json, print_table, progress, user
from titleholder.errors import TitleholderError, UsageError
from titleholder.spec.loader import demand_known, load_specs

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals carry addresses with passwords
    help="Retrain models on a schedule; a new one takes over only after it has beaten the champion, fairly.",
)
app.add_typer(stack_cli.app, name="stack")
app.command()(verify.audit)
app.command()(verify.reproduce)
app.command()(verify.leaktest)
app.command()(backtest.backtest)

Lane = Annotated[str, typer.Option(help="The line of succession, such as live or backtest.")]


def main() -> None:
    """Run the command; an error of this package ends it with its message and exit code, without a traceback."""
    find_local_stack()
    try:
        app()
    except TitleholderError as error:
        err.print(f"[red]Error:[/red] {plain(str(error))}")
        sys.exit(error.exit_code)


def find_local_stack() -> None:
    """Where a local stack exists, its addresses stand in for whatever the environment does not set."""
    from localstack.settings import environment
    from localstack.state import State
    from titleholder.errors import ServiceError

    try:
        found = environment(State.locate())
    except ServiceError:
        return  # no local stack: the environment alone says where the services are
    for name, value in found.items():
        if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_")):
            os.environ.setdefault(name, value)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, and what is wrong with the specs that cannot be read."""
    specs = load_specs()
    rows = [
        {
            "model": s.name,
            "task": s.task,
            "owner": s.owner,
            "schedule": s.schedule,
            "metric": s.judgement.metric,
            "candidates": list(s.training.candidates),
            "description": s.description,
        }
        for s in specs.models.values()
    ]
    if as_json:
        print_json({"models": rows, "errors": {name: str(e) for name, e in specs.errors.items()}})
    else:
        print_table("Models", [{k: v for k, v in row.items() if k != "description"} for row in rows])
        for error in specs.errors.values():
            err.print(f"[red]Error:[/red] {plain(str(error))}")
    if specs.errors:
        raise typer.Exit(2)


@app.command()
def run(
    model: Model,
    as_of: Annotated[str, typer.Option(help="The date to look at the world from, as YYYY-MM-DD (00:00 UTC).")],
    until: Annotated[
        str, typer.Option(help="Also run every later tick of the model's schedule up to this date, in order.")
    ] = "",
    lane: Lane = "dev",
    candidate: Annotated[list[str] | None, typer.Option(help="Train only this candidate; repeat for more.")] = None,
    reason: Annotated[str, typer.Option(help="Why this run was asked for; it is kept in the ledger.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run the whole sentence in this process, without Airflow: extract, train, nominate, validate, decide, promote."""
    from titleholder.spec.windows import resolve_as_of

    spec = load_specs(only=model)[model]
    first = resolve_as_of(as_of, None, None)
    dates = _ticks(spec.schedule, first, resolve_as_of(until, None, None)) if until else [first]
    with progress() as shown:
        done = [_run_once(model, day, lane, tuple(candidate or ()), reason, shown) for day in dates]
    _show(f"{model}, lane {lane}", done, as_json, {})


def _run_once(model: str, day: date, lane: str, candidates: tuple[str, ...], reason: str, shown: Any) -> Decision:
    from titleholder.data.snapshots import Origin
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow import steps

    spec = load_specs(only=model)[model]
    settings = Settings.from_environment()
    bar = shown.add_task(f"{model} {day}", total=len(candidates or spec.training.candidates) + 4, step="extract")
    snapshot = steps.extract(
        model,
        day,
        lane,
        url=connection_url(spec.source.connection),
        settings=settings,
        candidates=candidates,
        origin=Origin(actor=f"cli:{user()}", reason=reason),
    )
    trained = []
    for name in snapshot.candidates:
        shown.update(bar, advance=1, step=f"train {name}")

        def on_trial(n: int, total: int, name: str = name) -> None:
            shown.update(bar, step=f"train {name} {n}/{total}")

        trained.append(steps.train(snapshot, name, settings=settings, on_trial=on_trial))
    shown.update(bar, advance=1, step="nominate")
    challenger = steps.nominate(trained, settings=settings)
    shown.update(bar, advance=1, step="validate")
    judged = steps.validate(challenger, settings=settings)
    shown.update(bar, advance=1, step="decide")
    decision = steps.promote(steps.decide(judged, settings=settings), settings=settings)
    shown.update(bar, advance=1, step=decision.kind)
    return decision


def _ticks(schedule: str | None, first: date, last: date) -> list[date]:
    from titleholder.spec.windows import next_tick

    if schedule is None:
        raise UsageError("--until needs a model with a schedule; this one has none")
    if last < first:
        raise UsageError(f"--until: {last} lies before --as-of, {first}")
    days = [first]
    while (tick := next_tick(schedule, days[-1])) <= last:
        days.append(tick)
    return days


@app.command()
def history(
    model: Model,
    lane: Lane = "live",
    everything: Annotated[
        bool, typer.Option("--all", help="Also the decisions that a later one of the same as-of date replaced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model's decisions in a lane: challenger, champion, gain with its interval, what was decided and why."""
    from titleholder.ledger import reigns, store
    from titleholder.settings import Settings

    demand_known(model)
    url = Settings.from_environment().ledger_url
    rows = store.read(url, model, lane)
    if not rows:
        others = ", ".join(store.lanes(url, model)) or "none"
        err.print(f"{model} has no decision in lane {lane}. Lanes with decisions: {others}")
    in_force, again = reigns.standing(rows, lane), reigns.overtaken(rows, lane)
    newest, stands = {row.as_of: row.id for row in in_force}, {row.id for row in in_force}
    notes = {row.id: f"Replaced by decision {newest[row.as_of]}" for row in rows if row.id not in stands}
    notes |= {number: f"Run this month again: {why}" for number, why in again.items()}
    _show(f"{model}, lane {lane}", rows if everything else in_force, as_json, notes)
    if again and not as_json:
        err.print(f"For months to be run again: `{reigns.remedy(rows, lane)}`", soft_wrap=True)


@app.command()
def champion(
    model: Model,
    on: Annotated[str, typer.Option(help="Who reigned at the end of this date, YYYY-MM-DD; default: today.")] = "",
    lane: Lane = "live",
    as_json: AsJson = False,
) -> None:
    """Say who reigns, or reigned on a date: by the clock in the live lane, by as-of date in others."""
    from titleholder.ledger import reigns, store
    from titleholder.settings import Settings
    from titleholder.spec.types import LIVE
    from titleholder.spec.windows import resolve_as_of

    demand_known(model)
    day = resolve_as_of(on, None, datetime.now(UTC))
    rows = store.read(Settings.from_environment().ledger_url, model, lane)
    reign, taken = reigns.reign_on(rows, lane, day), reigns.taken_on(rows, lane, day)
    if as_json:
        champion = reign.model_dump(exclude={"looks"}) if reign else None
        fields = {"id", "kind", "as_of", "created_at", "actor", "approval", "reason"}
        by = taken.model_dump(mode="json", include=fields) if taken else None
        print_json({"model": model, "lane": lane, "on": day, "champion": champion, "by": by})
    elif reign and taken:
        approved = f", approved by {taken.approval.by}" if taken.approval and taken.approval.by else ""
        out.print(
            f"{model}: version {reign.version} (as of {reign.as_of}, trained on rows before {reign.trained_through})\n"
            f"by decision {taken.id} of {taken.created_at:%Y-%m-%d} ({taken.kind}; {taken.actor}{approved})",
            highlight=False,
        )
    else:
        first = f"; the first live decision is of {rows[0].created_at:%Y-%m-%d}" if rows and lane == LIVE else ""
        out.print(f"{model}: nobody reigned in lane {lane} on {day}{first}")


@app.command()
def rollback(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger with your name.")],
    to: Annotated[
        int | None,
        typer.Option(help="A version that was champion before; default: the predecessor of the reigning one."),
    ] = None,
    leaving: Annotated[int | None, typer.Option(help="Do nothing unless this version reigns.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also bring back a version that was rolled back itself.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give an earlier champion its place back in the live lane. Nothing is trained or judged.

    The version that goes is barred: no challenger wins that was trained on nothing newer.
    """
    from titleholder.settings import Settings
    from titleholder.workflow import steps
    from titleholder.workflow.payloads import Rollback

    demand_known(model)
    order = Rollback(reason=reason, actor=f"cli:{user()}", to=to, leaving=leaving, force=force)
    _show(f"{model}, lane live", [steps.rollback(model, order, settings=Settings.from_environment())], as_json, {})


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A Parquet or CSV file.", exists=True, dir_okay=False)],
    table: Annotated[str, typer.Option(help="The table to make in the warehouse, as NAME or SCHEMA.NAME.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the table if it is there.")] = False,
) -> None:
    """Load a file into a new table of the local warehouse, with the file's own columns and types."""
    from localstack import loading

    with progress() as shown:
        bar = shown.add_task(f"{file.name} → {table}", total=None, step="reading")
        rows = loading.load(
            file,
            table,
            replace=replace,
            on_rows=lambda n, total: shown.update(bar, completed=n, total=total, step="rows"),
        )
    out.print(f"{rows:,} rows in {table}")


@app.command()
def migrate(
    app_role: Annotated[str, typer.Option(help="The role that may read and append, and nothing else.")] = "ledger",
) -> None:
    """Bring the ledger's schema up to date (as its owner: TITLEHOLDER_LEDGER_OWNER_URL)."""
    from titleholder.ledger import migrations
    from titleholder.settings import need

    migrations.migrate(need("TITLEHOLDER_LEDGER_OWNER_URL"), app_role)
    out.print("The ledger's schema is up to date.")


def _show(title: str, decisions: list[Decision], as_json: bool, notes: Mapping[int, str]) -> None:
    from titleholder.cli import tables

    if as_json:
        told = ((d, json.loads(d.model_dump_json(exclude={"spec"}))) for d in decisions)
        print_json([{**row, "note": notes.get(decision.id, "")} for decision, row in told])
    else:
        out.print(tables.decisions(title, decisions, out.width, notes))


if __name__ == "__main__":
    main()
