"""The command `monitor`: what stands of a champion in use, and a look of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from titleholder.cli import completion, hints
from titleholder.cli.console import AsJson, Model, out, print_json, print_table, progress, user
from titleholder.formatting import HUNDREDTHS, NOTHING, between, counted, metric, number, percent, tenths

if TYPE_CHECKING:
    from titleholder.ledger.monitor_reports import MonitorRecord
    from titleholder.validation.monitoring.report import FeatureLook, FormerReign, MonitorReport, Promise, Span


DRIFT_LEGEND = (
    "Level: the smallest budget with which anything would have been taken for changed so far. "
    "Drift, 2: in two looks in a row. Missing: now, and what it was where the champion was judged. "
    "New: rows with a category that no training row had. Log e: the evidence, the logarithm of an e-value."
)

FORMER_LEGEND = (
    "Judged until, of the rows scored until then. Means of the cohorts by their rows; * as above. No alarm comes of a "
    "former champion."
)


def monitor(
    model: Model,
    lane: Annotated[
        str,
        typer.Option(help="Whose scores are watched; default: the lane of the spec.", autocompletion=completion.lanes),
    ] = "",
    as_of: Annotated[
        str, typer.Option(help="Look now, at what was scored until this date (00:00 UTC), YYYY-MM-DD.")
    ] = "",
    reason: Annotated[str, typer.Option(help="With --as-of: why; it is kept with the report.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what the monitor says of the champion in use: drift, expected and realised performance, alarms.

    Without --as-of the newest report is shown. With it a look is made and written, as the DAG <model>.monitor does it;
    a repeated one finds what was written. It ends with 1 where outcomes could not be read: the look is written without.
    """
    from titleholder.data.scoring_contract import scoring_of
    from titleholder.ledger import monitor_reports, score_runs
    from titleholder.settings import Settings
    from titleholder.spec.loader import load_specs
    from titleholder.workflow.monitoring.look import monitor_of

    spec, url = load_specs(only=model)[model], Settings.from_environment().ledger_url
    monitor_of(spec)
    lane = lane or scoring_of(spec).lane
    if as_of:
        record = _looked(spec, lane, as_of, reason)
    else:
        found = monitor_reports.newest(url, model, lane, most=1)
        record = found[-1] if found else None
    if as_json:
        print_json(record.model_dump(mode="json") if record else {"model": model, "lane": lane, "id": None})
    elif record is None:
        out.print(hints.unwatched(model, lane, as_of, score_runs.of_model(url, model)), soft_wrap=True)
    else:
        _print(record)
    if as_of and record and record.report.unavailable:
        raise typer.Exit(1)


def _looked(spec: Any, lane: str, as_of: str, reason: str) -> MonitorRecord | None:
    from titleholder.settings import Settings, connection_url
    from titleholder.spec.windows import resolve_as_of
    from titleholder.workflow.monitoring import run as monitoring
    from titleholder.workflow.payloads import Origin

    day, origin = resolve_as_of(as_of, None, None), Origin(actor=f"cli:{user()}", reason=reason)
    url = connection_url(spec.source.connection)
    with progress() as shown:
        bar = shown.add_task(f"{spec.name} {day}", total=1, step=f"lane {lane}")
        record = monitoring.run(spec, day, lane, url=url, origin=origin, settings=Settings.from_environment())
        shown.update(bar, completed=1, step="")
    return record


def _print(record: MonitorRecord) -> None:
    """The state first, the reason second, the numbers third."""
    report = record.report
    out.print(f"{record.state.upper()}: {record.model}, version {record.version}, as of {record.as_of}")
    out.print(report.reason)
    if record.ask_reason:
        out.print(record.ask_reason)
    for remark in report.remarks:
        out.print(f"Note: {remark}")
    if measured := report.promise or report.estimate:
        print_table(f"Performance, {metric(measured.metric, inside=True)}", _performance(report), ["what"])
    if report.estimate:
        from titleholder.validation.monitoring.report import ASSUMPTION

        out.print(f"* {ASSUMPTION}")
    if report.review:
        out.print(report.review.sentence)
    if report.former:
        print_table("Former champions, whose outcomes came later", [_former(one) for one in report.former], ["version"])
        out.print(FORMER_LEGEND)
    for one in report.former:
        for said in filter(None, (one.review.sentence if one.review else "", one.unread)):
            out.print(f"Version {one.version}, decision {one.decision}: {said}", soft_wrap=True)
    if report.drift:
        looks = counted(report.drift.looks, "look")
        print_table(
            f"Drift: {looks}, budget {report.drift.budget:.3f}, level {report.drift.level:.3f}",
            [_row(one) for one in report.drift.features],
            ["feature"],
        )
        out.print(DRIFT_LEGEND)


def _former(one: FormerReign) -> dict[str, Any]:
    return {
        "promise": _state(one.promise) if one.promise else NOTHING,
        "version": str(one.version),
        "until": str(one.cohorts[-1].end) if one.cohorts else NOTHING,
        "of": str(one.scored),
        "promised": number(one.promise.promised.estimate if one.promise else None, 1.0),
        "came true": number(one.realised, 1.0),
        "expected *": number(one.estimated, 1.0),
    }


def _state(promise: Promise) -> str:
    return "broken" if promise.broken else "holds" if promise.cohorts else "open"


def _row(one: FeatureLook) -> dict[str, Any]:
    return {
        "state": f"drift, {one.in_a_row}" if one.drifted else "quiet",
        "feature": one.name,
        "PSI": number(one.psi.estimate, HUNDREDTHS),
        "interval": between(one.psi.lower, one.psi.upper, HUNDREDTHS),
        "missing": percent(one.missing),
        "was": percent(one.reference_missing),
        "new": f"{one.unseen_rows:,}" if one.kind == "categorical" else NOTHING,
        "log e": tenths(one.log_evidence),
    }


def _performance(report: MonitorReport) -> list[dict[str, Any]]:
    """What was promised, what the scores lead to expect, and what came true beside what had been expected."""
    rows = []
    if promise := report.promise:
        rows.append(_line(_state(promise), "promised at promotion", None, promise.promised))
    if estimate := report.estimate:
        rows.append(_line("estimate", "expected of the newest scores *", estimate.rows, estimate.value))
    for one in report.cohorts[-6:]:
        what = f"came true, {one.start} to {one.end}"
        rows.append(_line("final", what, one.rows, one.realised) | {"expected *": _estimated(one.estimated)})
    return rows


def _line(state: str, what: str, rows: int | None, value: Span) -> dict[str, Any]:
    return {
        "state": state,
        "what": what,
        "rows": NOTHING if rows is None else f"{rows:,}",
        "metric": number(value.estimate, 1.0),
        "interval": _interval(value),
        "expected *": NOTHING,
    }


def _estimated(value: Span | None) -> str:
    return NOTHING if value is None else number(value.estimate, 1.0)


def _interval(value: Span) -> str:
    return between(value.lower, value.upper, 1.0)
