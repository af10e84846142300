"""Where to look further: the commands of a lane, and a decision's model card in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from titleholder.formatting import counted
from titleholder.registry import urls
from titleholder.settings import need

if TYPE_CHECKING:
    from datetime import date

    from titleholder.ledger.decision import Decision
    from titleholder.ledger.lane_entry import LaneEntry
    from titleholder.ledger.score_runs import ScoreRun


def warnings(row: Decision) -> str:
    """What a decision warns of, and what is beyond a threshold, as a line; empty where there is nothing."""
    from titleholder.reports.check_results import outcome_of

    checks = row.verdict.checks if row.verdict else ()
    found = {
        said: [f"{check.code} ({check.title})" for check in checks if outcome_of(check) == outcome]
        for outcome, said in (("warning", "warnings"), ("beyond", "beyond a threshold without failing"))
    }
    if not (parts := [f"{said}: {', '.join(which)}" for said, which in found.items() if which]):
        return ""
    return f"Decision {row.id}, as of {row.as_of}, has {'; '.join(parts)}. Its model card says more."


def champion_line(row: Decision | None) -> str:
    """What the champion that a decision was judged against fails by itself, as a line; empty where it fails nothing."""
    said = row.verdict.about_champion() if row and row.verdict else ""
    return f"Decision {row.id}, as of {row.as_of}: {said}" if row and said else ""


def decided_before(row: Decision, lane: Sequence[LaneEntry]) -> str:
    """That a run decided nothing, because this decision stands, and in the live lane who is champion by now.

    Without its full stop. `lane` has all decisions of the lane.
    """
    from titleholder.spec.types import LIVE

    said = f"Nothing was decided: decision {row.id} already decided this"
    last = next((each for each in reversed(lane) if each.changed), None)
    if row.lane != LIVE or last is None or last.sequence <= row.sequence:
        return said
    champion = f"the champion is version {last.champion_after}" if last.champion_after else "there is no champion"
    if row.changed and last.kind in ("rollback", "withdraw") and last.champion_before == row.champion_after:
        return f"{said}, undone since by decision {last.id} ({last.kind}); {champion}"
    return f"{said}; {champion}, since decision {last.id} ({last.kind})"


def lane_commands(model: str, lane: str) -> str:
    """The commands that show more of a lane, which is not the one that each shows by itself."""
    history, backtest = (f"`titleholder {command} {model} --lane {lane}`" for command in ("history", "backtest"))
    return f"All decisions of this lane: {history}. Whether they were worth it: {backtest}."


def unscored(model: str, lane: str, runs: Sequence[ScoreRun]) -> str:
    """That a lane has none of a model's scoring runs, which lanes have some, and the command that makes one."""
    lanes = ", ".join(sorted({run.lane for run in runs}))
    where = f" in lane {lane}" if lane else ""
    others = f" Lanes with scores: {lanes}." if lanes else ""
    needs = "if the spec has a section scoring (docs/batch-scoring.md)"
    return f"{model}: nothing was scored{where} yet.{others} `titleholder score {model} --as-of DATE` does it, {needs}."


def by_the_clock(model: str, day: date, known: Sequence[str]) -> str:
    """Why lane live scores no past, and the command that does; `known` are the lanes with decisions."""
    from titleholder.spec.types import LIVE

    others = sorted((lane for lane in known if lane != LIVE), key=lambda lane: lane != "backtest")
    how = (
        f"`titleholder score {model} --as-of {day} --lane {others[0]}`"
        if others
        else f"`titleholder run {model} --as-of {day} --lane backtest` makes one"
    )
    return (
        f"Lane {LIVE} goes by the clock: nobody was champion on that day. Other lanes go by as-of dates, and score the "
        f"past: {how}."
    )


def unwatched(model: str, lane: str, as_of: str, runs: Sequence[ScoreRun]) -> str:
    """Why there is no report of the monitor, until `as_of` if that is a date, and the command that makes one."""
    own = [run.as_of for run in runs if run.lane == lane]
    if not own:
        return unscored(model, lane, runs)
    if as_of:
        return f"{model}, lane {lane}: nothing was scored until {as_of}; the first scoring run is as of {min(own)}."
    asked = f"titleholder monitor {model} --lane {lane} --as-of {max(own)}"
    return (
        f"{model}, lane {lane}: no look was taken at its {counted(len(own), 'scoring run')} yet. `{asked}` takes one."
    )


def card_address(row: Decision) -> str:
    """Where a person sees the model card: on the page of the decision's MLflow run, whose description links it first.

    Without a login. Empty where nothing was judged, or MLflow has no pages (a tracking URI that is no http address).
    """
    address = urls.run(need("MLFLOW_TRACKING_URI"), row.mlflow_run_id) if row.verdict and row.mlflow_run_id else ""
    return address if address.startswith("http") else ""


def card_line(row: Decision) -> str:
    """The address of a decision's model card as a line; empty where there is none."""
    address = card_address(row)
    return f"Model card of decision {row.id}, as of {row.as_of}: {address}" if address else ""


def newest_card(rows: Sequence[Decision]) -> str:
    """The line of the newest of these decisions that has a card."""
    return next(filter(None, map(card_line, reversed(rows))), "")
