"""`titleholder advise`: how often a model is worth retraining."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from titleholder.cli.backtest import day
from titleholder.cli.console import AsJson, Line, Model, fitted, lane_to_read, out, print_json, working
from titleholder.cli.housekeeping import lane_to_show, require_model

if TYPE_CHECKING:
    from titleholder.validation.ageing import Loss
    from titleholder.workflow.advise import Advice


def advise(
    model: Model,
    lane: Annotated[str, lane_to_read("backtest")] = "",
    labels_as_of: Annotated[
        str, typer.Option("--labels-as-of", help="Outcomes as known at this date, YYYY-MM-DD; default: today.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """How often is retraining worth it? What a month of age costs, from all versions on all rows with final outcomes.

    Nothing is trained and no decision is written.
    """
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.advise import advise as advised
    from titleholder.workflow.backtest.walk import Request

    require_model(model)
    lane = lane_to_show(model, lane, "backtest", as_json=as_json)
    with working(f"{model}, lane {lane}", "reading") as on_step:
        found = advised(
            Request(model, lane, labels_as_of=day(labels_as_of), command="advise"),
            url=connection_url,
            settings=Settings.from_environment(),
            on_step=lambda what, n, total: on_step(f"{what} {n}/{total}", n, total),
        )
    if as_json:
        print_json(json.loads(found.model_dump_json()))
    else:
        _print(found)


def _print(found: Advice) -> None:
    out.print(Text(found.sentence, style="bold"))
    if found.ageing.worth:
        out.print()
        _print_worth(found)
    if found.ageing.metric and found.ageing.metric.curve:
        out.print()
        _print_curve(found)


def _print_worth(found: Advice) -> None:
    """What each frequency is worth over the least frequent, by the metric and by a row's profit."""
    from titleholder import formatting

    worth, interval = found.ageing.worth, f"{formatting.confidence(found.confidence)} interval"
    columns = ["retraining", formatting.metric(found.metric, inside=True), interval]
    with_profit = worth[0].profit is not None
    lines = [
        Line(
            [one.name, *_cells(one.gain, [w.gain for w in worth])]
            + ([*_cells(one.profit, [w.profit for w in worth if w.profit])] if one.profit else [])
        )
        for one in worth[:-1]
    ]
    columns += ["profit a row", interval] if with_profit else []
    title = f"Expected gain over retraining {worth[-1].name}, outcomes as known on {found.labels_as_of}"
    out.print(fitted(title, columns, lines, out.width))


def _print_curve(found: Advice) -> None:
    """The mean loss by how much older a version is than the newest one on the same rows."""
    from titleholder import formatting
    from titleholder.workflow.backtest.advice import AgeUnit

    cost = found.ageing.metric
    if cost is None:
        return
    unit, curve = AgeUnit.of(found.cadence), cost.curve
    lines = [
        Line([formatting.age_range(p.above / unit.months, p.through / unit.months, unit.noun), *_cells(p, curve)])
        for p in curve
    ]
    title = (
        f"Loss of older versions against the newest on the same rows: {cost.versions} versions, "
        f"{found.cadence.many(cost.cohorts)}"
    )
    columns = ["older by", f"{formatting.metric(found.metric, inside=True)}, lost", "interval"]
    out.print(fitted(title, columns, lines, out.width))


def _cells(one: Loss, column: Sequence[Loss]) -> list[str]:
    """A signed estimate and its interval, with the decimal places of its column."""
    from titleholder import formatting

    like = formatting.scale(bound for loss in column for bound in (loss.lower, loss.upper))
    return [formatting.signed(one.estimate, like), formatting.between(one.lower, one.upper, like, "+")]
