"""The command `champion`: which version is champion, or was on a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from titleholder.cli import hints
from titleholder.cli.console import AsJson, Model, err, lane_to_read, out, print_json
from titleholder.cli.housekeeping import lane_to_show, require_model
from titleholder.errors import UsageError
from titleholder.formatting import stamp

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision
    from titleholder.validation.verdict import Reign


def champion(
    model: Model,
    on: Annotated[
        str, typer.Option(help="The champion at the end of this date by the clock, YYYY-MM-DD; default: today.")
    ] = "",
    as_of: Annotated[
        str, typer.Option(help="The champion after the decisions up to this as-of date, whenever they were made.")
    ] = "",
    lane: Annotated[str, lane_to_read("live")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the champion, today's or a date's.

    The live lane also goes by the clock (--on): its decisions count from when they were made. Every other lane goes by
    as-of dates alone.
    """
    from titleholder.ledger import lane_records, reigns, store
    from titleholder.settings import Settings
    from titleholder.spec.types import LIVE
    from titleholder.spec.windows import resolve_as_of

    require_model(model)
    if on and as_of:
        raise UsageError("give --on (by the clock) or --as-of (by as-of date), not both")
    lane = lane_to_show(model, lane, "live", as_json=as_json)
    day, by_clock = resolve_as_of(as_of or on, None, datetime.now(UTC)), lane == LIVE and not as_of
    url = Settings.from_environment().ledger_url
    rows = store.read(url, model, lane)
    if not rows:
        err.print(lane_records.other_lanes("champion", model, lane, store.lanes(url, model)), soft_wrap=True)
    past = reigns.until(rows, lane, day, by_clock=by_clock)
    reign, taken = reigns.reign_after(rows, past), reigns.crowning(past)
    judged = reigns.decision_on(rows, reign.version if reign else None)
    unfit = _judged_against(past, reign)
    if as_json:
        print_json({"model": model, "lane": lane, "on": day, **_as_json(reign, taken, judged, unfit)})
    elif reign and taken:
        where = model if lane == LIVE else f"{model}, lane {lane}"
        out.print(f"{where}: {_described(reign, taken, judged)}")
        for line in (hints.champion_line(unfit), hints.card_line(judged) if judged else ""):
            if line:
                err.print(line, soft_wrap=True)
    else:
        when = f"on {day}" if by_clock else f"as of {day}"
        said = f"{model}: no champion in lane {lane} {when}{_why_none(rows, past, model, day, by_clock=by_clock)}"
        out.print(said)


def _judged_against(past: Sequence[Decision], reign: Reign | None) -> Decision | None:
    """The newest decision whose challenger was judged against this champion."""
    version = reign.version if reign else None
    found = (r for r in reversed(past) if r.verdict and r.verdict.champion and r.verdict.champion.version == version)
    return next(found, None)


def _as_json(
    reign: Reign | None, taken: Decision | None, judged: Decision | None, unfit: Decision | None
) -> dict[str, Any]:
    failed = unfit.verdict.champion_unfitness() if unfit and unfit.verdict else ()
    refitted = judged.matured if judged and judged.refitted else None
    fields = {"id", "kind", "as_of", "created_at", "actor", "approval", "reason"}
    return {
        "champion": {**reign.model_dump(exclude={"looks"}), "refitted_through": refitted} if reign else None,
        "by": taken.model_dump(mode="json", include=fields) if taken else None,
        "fails": [result.model_dump(mode="json") for result in failed],
        "card": hints.card_address(judged) if judged else "",
    }


def _described(reign: Reign, taken: Decision, judged: Decision | None) -> str:
    trained = f"trained on rows before {reign.trained_through}"
    if judged and judged.refitted:
        trained = f"refitted on rows before {judged.matured}; judged before the refit, {trained}"
    approved = f", approved by {taken.approval.by}" if taken.approval and taken.approval.by else ""
    return (
        f"version {reign.version} (as of {reign.as_of}, {trained})\n"
        f"by decision {taken.id} of {taken.created_at:%Y-%m-%d} ({taken.kind}; {taken.actor}{approved})"
    )


def _why_none(rows: Sequence[Decision], past: Sequence[Decision], model: str, day: date, *, by_clock: bool) -> str:
    """Why there is none: it was retired, nothing became champion, or the first decision came later."""
    newest = past[-1] if past else None
    if newest and newest.kind == "withdraw":
        by = f"by {newest.actor} (decision {newest.id})"
        return f"; retired on {newest.created_at:%Y-%m-%d} {by}: {newest.asked_because}"
    first = next((row for row in rows if row.champion_after is not None), None)
    since = ""
    if first and by_clock:
        since = (
            ". --on uses the clock, by which the lane has had a champion since "
            f"{stamp(first.created_at)} (decision {first.id}, as of {first.as_of}). "
            f"By as-of date: `titleholder champion {model} --as-of {day}`"
        )
    if newest:
        why = newest.reason.partition(". ")[0].rstrip(".")
        return (
            f"; no decision up to then made one. The newest is decision {newest.id} as of {newest.as_of} "
            f"({newest.kind}): {why}{since}."
        )
    return since or (f"; the first live decision is of {rows[0].created_at:%Y-%m-%d}" if rows and by_clock else "")
