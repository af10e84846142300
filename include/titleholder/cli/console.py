"""What the commands share: options, the one look of tables, and output for people and for programs."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

out, err = Console(), Console(stderr=True)

Model = Annotated[str, typer.Argument(help="A model's name: its file in the models folder without .yaml.")]
Lane = Annotated[str, typer.Option(help="The line of decisions, such as live or backtest.")]
AsOf = Annotated[str, typer.Option(help="The date to look at the world from, as YYYY-MM-DD (00:00 UTC).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


@contextmanager
def progress() -> Iterator[Any]:
    """Progress bars on stderr; a task has a description and a `step`."""
    from rich import progress as p

    columns = (
        p.TextColumn("{task.description}"),
        p.BarColumn(),
        p.TextColumn("{task.fields[step]}"),
        p.TimeElapsedColumn(),
    )
    with p.Progress(*columns, console=err) as shown:
        yield shown


def print_json(data: Any) -> None:
    """JSON on stdout."""
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


def print_error(error: Exception) -> None:
    """An error's message on stderr; brackets in it are no markup."""
    err.print(f"[red]Error:[/red] {escape(str(error))}")


def new_table(title: str, *columns: str, no_wrap: bool = False) -> Table:
    """An empty table without borders, its title at the left. Titles and headings are plain text, not markup."""
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(Text(name), no_wrap=no_wrap)
    return table


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a row, with the keys of the first as columns."""
    table = new_table(title, *(rows[0] if rows else ["(none)"]))
    for row in rows:
        table.add_row(*(Text(", ".join(v) if isinstance(v, list) else str(v)) for v in row.values()))
    out.print(table)


def user() -> str:
    """The name of the person who runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
