"""The commands `score` (rows of a file, a table or a query; or a scoring run of the spec) and `scores` (the runs)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titleholder.cli import completion, hints
from titleholder.cli.console import (
    AsJson,
    CsvDecimal,
    CsvDelimiter,
    CsvEncoding,
    Model,
    err,
    out,
    print_json,
    print_table,
    progress,
    user,
)
from titleholder.cli.housekeeping import require_model
from titleholder.errors import UsageError
from titleholder.formatting import stamp

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from titleholder.data.csv_file import Written
    from titleholder.ledger.score_runs import ScoreRun
    from titleholder.spec.scoring import ReasonsAsked

SHOWN = 20
"""Rows that a table for people has at most."""
REASONS = [f"reason_{n}" for n in range(1, 21)]
"""The columns of reasons, whose texts may take more than one line."""


def score(
    model: Model,
    source: Annotated[
        str,
        typer.Option(
            "--input", help="A file (.csv, .tsv, .parquet), a query in a .sql file, or a table such as lender.loans."
        ),
    ] = "",
    as_of: Annotated[
        str, typer.Option(help="Instead: the scoring run of the spec at this date (00:00 UTC), YYYY-MM-DD.")
    ] = "",
    lane: Annotated[
        str,
        typer.Option(
            help="With --as-of: the lane whose champion scores; default: that of the spec.",
            autocompletion=completion.lanes,
        ),
    ] = "",
    reason: Annotated[str, typer.Option(help="With --as-of: why; it is kept with the run.")] = "",
    output: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet file for the scores; without it the first are shown.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="A former champion instead of the live one.")] = None,
    reasons: Annotated[
        int,
        typer.Option(
            min=0, max=20, help="With --input: so many reasons for each score, in the columns reason_1, reason_2, ..."
        ),
    ] = 0,
    encoding: CsvEncoding = "",
    delimiter: CsvDelimiter = "",
    decimal: CsvDecimal = "",
    as_json: AsJson = False,
) -> None:
    """Score rows with the champion: the probability of class 1, or the predicted value, of each.

    With --input, the rows of a file, a table or a query, by the live champion. They need the features alone; the entity
    is carried over where it is there. --reasons names what raised each score, or lowered it, where the section scoring
    of the spec says so, by the texts of that section. With --as-of, the rows of the spec's scoring query, into the
    ledger's database, as the DAG <model>.score does it. The champion is the ledger's, and its file in MLflow must be
    the one that was logged.
    """
    if bool(source) == bool(as_of):
        raise UsageError("give one of --input (rows of your own) and --as-of (the scoring run of the spec)")
    of_files = {"--encoding": encoding, "--delimiter": delimiter, "--decimal": decimal}
    of_input: dict[str, object] = {"--output": output, "--version": version, "--reasons": reasons, **of_files}
    _refuse_others(as_of, of_input, {"--lane": lane, "--reason": reason})
    if as_of:
        _run(model, as_of, lane, reason, as_json=as_json)
        return
    from titleholder.data.csv_file import Written

    written = Written(encoding, delimiter, decimal)
    _score_input(model, source, output, version, reasons, written, as_json=as_json)


def _refuse_others(as_of: str, of_input: dict[str, object], of_run: dict[str, object]) -> None:
    """Options of the one way are refused in the other."""
    wrong = [name for name, given in (of_input if as_of else of_run).items() if given]
    if wrong:
        way = ("--as-of", "--input") if as_of else ("--input", "--as-of")
        raise UsageError(f"{', '.join(wrong)} goes with {way[1]}, not with {way[0]}")


def _run(model: str, as_of: str, lane: str, reason: str, *, as_json: bool) -> None:
    """The scoring run of the spec."""
    from titleholder.data.scoring_contract import scoring_of
    from titleholder.ledger import lane_records, store
    from titleholder.settings import Settings, connection_url
    from titleholder.spec.loader import load_specs
    from titleholder.spec.types import LIVE
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow import batch_scoring, shadow_scoring
    from titleholder.workflow.payloads import Origin

    spec, settings = load_specs(only=model)[model], Settings.from_environment()
    day, lane = resolve_as_of(as_of, None, None), lane or scoring_of(spec).lane
    url, origin = connection_url(spec.source.connection), Origin(actor=f"cli:{user()}", reason=reason)
    pinned = batch_scoring.pin(spec, day, lane, url=url, origin=origin, settings=settings)
    if pinned.version is None:
        if as_json:
            print_json({"model": model, "lane": lane, "as_of": day, "id": None})
        else:
            out.print(f"{pinned.no_champion}: nothing was scored.")
        known = store.lanes(settings.ledger_url, model)
        if lane not in known:
            err.print(lane_records.other_lanes("score", model, lane, known, f"--as-of {day}"), soft_wrap=True)
        elif lane == LIVE:
            err.print(hints.by_the_clock(model, day, known), soft_wrap=True)
        return
    with progress() as shown:
        bar = shown.add_task(f"{model} {day}", total=1, step=f"version {pinned.version}")
        run = batch_scoring.score(pinned, url=url, settings=settings)
        beside = shadow_scoring.shadow(pinned, settings=settings)
        shown.update(bar, completed=1, step=f"{run.rows:,} rows")
    if as_json:
        print_json({**run.model_dump(mode="json"), "shadow": beside.model_dump(mode="json")})
        return
    out.print(_described(run))
    for one in beside.runs:
        out.print(f"Run {one.id}: the same rows scored in shadow by version {one.version}.")
    for failed in beside.failed:
        err.print(f"{model}: {failed}", markup=False)


def _described(run: ScoreRun) -> str:
    return (
        f"Run {run.id}: {run.rows:,} rows of [{run.window_start}, {run.as_of}) scored by version {run.version} of "
        f"{run.model}, champion of lane {run.lane} by decision {run.decision}."
    )


def scores(
    model: Model,
    lane: Annotated[
        str, typer.Option(help="Only runs of this lane; default: all.", autocompletion=completion.lanes)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List a model's scoring runs in the order of writing: as-of date, version, rows, and who asked for them.

    Their scores are in the table titleholder.scores of the ledger's database; the newest of each entity are in the view
    titleholder.current_scores.
    """
    from titleholder.ledger import score_runs
    from titleholder.settings import Settings

    require_model(model)
    found = score_runs.of_model(Settings.from_environment().ledger_url, model)
    runs = [run for run in found if lane in ("", run.lane)]
    if as_json:
        print_json([run.model_dump(mode="json") for run in runs])
        return
    if not runs:
        out.print(hints.unscored(model, lane, found), soft_wrap=True)
        return
    rows = [
        {
            "run": run.id,
            "lane": run.lane,
            "as of": run.as_of,
            "version": f"{run.version} {run.role}",
            "rows": f"{run.rows:,}",
            "written, UTC": stamp(run.created_at).removesuffix(" UTC"),
            "by": run.actor,
        }
        for run in runs
    ]
    print_table(f"{model}: scoring runs", rows)


def _reasons(model: str, most: int) -> tuple[ReasonsAsked, dict[str, str]]:
    """The reasons that are asked for, and what features are called, by the section `scoring` of the spec."""
    from titleholder.spec.loader import load_specs
    from titleholder.spec.scoring import ReasonsAsked

    scoring = load_specs(only=model)[model].scoring
    return (ReasonsAsked(most, scoring.reasons_for), scoring.reason_texts) if scoring else (ReasonsAsked(most), {})


def _columns(given: pa.ListArray, most: int, texts: dict[str, str]) -> dict[str, pd.Series]:
    """A column for the first reason of each row, one for the second, ...; empty where a row has fewer."""
    import pandas as pd

    rows = [[texts.get(name, name) for name in names] + [""] * (most - len(names)) for names in given.to_pylist()]
    return {f"reason_{n + 1}": pd.Series([row[n] for row in rows], dtype="str") for n in range(most)}


def _score_input(
    model: str,
    source: str,
    output: Path | None,
    version: int | None,
    reasons: int,
    written: Written,
    *,
    as_json: bool,
) -> None:
    from titleholder.data import rows_to_score, score_files
    from titleholder.data.unseen import UnseenCategories
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.champion_model import ChampionModel

    require_model(model)
    if output is not None:
        score_files.require_suffix(output)
    champion = ChampionModel.live(model, Settings.from_environment(), version)
    spec, entity = champion.spec, champion.spec.columns.entity
    url = connection_url(spec.source.connection) if rows_to_score.is_in_warehouse(source) else ""
    asked, texts = _reasons(model, reasons) if reasons else (None, {})
    explained = champion.reasons(asked) if asked else None
    unseen = UnseenCategories(champion.known_categories())

    def scored() -> Iterator[pd.DataFrame]:
        with progress() as shown:
            bar, done = shown.add_task("Scoring", total=None, step=""), 0
            for rows in rows_to_score.batches(source, spec, url, written):
                unseen.add(rows[spec.columns.features])
                scores = champion.scores(rows)
                columns = (
                    _columns(explained.of(rows[spec.columns.features], scores), reasons, texts) if explained else {}
                )
                answered = rows[[entity] if entity in rows else []].reset_index(drop=True)
                answered = answered.assign(score=scores, model_version=champion.version, **columns)
                done += len(rows)
                shown.update(bar, completed=done, step=f"{done:,} rows")
                yield answered
            shown.update(bar, total=done, completed=done)

    said = {"model": model, "version": champion.version}
    if output is not None:
        many = score_files.write(output, scored())
        said |= {"rows": many, "output": str(output)}
        line = f"{many:,} rows scored by version {champion.version} of {model}: {output}"
    else:
        frames = list(scored()) if as_json else _head(scored())
        rows = [{str(k): v for k, v in row.items()} for frame in frames for row in frame.to_dict("records")]
        said["scores"] = rows
        line = f"At most {SHOWN} rows are shown; --output writes all, --json prints all."
    if as_json:
        new = [one.model_dump(mode="json") for one in unseen.found()]
        print_json({**said, "unseen": new, "empty": unseen.empty()})
        return
    if output is None:
        print_table(f"{model}, version {champion.version}", [_shown(row) for row in rows[:SHOWN]], REASONS)
    err.print(line, soft_wrap=True)
    for one in unseen.sentences():
        err.print(Text(f"Note: {one}", style="yellow"), soft_wrap=True)


def _shown(row: dict[str, Any]) -> dict[str, str]:
    """A row for people: its score with six digits, without the version, which is in the title, and empty gaps."""
    given = {name: "" if value is None or value != value else str(value) for name, value in row.items()}
    return {name: value for name, value in given.items() if name != "model_version"} | {"score": f"{row['score']:.6g}"}


def _head(frames: Iterator[pd.DataFrame]) -> list[pd.DataFrame]:
    found = next(frames, None)
    return [] if found is None else [found.head(SHOWN)]
