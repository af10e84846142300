"""What the commands share: options, the one look of tables, and output for people and for programs."""

from __future__ import annotations

import getpass
import json
import logging
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, NamedTuple, NoReturn, Protocol, TypeVar

import typer
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from titleholder.cli import completion
from titleholder.masking import mask
from titleholder.plain_text import plain


class Terminal(Console):
    """A console on which data are text, whatever they are made of: no markup, no control character, no colour but ours.

    >>> Terminal(file=sys.stdout).print("[link=https://a.example]here[/link]", "\x1b[31m")
    [link=https://a.example]here[/link] \\x1b[31m
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Whatever is printed becomes segments here; those that move the cursor are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


out, err = Terminal(), Terminal(stderr=True)
LINE_EVERY = 20.0
"""Seconds between two lines about a task, where there is no terminal."""
GUTTER, NARROWEST = 2, 14
"""Columns between the cells of a table, and the least width of cells that may be wrapped."""

Model = Annotated[
    str,
    typer.Argument(
        help="A model's name: its file in the models folder without .yaml.", autocompletion=completion.models
    ),
]
Lane = Annotated[
    str, typer.Option(help="The line of decisions, such as live or backtest.", autocompletion=completion.lanes)
]
AsOf = Annotated[str, typer.Option(help="The date to look at the world from, as YYYY-MM-DD (00:00 UTC).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
CsvEncoding = Annotated[
    str, typer.Option("--encoding", help="How a CSV file is written, such as latin-1; default: utf-8.")
]
CsvDelimiter = Annotated[
    str, typer.Option("--delimiter", help="What is between the columns of a CSV file; default: a comma.")
]
CsvDecimal = Annotated[
    str,
    typer.Option("--decimal", help="The decimal mark of a CSV file, ',' or '.'; the other may group thousands."),
]


def lane_to_read(usual: str) -> Any:
    """The option `--lane` of a command that only reads; see `housekeeping.lane_to_show`."""
    return typer.Option(
        "--lane",
        help=f"The line of decisions; default: {usual}, or where it has no decision the only lane that has.",
        autocompletion=completion.lanes,
    )


class ProgressBars(Progress):
    """Progress bars on a terminal; elsewhere (a log, CI) lines at the start and end of a task and between, none twice.

    >>> bars = ProgressBars(console=Console(file=sys.stdout, force_terminal=False))
    >>> task = bars.add_task("Months", total=2)
    Months: 0 of 2
    >>> bars.update(task, completed=2)
    Months: 2 of 2
    """

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._printed: dict[TaskID, tuple[float, str]] = {}

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
        done = "" if task.total is None else f": {task.completed:.0f} of {task.total:.0f}"
        line = f"{task.description}{done} {task.fields.get('step', '')}".rstrip()
        last, before = self._printed.get(task_id, (-math.inf, ""))
        if self.disable and line != before and (task.finished or now - last >= LINE_EVERY):
            self._printed[task_id] = now, line
            self.console.print(line)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress on stderr; a task has a description and a `step`."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[step]}", markup=False),
        TimeElapsedColumn(),
    )
    with ProgressBars(*columns, console=err) as shown:
        yield shown


@contextmanager
def working(title: str, step: str = "", done: str = "done") -> Iterator[Callable[..., None]]:
    """The progress of one piece of work; yields what is called with its step and, where known, `n` of `total`."""
    with progress() as shown:
        bar = shown.add_task(title, total=None, step=step)
        yield lambda step, n=None, total=None: shown.update(bar, step=step, completed=n, total=total)
        shown.update(bar, total=1, completed=1, step=done)


class Report(Protocol):
    """What a command found out, as a pydantic model, and its exit code."""

    @property
    def exit_code(self) -> int:
        """0 where all is well."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As JSON."""


_Report = TypeVar("_Report", bound=Report)


def conclude(report: _Report, show: Callable[[_Report], None], *, as_json: bool) -> None:
    """Print a report, and end the command with its exit code."""
    if as_json:
        print_json({"exit_code": report.exit_code, **report.model_dump(mode="json")})
    else:
        show(report)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def print_json(data: Any) -> None:
    """JSON on stdout; a number that JSON does not have (NaN, infinity) is null."""
    sys.stdout.write(json.dumps(_finite(data), indent=2, default=str, allow_nan=False) + "\n")


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def print_error(error: Exception) -> None:
    """An error's message on stderr; brackets in it are no markup, and only a terminal breaks its lines."""
    err.print(Text.assemble(("Error:", "red"), f" {plain(error)}"), soft_wrap=not err.is_terminal)


def print_crash(error: Exception) -> None:
    """The traceback of an error that is none of ours, on stderr, without secrets."""
    err.print(mask("".join(traceback.format_exception(error))), soft_wrap=True)


class LogFormat(logging.Formatter):
    """What libraries log, without secrets and control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        return plain(mask(super().format(record)))


class Line(NamedTuple):
    """A line of a table: its cells (text, or with a style of their own), its style, and whether a gap is before it."""

    cells: Sequence[str | Text]
    style: str = ""
    gap: bool = False


def fitted(
    title: str, columns: Sequence[str], lines: Sequence[Line], width: int, wrapped: Collection[str] = ()
) -> RenderableType:
    """A table without borders, its title at the left; where it does not fit, a paragraph for each line.

    No cell is ever cut. Those of the columns `wrapped` may take more than one line. Titles, headings and cells are
    plain text, not markup.
    """
    if width_of(columns, lines, wrapped) > width:
        return Group(Text(plain(title), style="table.title"), *(_paragraph(columns, line) for line in lines))
    table = Table(box=None, padding=(0, GUTTER, 0, 0))
    for name in columns:
        table.add_column(_text(name), no_wrap=name not in wrapped, overflow="fold")
    for line in lines:
        if line.gap:
            table.add_section()
        table.add_row(*map(_text, line.cells), style=line.style)
    return Group(Text(plain(title), style="table.title"), table) if title else table


def width_of(columns: Sequence[str], lines: Sequence[Line], wrapped: Collection[str] = ()) -> int:
    """The least width of a table in which no cell is cut, and no other than of the columns `wrapped` is broken."""
    total = 0
    for n, name in enumerate(columns):
        longest = max(cell.cell_len for cell in [_text(name), *(_text(line.cells[n]) for line in lines)])
        total += GUTTER + (min(longest, NARROWEST) if name in wrapped else longest)
    return total


def _paragraph(columns: Sequence[str], line: Line) -> Text:
    """`first cell: heading cell; heading cell`, without empty cells; long words go on in the next line."""
    first, *others = zip(columns, map(_text, line.cells), strict=True)
    parts = [Text.assemble(f"{plain(name)} ", cell) for name, cell in others if cell.plain]
    return Text.assemble(first[1], ": " if parts else "", Text("; ").join(parts), style=line.style, overflow="fold")


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(plain(cell))


def print_table(title: str, rows: list[dict[str, Any]], wrapped: Collection[str] = ()) -> None:
    """One line a row, with the keys of the first as columns."""
    if not rows:
        out.print(Text(plain(f"{title}\n(none)".lstrip()), style="table.title"))
        return
    lines = [Line([", ".join(v) if isinstance(v, list) else str(v) for v in row.values()]) for row in rows]
    out.print(fitted(title, list(rows[0]), lines, out.width, wrapped))


def interrupted(standing: str) -> NoReturn:
    """End a command after Ctrl-C with exit code 130, saying what stands."""
    err.print(f"Interrupted: {standing}", soft_wrap=True)
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
