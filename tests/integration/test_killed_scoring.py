"""Runs that score and looks that monitor, killed at any point or at once, and a champion that changes meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localstack.state import State
from support import killed_scoring as world
from support.audit_world import World, models_in
from support.killed_scoring import MODEL
from support.killing import traced
from support.monitored_world import LANE, reports_of, watched, write_monitored
from support.retraining import challenge, in_lane, retrain, settle
from titleholder.data import features, snapshots
from titleholder.data.scoring_contract import ScoringContract
from titleholder.ledger import score_runs
from titleholder.ledger.database import engine
from titleholder.ledger.score_runs import ScoreRun
from titleholder.workflow import batch_scoring, interventions
from titleholder.workflow.audit import audit
from titleholder.workflow.payloads import RollbackOrder

pytestmark = pytest.mark.slow
FED = """(
    select id, happened_at, signal, noise, price, kind from tiny
    union all
    select id + 1000000, happened_at + (current_date - date '2024-07-01') * interval '1 day', signal, noise, price, kind
    from tiny where happened_at >= '2024-06-15'
) as fed"""
"""The rows of the table, and rows of today."""
KILLED, RACED, LOOKED = (date(2024, month, 1) for month in (3, 4, 5))
"""The first days of three tests; the next ones follow day by day."""
EXTRACTED = ["before batch_scoring.pin", "after batch_scoring.pin", "before snapshots.write", "after snapshots.write"]
OF_A_RUN = ["before snapshots.write", "after snapshots.write", "before score_runs.write", "before the run's row",
            "after the run's row", "within the second COPY", "before the commit", "after score_runs.write"]  # fmt: skip
OF_A_LOOK = ["before run.watched_at", "after run.watched_at", "before monitor_reports.record", "before the report's row",
             "after the report's row", "before the commit", "after monitor_reports.record"]  # fmt: skip


@pytest.fixture(scope="module")
def arena(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two champions, one after the other, in two lanes; the first is the challenger beside the second."""
    folder = tmp_path_factory.mktemp("models")
    write_monitored(folder, window="3 days", monitor="{minimum_rows: 10}", table=FED, name=MODEL)
    spec = folder / f"{MODEL}.yaml"
    spec.write_text(spec.read_text().replace("lane: scored", "lane: scored\n  parquet: true\n  shadow: 1"))
    with models_in(folder, state) as settings, pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "ROW_GROUP", world.BATCH)
        made = [challenge(MODEL, date(2024, month, 1), LANE, settings) for month in (1, 2)]
        rows = [settle(in_lane(one, lane), settings) for lane in (LANE, "live") for one in made]
        assert [row.kind for row in rows] == ["promote"] * 4
        yield World(MODEL, settings, state, rows)


def again(arena: World, day: date) -> list[ScoreRun]:
    return world.score(world.pin(day, arena.settings), arena.settings)


def runs_of(arena: World, day: date) -> list[ScoreRun]:
    """The runs of a day, each of which has all its scores; there is no score of any other run."""
    runs = score_runs.of_model(arena.settings.ledger_url, MODEL)
    with engine(arena.settings.ledger_url).connect() as connection:
        stored = dict(
            map(tuple, connection.exec_driver_sql("SELECT run, count(*) FROM titleholder.scores GROUP BY run"))
        )
        current = connection.exec_driver_sql(
            f"SELECT run, count(*) FROM titleholder.current_scores WHERE model = '{MODEL}' AND lane = '{LANE}' "
            f"AND as_of = '{day}' GROUP BY run"
        )
        current = dict(map(tuple, current))
    assert {run.id: run.rows for run in runs}.items() <= stored.items()
    with arena.superuser() as cursor:
        cursor.execute("SELECT count(*) FROM titleholder.scores AS s WHERE NOT EXISTS "
                       "(SELECT FROM titleholder.score_runs AS r WHERE r.id = s.run)")  # fmt: skip
        assert cursor.fetchone() == (0,)
    found = [run for run in runs if run.as_of == day]
    newest = {run.id: run.rows for run in found if (run.role, run.lane) == ("champion", LANE)}
    assert current == newest, "the scores of the newest as-of date are all current, or none is"
    return found


def whole(arena: World, runs: list[ScoreRun]) -> bool:
    """One run of the champion and one of its challenger, which both scored all rows of the window."""
    digests = [score_runs.digest_of(arena.settings.ledger_url, run.id, timedelta(minutes=1)) for run in runs]
    return (
        [run.role for run in runs] == ["champion", "challenger"]
        and {(run.rows, run.input_sha256) for run in runs} == {(runs[0].rows, runs[0].input_sha256)}
        and runs[0].rows > 2 * world.BATCH
        and [(d.hexdigest(), d.rows) for d in digests] == [(run.scores_sha256, run.rows) for run in runs]
    )


def scores_of(arena: World, run: ScoreRun) -> list[float]:
    found = score_runs.batches(arena.settings.ledger_url, run.id, timedelta(minutes=1))
    return [score for batch in found for score in batch.column("score").to_pylist()]


def no_half_file(arena: World) -> bool:
    files = list((Path(arena.settings.snapshots) / MODEL).rglob("*.parquet"))
    named = [file for file in files if len(file.stem) == 64]
    return bool(named) and all(hashlib.sha256(file.read_bytes()).hexdigest() == file.stem for file in named)


@pytest.mark.timeout(900)
def test_a_kill_at_any_point_of_a_run_leaves_whole_runs_and_the_next_try_adds_only_what_lacks(arena: World) -> None:
    code, points = traced(world.scoring, str(KILLED), arena.settings)
    assert code == 0
    assert whole(arena, runs_of(arena, KILLED))
    assert points == [*EXTRACTED, *OF_A_RUN, *OF_A_RUN]
    for n, point in enumerate(points, start=1):
        day = KILLED + timedelta(days=n)
        assert traced(world.scoring, str(day), arena.settings, die_at=n) == (-9, []), point
        left = runs_of(arena, day)
        assert len(left) == points[:n].count("after score_runs.write"), point
        assert no_half_file(arena), point
        found = again(arena, day)
        assert found[: len(left)] == left, point
        assert runs_of(arena, day) == found == again(arena, day), point
        assert whole(arena, found), point
    assert audit([MODEL], settings=arena.settings).findings == ()


def test_processes_that_score_the_same_at_once_write_one_run_of_each_version(arena: World) -> None:
    for day in (RACED, RACED + timedelta(days=1)):
        assert world.race(world.pin(day, arena.settings), arena.settings) == [0, 0, 0]
        found = runs_of(arena, day)
        assert whole(arena, found)
        assert again(arena, day) == found
    assert audit([MODEL], settings=arena.settings).findings == ()


def back(arena: World) -> None:
    order = RollbackOrder(reason="a test", actor="tester", run="x")
    interventions.rollback(MODEL, order, settings=arena.settings, spec=watched(MODEL))


def onward(arena: World) -> None:
    assert retrain(MODEL, date(2024, 3, 1), "live", arena.settings).kind == "promote"


def test_a_champion_that_changes_while_rows_stream_changes_the_next_run(
    arena: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, check = datetime.now(UTC).date(), ScoringContract.check
    pins, runs, batches = [world.pin(today, arena.settings, "live")], [], []

    def checked(change: Callable[[World], None], self: ScoringContract, frame: pd.DataFrame) -> None:
        batches.append(len(frame))
        if len(batches) == 2:
            change(arena)
        check(self, frame)

    for change in (back, onward):
        with monkeypatch.context() as patch:
            patch.setattr(ScoringContract, "check", lambda held, frame, change=change: checked(change, held, frame))
            runs += world.score(pins[-1], arena.settings)
        assert len(batches) > 2
        batches.clear()
        pins.append(world.pin(today, arena.settings, "live"))
    runs += world.score(pins[-1], arena.settings)
    first, second = (row.challenger for row in arena.rows[2:])
    assert [one.version for one in pins] == [second, first, pins[-1].version]
    assert len({run.id for run in runs[::2]}) == len({one.decision for one in pins}) == 3
    assert [run.version for run in runs] == [v for one in pins for v in (one.version, one.challengers[0].version)]
    for one, run in zip(pins, runs[::2], strict=True):
        assert world.score(one, arena.settings)[0] == run
        assert run.decision == one.decision
        rows = pd.read_parquet(run.input_uri)
        model = batch_scoring.model_of(one.trained_by or 0, arena.settings)
        expected = model.scores(features.design_matrix(rows, model.spec))
        np.testing.assert_allclose(scores_of(arena, run), expected, rtol=0, atol=1e-12)


def test_a_kill_at_any_point_of_a_look_loses_no_report_and_writes_none_twice(arena: World) -> None:
    day, url = LOOKED, arena.settings.ledger_url
    again(arena, day)
    code, points = traced(world.looking, str(day), arena.settings)
    assert code == 0
    assert points == OF_A_LOOK
    for n, point in enumerate(points, start=1):
        day += timedelta(days=2)
        (champion, _), before = again(arena, day), reports_of(url, MODEL)
        assert traced(world.looking, str(day), arena.settings, die_at=n) == (-9, []), point
        written = reports_of(url, MODEL)[len(before) :]
        assert len(written) == points[:n].count("after monitor_reports.record"), point
        report = world.look(day, arena.settings)
        assert written in ([], [report]), point
        assert world.look(day, arena.settings) == report, point
        assert reports_of(url, MODEL) == [*before, report], point
        assert (report.as_of, report.score_runs) == (day, (champion.id,)), point
    assert audit([MODEL], settings=arena.settings).findings == ()
