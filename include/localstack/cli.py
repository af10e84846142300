"""`titleholder stack`: the embedded PostgreSQL, MLflow and Airflow of one clone. `titleholder load` fills it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import filesize
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from localstack import pruning, stack
from localstack.keys import ADMIN, load_keys
from localstack.services import ORDER
from localstack.settings import environment, passwords
from localstack.state import State
from titleholder.cli.console import (
    AsJson,
    CsvDecimal,
    CsvDelimiter,
    CsvEncoding,
    Line,
    err,
    fitted,
    out,
    print_error,
    print_json,
    print_table,
    progress,
)
from titleholder.errors import ServiceError, TitleholderError, UsageError
from titleholder.formatting import counted
from titleholder_mlflow.login import READER

if TYPE_CHECKING:
    from localstack.loading import LoadedTable

app = typer.Typer(
    help="The embedded local stack: PostgreSQL, MLflow and Airflow, on loopback, without containers.",
    no_args_is_help=True,
)


@app.command()
def up() -> None:
    """Start what is not running; return when everything answers. Repeat it as you like."""
    state = State.locate()
    began = time.monotonic()
    with _reporting(), _Board() as board:
        statuses = stack.up(state, after_postgres=[migrate_ledger], watch=board.note)
    out.print(_table(statuses))
    out.print(f"Up in {time.monotonic() - began:.0f} s.")
    out.print(
        f"Airflow's user is {ADMIN}: `titleholder stack status --password` shows the password. "
        f"MLflow's is {READER}: `titleholder stack status --password --mlflow`.",
        soft_wrap=True,
    )


@app.command()
def down() -> None:
    """Stop every process of the stack, also after a crash. Data stays."""
    with _reporting():
        stopped = stack.down(State.locate())
    out.print("Stopped." if stopped else "Nothing was running.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    password: Annotated[
        bool, typer.Option("--password", help="Print the Airflow user's password, and that only.")
    ] = False,
    user: Annotated[str, typer.Option(help="With --password: whose, of the admin and TITLEHOLDER_USERS.")] = ADMIN,
    mlflow: Annotated[bool, typer.Option("--mlflow", help=f"With --password: that of MLflow's user {READER}.")] = False,
) -> None:
    """Show each service: up or down, process id, address, log file. Exit code 3 unless all are up."""
    state = State.locate()
    with _reporting():
        if mlflow and not password:
            raise UsageError("--mlflow goes with --password: `titleholder stack status --password --mlflow`")
        if mlflow:
            sys.stdout.write(load_keys(state).mlflow[READER] + "\n")
            return
        if password:
            known = passwords(state)
            if user not in known:
                raise ServiceError(f"Airflow has no user {user!r} here; it has {', '.join(known)}.")
            sys.stdout.write(known[user] + "\n")
            return
        statuses = stack.status(state)
    if as_json:
        sys.stdout.write(json.dumps([asdict(item) for item in statuses], indent=2) + "\n")
    else:
        out.print(_table(statuses))
    if not all(item.up for item in statuses):
        raise typer.Exit(3)


@app.command()
def env(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of shell lines.")] = False,
) -> None:
    """Print the stack's environment, PASSWORDS INCLUDED, for `eval "$(titleholder stack env)"`."""
    with _reporting():
        values = environment(State.locate())
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and delete its databases, models, snapshots and logs."""
    state = State.locate()
    if not yes:
        typer.confirm(f"Delete everything the stack keeps in {state.root}?", abort=True)
    with _reporting():
        stack.clean(state)
    out.print("Deleted.")


@app.command()
def prune(
    older_than: Annotated[
        int, typer.Option("--older-than", min=1, metavar="DAYS", help="Keep what is younger than DAYS days.")
    ] = 90,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it. Without this, nothing is deleted.")] = False,
) -> None:
    """Delete old logs of tasks, old rows of Airflow's database, and the files of runs that were deleted in MLflow.

    `titleholder gc` says which runs and models nothing references, and deletes them in MLflow first.
    """
    with _reporting():
        found = pruning.prune(State.locate(), older_than, delete=yes, on_step=lambda what: err.print(what))
    logs = f"{counted(found.files, 'log')} ({filesize.decimal(found.bytes)})"
    if yes:
        said = (
            f"{logs} deleted, with rows of Airflow and files of deleted runs older than {counted(older_than, 'day')}."
        )
    else:
        said = f"{logs} can be deleted, with rows of Airflow and files of deleted runs: --yes deletes them."
    out.print(said, soft_wrap=True)


def load(
    file: Annotated[Path, typer.Argument(help="A Parquet or CSV file (.csv.gz too).", exists=True, dir_okay=False)],
    table: Annotated[str, typer.Option(help="The table to make in the warehouse, as NAME or SCHEMA.NAME.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the table if it exists.")] = False,
    encoding: CsvEncoding = "",
    delimiter: CsvDelimiter = "",
    decimal: CsvDecimal = "",
    as_json: AsJson = False,
) -> None:
    """Load a file into a new table of the local warehouse, with the file's own columns and types."""
    from localstack import loading
    from titleholder.data.csv_file import Written

    with progress() as shown:
        bar = shown.add_task(f"{file.name} → {table}", total=None, step="reading")
        loaded = loading.load(
            file,
            table,
            replace=replace,
            written=Written(encoding, delimiter, decimal),
            on_rows=lambda n, total, step: shown.update(bar, completed=n, total=total, step=step),
        )
    if as_json:
        columns = [column._asdict() for column in loaded.columns]
        print_json({"table": table, "rows": loaded.rows, "columns": columns, "warnings": loaded.warnings})
    else:
        _print_loaded(loaded)


def _print_loaded(loaded: LoadedTable) -> None:
    out.print(f"{loaded.rows:,} rows in {loaded.table}")
    shown = [
        {"column": c.column, "type": c.type, **({"in SQL": c.sql} if loaded.quoted else {})} for c in loaded.columns
    ]
    print_table("", shown)
    if loaded.quoted:
        example = f"select {loaded.quoted[0].sql} as {re.sub('[^a-z0-9]+', '_', loaded.quoted[0].column.lower())}"
        err.print(
            f"SQL finds names with capitals, spaces or signs in double quotes only: {example} from {loaded.table}",
            soft_wrap=True,
        )
    for warning in loaded.warnings:
        err.print(Text(f"Warning: {warning}", style="yellow"), soft_wrap=True)


def migrate_ledger(owner_url: str) -> None:
    """Bring the ledger's tables up to date (called by `up` once PostgreSQL answers)."""
    from titleholder.ledger.migrations import migrate

    migrate(owner_url)


@contextmanager
def _reporting() -> Iterator[None]:
    """Errors that are meant for a person end in one message and their exit code, not in a traceback."""
    try:
        yield
    except TitleholderError as error:
        print_error(error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        err.print("Interrupted. `titleholder stack up` continues, `titleholder stack down` stops what has started.")
        raise typer.Exit(130) from None


class _Board:
    """One line per service while the stack comes up; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[str, float]] = {}
        self._done: dict[str, float] = {}
        self._began = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._draw, console=err, refresh_per_second=8, transient=True)

    def __enter__(self) -> _Board:
        if err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if err.is_terminal:
            self._live.stop()

    def note(self, service: str, step: str) -> None:
        now = time.monotonic()
        self._steps[service] = (step, now)
        if step == "ready":
            self._done[service] = now - self._began
        if not err.is_terminal:
            err.print(f"{now - self._began:5.1f} s  {service}: {step}")

    def _draw(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for name in ("stack", *ORDER):
            if name not in self._steps:
                continue
            step, since = self._steps[name]
            mark = Text("✓", "green") if name in self._done else self._spinner.render(now)
            elapsed = self._done.get(name, now - since)
            table.add_row(mark, name, step, f"{elapsed:.0f} s")
        return table


def _table(statuses: list[stack.Status]) -> RenderableType:
    lines = []
    for item in statuses:
        not_up = Text("no answer", "yellow") if item.pid else Text("down", "red")
        lines.append(Line([item.name, Text("up", "green") if item.up else not_up, str(item.pid or ""), item.address]))
    table = fitted("", ["service", "state", "pid", "address"], lines, out.width)
    return Group(table, Text(f"Logs: {Path(statuses[0].log).parent}", overflow="fold"))
