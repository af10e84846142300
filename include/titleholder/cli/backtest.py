"""The command that looks back at a whole lane: `titleholder backtest`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from titleholder.cli.console import AsJson, Model, out, print_json, progress, user
from titleholder.spec.loader import demand_known

if TYPE_CHECKING:
    from datetime import date

    from titleholder.workflow.backtest.summary import Backtest


def backtest(
    model: Model,
    lane: Annotated[str, typer.Option(help="The line of succession whose decisions are walked through.")] = "backtest",
    until: Annotated[str, typer.Option(help="Leave out decisions after this as-of date, YYYY-MM-DD.")] = "",
    labels_as_of: Annotated[
        str, typer.Option("--labels-as-of", help="Outcomes as known at this date, YYYY-MM-DD; default: today.")
    ] = "",
    minimum_gain: Annotated[
        list[float] | None, typer.Option(help="What if judgement.minimum_gain had been this; repeat for more.")
    ] = None,
    confidence: Annotated[
        list[float] | None, typer.Option(help="What if judgement.confidence had been this; repeat for more.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report to this file.", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Would retraining have been worth it? Four policies side by side on the rows that followed each decision.

    Outcomes are those finally known, so this is hindsight. Nothing is trained and no decision is written.
    """
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.backtest import run as walking

    demand_known(model)
    wish = walking.Wish(
        model, lane, _day(until), _day(labels_as_of), tuple(minimum_gain or ()), tuple(confidence or ())
    )
    with progress() as shown:
        bar = shown.add_task(f"{model}, lane {lane}", total=None, step="reading")
        told = walking.backtest(
            wish,
            url=connection_url,
            actor=f"cli:{user()}",
            settings=Settings.from_environment(),
            on_step=lambda what, n, total: shown.update(bar, completed=n, total=total, step=f"{what} {n}/{total}"),
        )
        shown.update(bar, total=1, completed=1, step="done")
    if html:
        html.write_text(told.page, encoding="utf-8")
    if as_json:
        print_json({**json.loads(told.result.model_dump_json()), "asked": told.asked, "report": told.url})
    else:
        _show(told.result, [told.url, *([str(html)] if html else [])])


def _day(text: str) -> date | None:
    from titleholder.spec.windows import resolve_as_of

    return resolve_as_of(text, None, None) if text else None


def _show(result: Backtest, reports: list[str]) -> None:
    from titleholder.cli.tables import WIDE
    from titleholder.workflow.backtest.answer import answer

    out.print(_months(result, wide=out.width >= WIDE))
    if left_out := Counter(m.why for m in result.months if m.why):
        reasons = "; ".join(f"{why} ({n})" for why, n in left_out.items())
        out.print(Text(f"Dim months are not compared: {reasons}."))
    out.print()
    out.print(_what_if(result))
    out.print()
    out.print(Text(answer(result), style="bold"))
    for where in reports:
        out.print(Text(f"Report: {where}"), soft_wrap=True)


def _months(result: Backtest, *, wide: bool) -> Table:
    """One line a month, its rows and each policy's metric; on a wide terminal with the version that was used."""
    from titleholder import formatting
    from titleholder.workflow.backtest.policies import POLICIES

    title = f"{formatting.metric(result.metric)} on the rows that followed, outcomes as known on {result.labels_as_of}"
    table = _table(title, "as of", "decision", "rows", "events", *POLICIES)
    for m in result.months:
        figures = [m.figures.get(policy) for policy in POLICIES]
        cells = [
            f"{formatting.number(f.metric)}{f' v{f.version}' if wide else ''}" if f else formatting.NOTHING
            for f in figures
        ]
        counts = (f"{m.rows:,}", f"{m.events:,}")
        table.add_row(str(m.month.as_of), m.month.kind, *counts, *cells, style="" if m.compared else "dim")
    if whole := result.overall.policies:
        table.add_section()
        means = (formatting.number(whole[policy].mean) for policy in POLICIES)
        table.add_row(f"mean of {result.overall.months}", "", "", "", *means, style="bold")
    return table


def _what_if(result: Backtest) -> Table:
    from titleholder import formatting

    named = ("minimum_gain", "confidence", "promotions", "mean", "of months", "another version took over in")
    table = _table("What if the spec had said (bold: as it does)", *named)
    for tried in result.what_if:
        table.add_row(
            formatting.exact(tried.setting.minimum_gain),
            formatting.exact(tried.setting.confidence),
            str(tried.promotions),
            formatting.number(tried.mean),
            str(tried.months),
            ", ".join(f"{day:%Y-%m}" for day in tried.changed),
            style="bold" if tried.own else "",
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name)
    return table
