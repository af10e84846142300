"""The commands that make or show decisions: `run`, `history` and `rollback`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titleholder.cli import hints
from titleholder.cli.console import (
    AsJson,
    AsOf,
    Lane,
    Model,
    err,
    interrupted,
    lane_to_read,
    out,
    print_json,
    progress,
    user,
)
from titleholder.cli.housekeeping import lane_to_show, require_model
from titleholder.errors import ServiceError, UsageError
from titleholder.formatting import stamp

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision
    from titleholder.spec.model import ModelSpec
    from titleholder.workflow.retrain import FailedCandidate, Retrained


def run(
    model: Model,
    as_of: AsOf,
    until: Annotated[
        str, typer.Option(help="Also run every later tick of the model's schedule up to this date, in order.")
    ] = "",
    lane: Lane = "dev",
    candidate: Annotated[list[str] | None, typer.Option(help="Train only this candidate; repeat for more.")] = None,
    reason: Annotated[str, typer.Option(help="Why this run was asked for; it is kept in the ledger.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run all steps in this process, without Airflow: extract, train, nominate, validate, decide, promote, report.

    Whatever is decided, the exit code is 0. Where a candidate could not be trained, what the others led to is decided,
    and the exit code is that of its failure: 1, or 2 where the spec is wrong.
    """
    from titleholder.data import as_of_range
    from titleholder.settings import connection_url
    from titleholder.spec.loader import load_specs, spec_file
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow.scaffold import marks

    spec = load_specs(only=model)[model]
    first = resolve_as_of(as_of, None, None)
    if said := marks.standing(spec_file(model), spec.source.query):
        err.print(Text(f"Warning: {said} A guess of `new` counts there.", style="yellow"), soft_wrap=True)
    dates = _ticks(spec.schedule, first, resolve_as_of(until, None, None)) if until else [first]
    if len(dates) > 1:
        as_of_range.refuse_undecidable(connection_url(spec.source.connection), spec, dates)
    done: list[Retrained] = []
    steps: list[str] = []
    with progress() as shown:
        try:
            for day in dates:
                steps.clear()
                done.append(_run_once(spec, day, lane, tuple(candidate or ()), reason, shown, steps))
        except KeyboardInterrupt:
            shown.stop()
            interrupted(_standing(model, lane, dates, len(done), steps))
    rows = [each.decision for each in done]
    failed = {each.decision.id: each.failed for each in done if each.failed}
    notes = _decided_before([each.decision for each in done if each.stood])
    _print(f"{model}, lane {lane}", rows, as_json, notes, failed)
    if not as_json:
        attention = [line for row in rows for line in (hints.champion_line(row), hints.warnings(row))]
        for line in (*attention, hints.lane_commands(model, lane)):
            _hint(line)
    if codes := [candidate.exit_code for of_one in failed.values() for candidate in of_one.values()]:
        raise typer.Exit(codes[0])


def _decided_before(rows: list[Decision]) -> dict[int, str]:
    """By their ids, that these decisions stood already, and what became of those of the live lane since."""
    from titleholder.ledger import store
    from titleholder.settings import Settings

    if not rows:
        return {}
    lane = store.read_lane(Settings.from_environment().ledger_url, rows[0].model, rows[0].lane)
    return {row.id: hints.decided_before(row, lane) for row in rows}


def _standing(model: str, lane: str, dates: list[date], done: int, steps: list[str]) -> str:
    """What an interrupted run has decided: `done` dates are finished, `steps` are those of the next one."""
    from titleholder.workflow.retrain import PROMOTE, REPORT

    history = f"`titleholder history {model} --lane {lane}`"
    if REPORT in steps:
        done, unclear = done + 1, ""
    elif PROMOTE in steps:
        unclear = f"{history} shows whether {dates[done]} was decided"
    else:
        unclear = f"nothing was decided{f' for {dates[done]}' if done else ''}"
    finished = (
        f"the decision{'s' if done > 1 else ''} of {', '.join(map(str, dates[:done]))} stand{'s' if done == 1 else ''}"
    )
    return f"{'; '.join(filter(None, (finished if done else '', unclear)))}."


def _run_once(
    spec: ModelSpec, day: date, lane: str, candidates: tuple[str, ...], reason: str, shown: Any, steps: list[str]
) -> Retrained:
    from titleholder.settings import Settings, connection_url
    from titleholder.workflow.payloads import Origin
    from titleholder.workflow.retrain import retrain

    bar = shown.add_task(f"{spec.name} {day}", total=len(candidates or spec.training.candidates) + 5, step="extract")

    def on_step(step: str, number: int) -> None:
        steps.append(step)
        shown.update(bar, completed=number, step=step)

    return retrain(
        spec,
        day,
        lane,
        url=connection_url(spec.source.connection),
        origin=Origin(actor=f"cli:{user()}", reason=reason),
        settings=Settings.from_environment(),
        candidates=candidates,
        on_step=on_step,
    )


def _ticks(schedule: str | None, first: date, last: date) -> list[date]:
    from titleholder.spec import windows

    if schedule is None:
        raise UsageError("--until needs a model with a schedule; this one has none")
    if last < first:
        raise UsageError(f"--until: {last} lies before --as-of, {first}")
    return [first, *windows.ticks(schedule, first + timedelta(days=1), last)]


def history(
    model: Model,
    lane: Annotated[str, lane_to_read("live")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also the decisions that a later one of the same as-of date replaced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model's decisions in a lane: challenger, champion, gain with its interval, what was decided and why."""
    from titleholder.ledger import lane_records, reigns, store
    from titleholder.settings import Settings

    require_model(model)
    lane, url = lane_to_show(model, lane, "live", as_json=as_json), Settings.from_environment().ledger_url
    rows = store.read(url, model, lane)
    if record := lane_records.newest(url, model).get(lane):
        err.print(f"Lane {lane} was {record}.")
    if not rows:
        _hint(lane_records.other_lanes("history", model, lane, store.lanes(url, model)))
    rows_in_force, outdated = reigns.in_force(rows, lane), reigns.to_rerun(rows, lane)
    newest = {row.as_of: row.id for row in rows_in_force}
    notes = {
        row.id: f"Replaced by decision {newest[row.as_of]}"
        for row in rows
        if row.id not in {r.id for r in rows_in_force}
    }
    notes |= {number: f"Run it again: {why}" for number, why in outdated.items()}
    shown = rows if everything else rows_in_force
    if rows or as_json:
        title = f"{model}, lane {lane}{_champion(rows_in_force)}"
        _print(title, shown, as_json, notes, cards=record is None or record.kind != "delete")
    if outdated and not as_json:
        err.print(f"To run again what must be: `{reigns.rerun_command(rows, lane)}`", soft_wrap=True)


def _champion(in_force: list[Decision]) -> str:
    """Who is champion after these decisions, and since which of them, behind the name of their lane."""
    from titleholder.ledger import reigns

    began = reigns.crowning(in_force) if in_force else None
    if began is None or began.champion_after is None:
        return ": no champion"
    return f": version {began.champion_after} is champion since decision {began.id} ({began.kind})"


def rollback(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why. The ledger keeps it, with your name.")],
    to: Annotated[
        int | None,
        typer.Option(help="The version that comes back; default: the one that was champion before the current one."),
    ] = None,
    leaving: Annotated[
        int | None, typer.Option(help="The version that goes: nothing is done where another one is champion.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Bring a version back even if it was rolled back itself before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a former champion back in use, at once. Nothing is trained.

    The version that goes cannot return by itself: a new model must be trained on newer rows to win again. If the spec
    names people who must approve rollbacks, the command is refused: use the DAG <model>.rollback in Airflow.

    You can repeat the command: with the same reason it changes nothing while the version that came back is champion.
    To leave that version too, name it with --leaving.
    """
    from titleholder.cli.notices import notify
    from titleholder.ledger import store
    from titleholder.settings import Settings
    from titleholder.spec.loader import load_specs
    from titleholder.spec.types import LIVE
    from titleholder.workflow import interventions
    from titleholder.workflow.payloads import RollbackOrder

    require_model(model)
    settings = Settings.from_environment()
    spec = load_specs(only=model).models.get(model)  # a broken one must not stop a rollback
    order = RollbackOrder(reason=reason, actor=f"cli:{user()}", to=to, leaving=leaving, force=force)
    unsure = (
        f"whether the rollback was decided: see `titleholder history {model}`. You can repeat the command: it does not "
        "roll back twice."
    )
    known = {row.id for row in store.read_lane(settings.ledger_url, model, LIVE)}
    order = interventions.order_rollback(model, order, settings=settings, spec=spec)
    try:
        decision = interventions.rollback(model, order, settings=settings, spec=spec)
    except KeyboardInterrupt:
        interrupted(f"it is not known {unsure}")
    except ServiceError as error:
        raise ServiceError(f"{error} It is not known {unsure}") from None
    _print(f"{model}, lane live", [decision], as_json)
    if decision.id in known:
        now = decision.champion_after
        _hint(
            f"Nothing was rolled back: decision {decision.id} of {stamp(decision.created_at)} already did that, and "
            f"version {now} has been champion since. To leave that version too: --leaving {now}"
        )
    notify(decision)


def _print(
    title: str,
    rows: list[Decision],
    as_json: bool,
    notes: Mapping[int, str] = MappingProxyType({}),
    failed: Mapping[int, Mapping[str, FailedCandidate]] = MappingProxyType({}),
    *,
    cards: bool = True,
) -> None:
    """Decisions as a table or JSON; `failed` are the candidates that could not be trained, by a decision's id.

    With `cards`, the address of the newest one's model card stands below; JSON has the address of each.
    """
    from titleholder.cli.tables import decision_table, legend

    if as_json:
        reasons = {n: {name: candidate.why for name, candidate in of_one.items()} for n, of_one in failed.items()}
        more = {n: {"failed_candidates": of_one} for n, of_one in reasons.items()}
        print_json([{**_as_json(row, notes.get(row.id, ""), cards), **more.get(row.id, {})} for row in rows])
        return
    out.print(decision_table(title, rows, out.width, notes))
    _hint(legend(rows))
    if cards:
        _hint(hints.newest_card(rows))
    for row in rows:
        for name, candidate in failed.get(row.id, {}).items():
            said = f"{row.as_of}: {name} could not be trained: {candidate.why}"
            out.print(Text(f"{said.rstrip('.')}. The decision stands, on the other candidates.", style="bold red"))


def _hint(line: str) -> None:
    """A line for people beside a result; whole, so that an address can be copied."""
    if line:
        err.print(line, soft_wrap=True)


def _as_json(row: Decision, note: str, card: bool) -> dict[str, Any]:
    """The ledger's row without its spec but with the address of each check's documentation, and a note on its state.

    With `card`, also with the address of its model card.
    """
    from titleholder.formatting import docs_address
    from titleholder.settings import docs_base
    from titleholder.validation.checks import docs_url

    data: dict[str, Any] = json.loads(row.model_dump_json(exclude={"spec"}))
    for check in data["verdict"]["checks"] if data["verdict"] else ():
        check["docs_url"] = docs_address(docs_base(), docs_url(check["code"]))
    return {**data, "note": note, "card": hints.card_address(row) if card else ""}
