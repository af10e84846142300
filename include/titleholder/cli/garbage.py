"""The command `gc`: delete what no decision, open run or recent work references any more."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich import filesize

from titleholder.cli import completion
from titleholder.cli.console import AsJson, err, out, print_json, print_table, progress
from titleholder.formatting import counted

if TYPE_CHECKING:
    from titleholder.workflow.garbage.collection import GarbageReport

MODELS_HELP = "Models; default: all of which ledger or MLflow knows."


def gc(
    models: Annotated[
        list[str] | None,
        typer.Argument(help=MODELS_HELP, show_default=False, autocompletion=completion.models),
    ] = None,
    older_than: Annotated[
        int, typer.Option("--older-than", min=1, metavar="DAYS", help="Keep what was changed in the last DAYS days.")
    ] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it. Without this, nothing is deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, or delete with --yes, what nothing references any more: runs, versions, snapshots and stored scores.

    Whatever a decision of a lane that was not deleted rests on stays, and so do open runs. Exit code 1 where ledger and
    MLflow contradict each other about a model: nothing of it is deleted.
    """
    from titleholder.settings import Settings
    from titleholder.workflow.garbage import collection

    with progress() as shown:
        bar = shown.add_task("gc", total=None, step="reading")
        report = collection.collect(
            models or (),
            older_than=timedelta(days=older_than),
            now=time.time(),
            settings=Settings.from_environment(),
            delete=yes,
            on_step=lambda what, n, of: shown.update(bar, completed=n, total=of, step=what),
        )
        shown.update(bar, total=1, completed=1, step="done")
    if as_json:
        print_json({**report.model_dump(mode="json"), "bytes": report.bytes})
    else:
        _print_report(report)
    for model, explanation in report.doubtful.items():
        said = f"Nothing of {model} is deleted, because its ledger is in doubt: {explanation}"
        err.print(said, highlight=False, markup=False, soft_wrap=True)
    if report.doubtful:
        raise typer.Exit(1)


def _print_report(report: GarbageReport) -> None:
    rows = [
        {"what": one.kind, "why": one.why, "number": f"{one.count:,}", "size": _size(one.bytes)} for one in report.freed
    ]
    if rows:
        print_table("Deleted" if report.deleted else "Referenced by nothing", rows, ["why"])
    total = f"{_size(report.bytes)} of {counted(len(report.models), 'model')}"
    if not rows:
        said = "Nothing can be deleted."
    elif report.deleted:
        said = f"{total} deleted. MLflow keeps the files of deleted runs until `mlflow gc`: see docs/housekeeping.md."
    else:
        said = f"{total} can be deleted: --yes deletes it. Nothing was deleted."
    kept = [f"{one.count:,} {one.kind}{'' if one.bytes is None else f' ({_size(one.bytes)})'}" for one in report.kept]
    lines = [said, f"Kept: {', '.join(kept)}."]
    if report.unknown.count:
        files = f"{counted(report.unknown.count, 'file')} ({_size(report.unknown.bytes or 0)})"
        lines.append(f"{files} in the same folders belong to no model known here, and stay.")
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _size(size: int) -> str:
    return filesize.decimal(size)
