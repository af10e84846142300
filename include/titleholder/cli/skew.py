"""`titleholder skew`: whether the features at scoring time are those of a later training extract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titleholder.cli.console import AsJson, Model, err, lane_to_read, out, print_json, print_table
from titleholder.cli.housekeeping import lane_to_show, require_model
from titleholder.formatting import counted

if TYPE_CHECKING:
    from titleholder.data.skew import ColumnSkew
    from titleholder.workflow.skew import SkewOfModel


def skew(model: Model, lane: Annotated[str, lane_to_read("live")] = "", as_json: AsJson = False) -> None:
    """Compare the features of the rows that were scored with those of the newest training extract, column by column.

    Rows are matched by entity and event time. The exit code is 1 where a feature differs in a larger share of them than
    judgement.checks.skew.share allows.
    """
    from titleholder.settings import Settings
    from titleholder.workflow import skew as module

    require_model(model)
    lane = lane_to_show(model, lane, "live", as_json=as_json)
    found = module.of_model(model, lane, Settings.from_environment())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)
    if found.beyond:
        raise typer.Exit(1)


def _print(found: SkewOfModel) -> None:
    measured = found.skew
    about = f"{found.model}, lane {found.lane}: {counted(measured.matched, 'row')} of the extract of {found.as_of}"
    if not measured.matched:
        out.print(f"{about} were scored by {counted(measured.runs, 'scoring run')}: there is nothing to compare.")
        if not measured.runs:
            out.print("A scoring run comes first: docs/batch-scoring.md.")
        elif not measured.strangers:
            out.print("Scored rows are compared once their labels have matured and a retrain has extracted them.")
        if measured.strangers:
            out.print(Text(measured.strangers))
    else:
        print_table(f"{about}, as they were scored", [_row(column) for column in measured.columns], ["example"])
        if found.beyond:
            names = ", ".join(column.column for column in found.beyond)
            err.print(f"Differ in more than {found.share:.2%} of the rows: {names}. docs/skew.md", soft_wrap=True)
    if measured.unread:
        err.print(f"{counted(measured.unread, 'scoring run')} were not read: too many rows, or no input any more.")
    if measured.matched and measured.lacking:
        err.print(f"Features that no scoring run had: {', '.join(measured.lacking)}.", soft_wrap=True)


def _row(column: ColumnSkew) -> dict[str, str]:
    example = column.example
    values = (example.at_scoring or "a gap", example.in_training or "a gap") if example else ("", "")
    return {
        "feature": column.column,
        "rows": f"{column.rows:,}",
        "differ": f"{column.differing:,}",
        "share": f"{column.share:.2%}",
        "largest difference": "" if column.largest is None else f"{column.largest:.6g}",
        "example": f"entity {example.entity}: {values[0]} at scoring, {values[1]} in training" if example else "",
    }
