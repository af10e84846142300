"""`titleholder backtest`: four policies side by side over all decisions of a lane."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titleholder.cli.console import AsJson, Model, lane_to_read, out, print_json, user, working
from titleholder.cli.housekeeping import lane_to_show, require_model

if TYPE_CHECKING:
    from datetime import date

    from titleholder.workflow.backtest.summary import Backtest

NUMBER = re.compile(r"\d+")


def backtest(
    model: Model,
    lane: Annotated[str, lane_to_read("backtest")] = "",
    until: Annotated[str, typer.Option(help="Leave out decisions after this as-of date, YYYY-MM-DD.")] = "",
    labels_as_of: Annotated[
        str, typer.Option("--labels-as-of", help="Outcomes as known at this date, YYYY-MM-DD; default: today.")
    ] = "",
    tolerated_loss: Annotated[
        list[float] | None,
        typer.Option(help="Also decide the lane again with this judgement.tolerated_loss; repeat for more."),
    ] = None,
    minimum_gain: Annotated[
        list[float] | None,
        typer.Option(help="Also decide the lane again with this judgement.minimum_gain; repeat for more."),
    ] = None,
    confidence: Annotated[
        list[float] | None,
        typer.Option(help="Also decide the lane again with this judgement.confidence; repeat for more."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report to this file.", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Would retraining have been worth it? Four policies side by side on the rows that followed each decision.

    Outcomes are those finally known, later than any decision could know them. Nothing is trained and no decision is
    written.
    """
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.backtest import run as backtesting
    from titleholder.workflow.backtest.walk import Request

    require_model(model)
    lane = lane_to_show(model, lane, "backtest", as_json=as_json)
    request = Request(
        model,
        lane,
        day(until),
        day(labels_as_of),
        tuple(tolerated_loss or ()),
        tuple(minimum_gain or ()),
        tuple(confidence or ()),
    )
    with working(f"{model}, lane {lane}", "reading") as on_step:
        done = backtesting.backtest(
            request,
            url=connection_url,
            actor=f"cli:{user()}",
            settings=Settings.from_environment(),
            on_step=lambda what, n, total: on_step(f"{what} {n}/{total}", n, total),
        )
    if html:
        html.write_text(done.page, encoding="utf-8")
    if as_json:
        print_json({**json.loads(done.result.model_dump_json()), "computed": done.computed, "report": done.url})
    else:
        _print(done.result, [done.url, *([str(html)] if html else [])])


def day(text: str) -> date | None:
    """The date that an option names; None where it is empty."""
    from titleholder.spec.windows import resolve_as_of

    return resolve_as_of(text, None, None) if text else None


def merged(reasons: Sequence[str]) -> dict[str, int]:
    """How often each reason occurs; reasons that differ in numbers alone are one, with the range of each number.

    >>> merged(["too few rows: 13 of 20", "no champion yet", "too few rows: 7 of 20"])
    {'too few rows: 7 to 13 of 20': 2, 'no champion yet': 1}
    """
    alike: dict[str, list[str]] = {}
    for reason in reasons:
        alike.setdefault(NUMBER.sub("#", reason), []).append(reason)
    return {_ranged(same): len(same) for same in alike.values()}


def _ranged(reasons: Sequence[str]) -> str:
    numbers = [sorted(set(map(int, of_place))) for of_place in zip(*map(NUMBER.findall, reasons), strict=True)]
    ranges = iter(f"{n[0]} to {n[-1]}" if len(n) > 1 else str(n[0]) for n in numbers)
    return NUMBER.sub(lambda _: next(ranges), reasons[0])


def _print(result: Backtest, reports: list[str]) -> None:
    """The answer first, what limits it second, the numbers third."""
    from titleholder.cli.backtest_tables import MARK, period_table, what_if_table
    from titleholder.workflow.backtest.answer import age_advice, answer, cautions

    out.print(Text(answer(result), style="bold"))
    out.print(Text(age_advice(result)))
    for caution in cautions(result):
        out.print(Text(caution))
    out.print()
    out.print(period_table(result, out.width))
    if left_out := [m.why for m in result.periods if m.why]:
        reasons = "; ".join(f"{why} ({result.cadence.many(n)})" for why, n in merged(left_out).items())
        out.print(Text(f"{MARK} {result.cadence.plural} that are not compared: {reasons}."))
    out.print()
    out.print(what_if_table(result, out.width))
    for address in reports:
        out.print(Text(f"Report: {address}"), soft_wrap=True)
