"""What the commands share: options, the one look of tables, and output for people and for programs."""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

out, err = Console(), Console(stderr=True)
LINE_EVERY = 20.0
"""Seconds between two lines about a task, where there is no terminal."""

Model = Annotated[str, typer.Argument(help="A model's name: its file in the models folder without .yaml.")]
Lane = Annotated[str, typer.Option(help="The line of decisions, such as live or backtest.")]
AsOf = Annotated[str, typer.Option(help="The date to look at the world from, as YYYY-MM-DD (00:00 UTC).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


class ProgressBars(Progress):
    """Progress bars on a terminal; elsewhere (a log, CI) a line at the start and end of a task and in between.

    >>> bars = ProgressBars(console=Console(file=sys.stdout, force_terminal=False))
    >>> task = bars.add_task("Months", total=2)
    Months: 0 of 2
    >>> bars.update(task, completed=2)
    Months: 2 of 2
    """

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._printed: dict[TaskID, float] = {}

    def add_task(self, description: str, *args: Any, **options: Any) -> TaskID:
        """Add a task; see rich."""
        task = super().add_task(description, *args, **options)
        self._print(task)
        return task

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Update a task; see rich."""
        before = self._tasks[task_id].finished
        super().update(task_id, **changes)
        if not before:
            self._print(task_id)

    def _print(self, task_id: TaskID) -> None:
        task, now = self._tasks[task_id], time.monotonic()
        if self.disable and (task.finished or now - self._printed.get(task_id, -LINE_EVERY) >= LINE_EVERY):
            self._printed[task_id] = now
            done = "" if task.total is None else f": {task.completed:.0f} of {task.total:.0f}"
            self.console.print(f"{task.description}{done} {task.fields.get('step', '')}".rstrip(), markup=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress on stderr; a task has a description and a `step`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with ProgressBars(*columns, console=err) as shown:
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


def interrupted(standing: str) -> NoReturn:
    """End a command after Ctrl-C with exit code 130, saying what stands."""
    err.print(f"Interrupted: {standing}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(130)


def interruptible(command: Callable[..., None], standing: str = "nothing was decided.") -> Callable[..., None]:
    """The command, which after Ctrl-C says what stands, unless it has said so itself.

    >>> interruptible(print)("as before")
    as before
    """

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except KeyboardInterrupt:
            interrupted(standing)

    return run


def user() -> str:
    """The name of the person who runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
