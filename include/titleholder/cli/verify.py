"""The commands that look for faults: `audit`, `reproduce` and `leaktest`. Exit code 1 when they find any.

`leaktest` has exit code 4 where something is not tested that the spec does not acknowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from titleholder.cli import completion
from titleholder.cli.console import AsJson, AsOf, Model, out, print_json, print_table, working
from titleholder.formatting import counted

if TYPE_CHECKING:
    from titleholder.data.leakage.report import Kind, LeakReport
    from titleholder.workflow.audit_report import AuditReport
    from titleholder.workflow.reproduce import Reproduction

LEAKTEST_EXIT_CODES = {"clean": 0, "leak": 1, "not tested": 4}
FINDING_STYLES: dict[Kind, str] = {
    "leak": "bold red", "rows come later": "yellow", "recorded late": "yellow", "overwritten": "yellow",
    "later dates": "yellow", "not tested": "yellow", "compared": "", "assumed": "",
}  # fmt: skip


def audit(
    model: Annotated[
        str,
        typer.Argument(
            help="A model with decisions in the ledger; default: all of them.",
            show_default=False,
            autocompletion=completion.models,
        ),
    ] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Set an alias that was moved to the ledger's champion. Nothing else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that ledger, registry, reports and snapshots agree with each other; print each finding."""
    from titleholder.settings import Settings
    from titleholder.workflow import audit as auditing

    settings = Settings.from_environment()
    with working("audit", "reading") as on_step:
        report = auditing.audit(
            (model,) if model else (),
            settings=settings,
            repair=repair,
            on_step=on_step,
        )
    print_json(report.model_dump(mode="json")) if as_json else _print_report(report)
    if report.findings:
        raise typer.Exit(1)


def _print_report(report: AuditReport) -> None:
    for finding in report.findings:
        place = " ".join(str(part) for part in (finding.model, finding.lane) if part is not None)
        out.print(Text(f"{finding.check}  {place}", style="bold red"))
        out.print(Text(f"  {finding.explanation}"))
    for repaired in report.repaired:
        out.print(Text(f"Repaired. {repaired}.", style="green"))
    scope = (
        f"{counted(report.rows, 'decision')} in {counted(report.lanes, 'lane')} of "
        f"{counted(len(report.models), 'model')}, {counted(report.witnesses, 'version')} with a copy of the decision, "
        f"{counted(report.snapshots, 'snapshot')}, {counted(report.reports, 'report')}, "
        f"{counted(report.score_runs, 'scoring run')}{_counted_only(report.scores_counted)}, "
        f"{counted(report.monitor_reports, 'monitor report')}, {counted(report.champions, 'live champion')}"
    )
    result = counted(len(report.findings), "finding") if report.findings else "No findings"
    if not report.rows:
        result = "The ledger is empty: nothing was ever decided here"
    out.print(Text(f"{result}. Checked: {scope}.", style="bold red" if report.findings else "green"))


def _counted_only(runs: int) -> str:
    return f" (the scores of the {runs:,} oldest were counted, not compared)" if runs else ""


def reproduce(
    decision: Annotated[int, typer.Argument(help="A decision's id, as `titleholder history MODEL` shows it.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Also trust what no spec names now: a class (package.module.Class), or the address of a Dask "
            "scheduler; repeat for more."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Repeat a decision (train, validate, decide) from what was stored of it, and compare every number."""
    from titleholder.settings import Settings
    from titleholder.workflow import reproduce as reproduction

    settings = Settings.from_environment()
    with working(f"decision {decision}", "train", "compared") as on_step:
        comparison = reproduction.reproduce(
            decision,
            settings=settings,
            allowed=allow or (),
            on_trial=lambda n, total: on_step(f"trial {n}/{total}", n, total + 1),
        )
    print_json(_as_json(comparison)) if as_json else _print_comparison(comparison)
    if not comparison.same:
        raise typer.Exit(1)


def _as_json(comparison: Reproduction) -> dict[str, Any]:
    return {"same": comparison.same, **comparison.model_dump(mode="json")}


def _print_comparison(comparison: Reproduction) -> None:
    c = comparison
    parts = [
        {"part": p.name, "compared": p.compared, "equal": p.equal, "within 1e-9": p.within, "different": p.different}
        for p in c.parts
    ]
    print_table(f"Decision {c.decision}: {c.model} as of {c.as_of}, lane {c.lane}, {c.kind}", parts)
    for d in c.differences:
        size = "" if d.difference is None else f" ({d.difference:+.3g})"
        out.print(Text(d.path, style="bold red"))
        out.print(Text(f"  recorded {d.recorded!r}, reproduced {d.reproduced!r}{size}"))
    if c.not_recorded:
        out.print(Text(f"Not recorded then, so not compared: {', '.join(c.not_recorded)}"))
    if c.code_then != c.code_now:
        out.print(Text(f"Code: {c.code_then} then, {c.code_now} now"))
    for library in c.libraries:
        out.print(Text(f"{library.name}: {library.then} then, {library.now} now"))
    out.print(Text("The same." if c.same else "Not the same.", style="green" if c.same else "bold red"))


def leaktest(
    model: Model,
    as_of: AsOf,
    scoring: Annotated[bool, typer.Option("--scoring", help="The scoring query, not the training query.")] = False,
    as_json: AsJson = False,
) -> None:
    """Test whether facts that were not known yet change what the query extracts (exit code 4: not all was tested)."""
    from titleholder.data.leakage import leaktest as leakage
    from titleholder.settings import connection_url
    from titleholder.spec.loader import load_specs
    from titleholder.spec.windows import resolve_as_of

    spec = load_specs(only=model)[model]
    day, url = resolve_as_of(as_of, None, None), connection_url(spec.source.connection)
    test = leakage.scoring_leaktest if scoring else leakage.leaktest
    with working(f"{model} as of {day}", "copy") as on_step:
        report = test(spec, day, url=url, on_step=on_step)
    print_json({"outcome": report.outcome, **report.model_dump(mode="json")}) if as_json else _print_leaks(report)
    if report.outcome != "clean":
        raise typer.Exit(LEAKTEST_EXIT_CODES[report.outcome])


def _print_leaks(report: LeakReport) -> None:
    rows = [
        {
            "table": t.table,
            "later facts": f"{t.later_facts:,}",
            "planted": f"{t.synthetic_facts:,}",
            "exchanged after events": f"{t.exchanged_facts:,}",
        }
        for t in report.tables
    ]
    if rows:
        print_table(f"{report.model} as of {report.as_of}: {report.rows:,} rows", rows)
    for kind, sentence in report.findings:
        out.print(Text(f"{kind.capitalize()}: {sentence}", style=FINDING_STYLES[kind]))
    result = {"leak": "Leak.", "clean": "No leak.", "not tested": "No leak was found, but not everything was tested."}
    style = {"leak": "bold red", "clean": "green", "not tested": "bold yellow"}
    out.print(Text(result[report.outcome], style=style[report.outcome]))
