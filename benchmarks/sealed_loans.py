"""Sealed scores on real loans: each month's loans scored by the champion and two challengers when they were granted.

    python benchmarks/sealed_loans.py lending_club.parquet        # about fifteen minutes; the file: docs/add-a-model.md

A stack of its own; `lending_club_default` is retrained on the first of each month from August 2010 to June 2013, and
from then on the loans of the month before are scored, without their outcomes, as long as there are any. A ledger takes
the time of its database for the time at which a run was written, and nobody can tell it that it is 2010. Here its owner
switches the guard off and sets each run's time to the morning of its as-of date: that part is pretended, and all else
is what the package does. Eighteen months later the loans are judged, and TH801 of each retrain says what the sealed
scores say: which of them are not what the models answer now, and how far each challenger is ahead of the champion by
sealed scores alone. `--rewritten SHARE` also shows what it says of rows whose annual income in the training query is
no longer that of the application, in that share of the loans that were later charged off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from bench import loaded, stack
from dateutil.relativedelta import relativedelta
from sqlalchemy import create_engine, text
from tables import table

from localstack.settings import ledger_url
from localstack.state import State
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import batch_scoring, shadow_scoring
from titleholder.workflow.payloads import Origin
from titleholder.workflow.retrain import retrain

MODEL, LANE = "lending_club_default", "sealed"
FIRST, LAST, LAST_LOANS = date(2010, 8, 1), date(2013, 6, 1), date(2012, 1, 1)
SCORING = f"""
scoring: {{query: scoring.sql, window: 1 month, lane: {LANE}, shadow: 2}}
"""
LABEL = "    charged_off::int as charged_off,\n"
KNOWN = "    case when charged_off then charged_off_at else issued_at end as known_at,\n"
INCOME = "    annual_inc,\n"
REWRITTEN = (
    "    case when charged_off and src_row % 100 < {share:.0f} then annual_inc / 2 else annual_inc end as annual_inc,\n"
)


def a_spec(folder: Path, rewritten: float) -> ModelSpec:
    """The shipped spec and a scoring query of the same features, without the label."""
    for name in (f"{MODEL}.yaml", f"{MODEL}.sql"):
        shutil.copy(DEFAULT_FOLDER / name, folder / name)
    query = (folder / f"{MODEL}.sql").read_text()
    assert all(query.count(part) == 1 for part in (LABEL, KNOWN, INCOME))
    scoring = query.replace(LABEL, "").replace(KNOWN, "    issued_at as known_at,\n")
    (folder / "scoring.sql").write_text(scoring)
    if rewritten:
        (folder / f"{MODEL}.sql").write_text(query.replace(INCOME, REWRITTEN.format(share=100 * rewritten)))
    with (folder / f"{MODEL}.yaml").open("a") as file:
        file.write(SCORING)
    os.environ["TITLEHOLDER_MODELS"] = str(folder)
    return load_specs(only=MODEL)[MODEL]


def months() -> Iterator[date]:
    """All as-of dates."""
    day = FIRST
    while day <= LAST:
        yield day
        day += relativedelta(months=1)


def score(spec: ModelSpec, day: date, settings: Settings) -> int:
    """Score the loans of the month before, by the champion and the challengers, as if it were that day; rows scored."""
    url = connection_url(spec.source.connection)
    pinned = batch_scoring.pin(spec, day, LANE, url=url, origin=Origin(actor="bench"), settings=settings)
    if pinned.version is None:
        return 0
    champion = batch_scoring.score(pinned, url=url, settings=settings)
    beside = shadow_scoring.shadow(pinned, settings=settings)
    assert not beside.failed, beside.failed
    runs = [champion.id, *(run.id for run in beside.runs)]
    with create_engine(ledger_url(State.locate(), "ledger_owner")).begin() as owner:
        owner.execute(text("ALTER TABLE titleholder.score_runs DISABLE TRIGGER no_change"))
        owner.execute(
            text("UPDATE titleholder.score_runs SET created_at = :moment WHERE id = ANY(:runs)"),
            {"moment": f"{day} 06:00+00", "runs": runs},
        )
        owner.execute(text("ALTER TABLE titleholder.score_runs ENABLE ALWAYS TRIGGER no_change"))
    return champion.rows


def line(decision: Decision, scored: int) -> list[object]:
    """What a retrain decided, and what it says of sealed scores."""
    found = next((check for check in decision.judged.checks if check.code == "TH801"), None)
    numbers = found.numbers if found else {}
    gains = [
        f"{name.removeprefix('sealed_gain_of_version_')}: {numbers[name]:+.4f} "
        f"[{numbers[name + '_lower']:+.4f}, {numbers[name + '_upper']:+.4f}]"
        for name in numbers
        if name.startswith("sealed_gain") and not name.endswith(("_lower", "_upper"))
    ]
    told = (
        f"{numbers['difference']:+.4f} [{numbers['difference_lower']:+.4f}, {numbers['difference_upper']:+.4f}]"
        if "difference" in numbers
        else ""
    )
    return [
        decision.as_of,
        decision.kind,
        decision.champion_before or "",
        scored or "",
        found.status if found else "",
        *(f"{numbers[name]:,.0f}" if name in numbers else "" for name in ("rows", "scores", "differing")),
        told,
        "; ".join(gains),
    ]


def main() -> None:
    """Retrain and score month by month, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loans", help="the Parquet file of docs/add-a-model.md")
    parser.add_argument("--rewritten", type=float, default=0.0, metavar="SHARE", help="from 0 to 1")
    asked = parser.parse_args()

    def log(said: str) -> None:
        print(said, file=sys.stderr, flush=True)

    head = ["as of", "decision", "champion", "loans scored", "TH801", "judged rows", "sealed scores", "differing"]
    head += ["today's features gain", "challengers over the champion, by sealed scores"]
    with stack(airflow=None, log=log), tempfile.TemporaryDirectory(prefix="titleholder-bench-") as folder:
        loaded(asked.loans, log)
        spec, settings = a_spec(Path(folder), asked.rewritten), Settings.from_environment()
        url, origin = connection_url(spec.source.connection), Origin(actor="bench")

        def lines() -> Iterator[list[object]]:
            for day in months():
                done = retrain(spec, day, LANE, url=url, origin=origin, settings=settings)
                yield line(done.decision, score(spec, day, settings) if day <= LAST_LOANS else 0)

        table("Sealed scores of real loans", head, lines())


if __name__ == "__main__":
    main()
