"""The command `score`: what the champion answers for rows of a file, a table or a query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from titleholder.cli.console import AsJson, Model, err, print_json, print_table, progress
from titleholder.cli.housekeeping import require_model
from titleholder.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
"""Rows that a table for people has at most."""


def score(
    model: Model,
    source: Annotated[
        str,
        typer.Option(
            "--input", help="A file (.csv, .tsv, .parquet), a query in a .sql file, or a table such as lender.loans."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet file for the scores; without it the first are shown.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="A former champion instead of the live one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score rows with the live champion: the probability of class 1, or the predicted value, of each.

    The rows need the features alone; the entity is carried over where it is there. The champion is the ledger's, and
    its file in MLflow must be the one that was logged.
    """
    from titleholder.data import rows_to_score, score_files
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.champion_model import ChampionModel

    require_model(model)
    if output is not None:
        score_files.require_suffix(output)
    champion = ChampionModel.live(model, Settings.from_environment(), version)
    spec, entity = champion.spec, champion.spec.columns.entity
    url = connection_url(spec.source.connection) if rows_to_score.is_in_warehouse(source) else ""

    def scored() -> Iterator[pd.DataFrame]:
        with progress() as shown:
            bar, done = shown.add_task("Scoring", total=None, step=""), 0
            for rows in rows_to_score.batches(source, spec, url):
                answered = rows[[entity] if entity in rows else []].assign(
                    score=champion.scores(rows), model_version=champion.version
                )
                done += len(rows)
                shown.update(bar, completed=done, step=f"{done:,} rows")
                yield answered
            shown.update(bar, total=done, completed=done)

    if output is not None:
        written = score_files.write(output, scored())
        said = {"model": model, "version": champion.version, "rows": written, "output": str(output)}
        if as_json:
            print_json(said)
        else:
            err.print(f"{written:,} rows scored by version {champion.version} of {model}: {output}", soft_wrap=True)
        return
    frames = list(scored()) if as_json else _head(scored())
    rows = [{str(k): v for k, v in row.items()} for frame in frames for row in frame.to_dict("records")]
    if as_json:
        print_json({"model": model, "version": champion.version, "scores": rows})
        return
    if not rows:
        raise UsageError(f"--input {source} has no rows")
    print_table(f"{model}, version {champion.version}", rows[:SHOWN])
    err.print(f"At most {SHOWN} rows are shown; --output writes all, --json prints all.")


def _head(frames: Iterator[pd.DataFrame]) -> list[pd.DataFrame]:
    found = next(frames, None)
    return [] if found is None else [found.head(SHOWN)]
