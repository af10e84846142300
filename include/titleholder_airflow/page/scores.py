"""What the page says of a model's scoring runs: how scoring stands, and rows by run as a chart (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from titleholder.ledger.score_history import ScoredVersion, ScoreRunRecord
from titleholder.spec.types import LIVE
from titleholder_airflow.page.airflow import Dag, Run
from titleholder_airflow.page.axes import LEFT, RIGHT, WIDTH, Tick, few, scale, vertical
from titleholder_airflow.page.health import GRACE, HealthSign

HEIGHT, TOP, BOTTOM = 150.0, 12.0, 30.0
WIDEST = 26.0
"""Of a bar."""
SHOWN = 60
"""Runs in the chart and in the table."""
NOT_ASKED = "The spec has no section `scoring`, so no DAG scores new rows."
HOW = "Switch `{dag}` on to score by its schedule, trigger it to score now, or backfill past days."


class Bar(NamedTuple):
    """A scoring run: the left edge, top and size of its bar, and whether another version than before scored."""

    x: float
    y: float
    width: float
    height: float
    run: ScoreRunRecord
    changed: bool


class Rows(NamedTuple):
    """Rows by scoring run, the oldest first."""

    bars: list[Bar]
    days: list[Tick]
    values: list[Tick]


class Scores(NamedTuple):
    """The scoring of a lane: how it stands, what each version has scored, and its newest runs, the newest first."""

    state: HealthSign
    versions: list[ScoredVersion]
    runs: list[ScoreRunRecord]
    chart: Rows | None

    @property
    def total_runs(self) -> int:
        """Of the champions; challengers that scored beside them are not counted."""
        return sum(one.runs for one in self.versions if one.role == "champion")

    @property
    def total_rows(self) -> int:
        """Of the champions, as above."""
        return sum(one.rows for one in self.versions if one.role == "champion")


def scores(
    dag: Dag | None,
    run: Run | None,
    runs: Sequence[ScoreRunRecord],
    versions: Sequence[ScoredVersion],
    champion: int | None,
    lane: str,
    now: datetime,
) -> Scores:
    """What the page shows of a lane; `run` is the DAG's newest automatic one, `runs` begins with the newest."""
    signs = [*(trouble(dag, run, now) if lane == LIVE else ()), *_newest(dag, runs, champion, lane)]
    return Scores(signs[0], list(versions), list(runs), rows(list(reversed(runs))))


def trouble(dag: Dag | None, run: Run | None, now: datetime, what: str = "scoring") -> list[HealthSign]:
    """What keeps a model's scoring, or its monitoring, from running; nothing for a model that has none."""
    if dag is None:
        return []
    if run is not None and run.state == "failed":
        sentence = (
            f"The newest automatic run of {what}, due {run.run_after:%Y-%m-%d}, failed; its red task says what to do."
        )
        return [HealthSign("bad", f"{what} failed", sentence, run.href)]
    if dag.paused:
        return [HealthSign("warn", f"{what} switched off", f"Its {what} DAG is paused: no run starts.", dag.href)]
    if dag.next_run and now - dag.next_run > GRACE:
        sentence = f"A run of {what} was due at {dag.next_run:%Y-%m-%d %H:%M} UTC and has not started."
        return [HealthSign("warn", f"{what} overdue", sentence, dag.href)]
    return []


def _newest(dag: Dag | None, runs: Sequence[ScoreRunRecord], champion: int | None, lane: str) -> list[HealthSign]:
    """What the newest run says."""
    if not runs:
        none = HealthSign("none", "no scores yet", HOW.format(dag=dag.dag_id) if dag else NOT_ASKED)
        return [none._replace(href=dag.href) if dag else none]
    last = runs[0]
    if not last.rows:
        return [HealthSign("warn", "no rows", f"The newest run, as of {last.as_of}, found no row to score.")]
    if lane == LIVE and champion is not None and last.version != champion:
        sentence = f"The newest scores are of version {last.version}; the next run uses the champion."
        return [HealthSign("warn", "older version", sentence)]
    return [HealthSign("good", "scored", f"The newest run, as of {last.as_of}, is complete.")]


def rows(runs: Sequence[ScoreRunRecord]) -> Rows | None:
    """A bar for each run, the oldest first; None without a row."""
    if not any(run.rows for run in runs):
        return None
    y, values = vertical([0.0, *(float(run.rows) for run in runs)], TOP, HEIGHT - BOTTOM, most=3)
    floor, x = y(0.0), scale(-0.5, len(runs) - 0.5, LEFT, WIDTH - RIGHT)
    width = round(min(WIDEST, 0.8 * (x(1) - x(0))), 1)
    bars = [
        Bar(
            round(x(n) - width / 2, 1), y(run.rows), width, round(floor - y(run.rows), 1), run,
            changed=n > 0 and run.version != runs[n - 1].version,
        )
        for n, run in enumerate(runs)
    ]  # fmt: skip
    return Rows(bars, few([Tick(x(n), str(run.as_of)) for n, run in enumerate(runs)]), values)
