"""What the commands share: options, and how they print for people and for programs."""

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
from rich.table import Table

out, err = Console(), Console(stderr=True)

Model = Annotated[str, typer.Argument(help="A model's name: its file in include/models without .yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


def plain(text: str) -> str:
    """Text whose brackets rich does not take for markup."""
    return text.replace("[", r"\[")


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


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a row, with the keys of the first as columns."""
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ["(none)"]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(plain(", ".join(v) if isinstance(v, list) else str(v)) for v in row.values()))
    out.print(table)


def user() -> str:
    """Whoever runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
