"""`titleholder gc` on real PostgreSQL and a real MLflow: what goes is gone, and nothing misses it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import EASY, World, models_in
from support.retraining import challenge, extract, retrain, settle
from support.succession_world import write_model
from titleholder.cli.main import app
from titleholder.data import extraction
from titleholder.data.storage import PART
from titleholder.errors import UsageError
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.registry.runs import Runs
from titleholder.settings import connection_url
from titleholder.spec import windows
from titleholder.spec.loader import load_specs
from titleholder.workflow import lanes
from titleholder.workflow.audit import audit
from titleholder.workflow.backtest.run import backtest
from titleholder.workflow.backtest.walk import Request
from titleholder.workflow.garbage.collection import GarbageReport, collect
from titleholder.workflow.garbage.unreferenced import (
    LANE_DELETED,
    NOT_CHOSEN,
    SUPERSEDED,
    UNDECIDED,
    UNFINISHED,
    UNKNOWN,
)
from titleholder.workflow.payloads import Challenger
from titleholder.workflow.reproduce import reproduce

pytestmark = pytest.mark.slow
MODEL = "tiny_swept"
BOTH = {"candidates": ("scorecard", "boosting")}
LATER = timedelta(days=40)


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two live months of two candidates each, and one of a lane that is kept."""
    folder = tmp_path_factory.mktemp("models")
    with models_in(folder, state) as settings:
        write_model(folder, MODEL, judgement=EASY)
        rows = [retrain(MODEL, date(2024, m, 1), "live", settings, report=True, **BOTH) for m in (1, 2)]
        rows.append(retrain(MODEL, date(2024, 3, 1), "backtest", settings, report=True, **BOTH))
        yield World(MODEL, settings, state, rows)


def swept(world: World, *, delete: bool = False, later: timedelta = LATER) -> GarbageReport:
    now = time.time() + later.total_seconds()
    return collect([MODEL], older_than=timedelta(days=30), now=now, settings=world.settings, delete=delete)


def freed(report: GarbageReport) -> dict[tuple[str, str], int]:
    return {(one.kind, one.why): one.count for one in report.freed}


def files(world: World) -> set[Path]:
    return {path for path in Path(world.settings.snapshots).rglob("*") if path.is_file()}


def everything(world: World) -> tuple[Any, ...]:
    registry = Registry(world.settings.tracking_uri)
    runs = {run.run_id for run in registry.runs.of_model(MODEL)}
    return files(world), runs, {int(v.version) for v in registry.models.of_model(MODEL)}


def failed(as_of: date, world: World) -> Challenger:
    """A month that was never decided, and is closed."""
    found = challenge(MODEL, as_of, "live", world.settings)
    client = MlflowClient(world.settings.tracking_uri)
    client.set_terminated(found.snapshot.run_id, "FAILED")
    return found


def broken_contract(month: int, world: World) -> str:
    """The snapshot of a run that failed before it had a run in MLflow."""
    spec, as_of = load_specs(only=MODEL)[MODEL], date(2024, month, 1)
    spans, url = windows.intervals(spec, as_of), connection_url("warehouse")
    return extraction.extract(url, spec, spans, as_of, world.settings.snapshots).uri


def deleted_lane(month: int, world: World) -> Decision:
    row = retrain(MODEL, date(2024, month, 1), "try", world.settings)
    lanes.delete(MODEL, "try", "done with it", "tester", settings=world.settings)
    return row


def backtested(labels: date, world: World) -> str:
    request = Request(MODEL, "live", labels_as_of=labels)
    done = backtest(request, url=connection_url, actor="tester", settings=world.settings)
    return done.result.snapshot_sha256


def test_nothing_that_audit_or_reproduce_needs_goes_and_all_else_does(world: World) -> None:
    settings, root = world.settings, Path(world.settings.snapshots)
    undecided, waiting = failed(date(2024, 4, 1), world), challenge(MODEL, date(2024, 5, 1), "live", settings)
    gone = [Path(undecided.snapshot.uri), Path(broken_contract(6, world)), Path(deleted_lane(7, world).snapshot_uri)]
    old, new = (backtested(date(2024, m, 1), world) for m in (4, 7))
    (part := root / MODEL / "2024-01-01" / f"killed{PART}").write_bytes(b"half a file")
    strangers = [root / MODEL / "notes.txt", root / "another_model" / "2024-01-01" / f"{'a' * 64}.parquet"]
    for path in strangers:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"not ours")
    os.utime(strangers[1], (0, 0))
    assert freed(swept(world, later=timedelta())) == {}, "all of it is young"

    before = everything(world)
    planned = swept(world)
    assert everything(world) == before, "nothing is deleted without being asked for"
    found = freed(planned)
    scores = {why: found.pop(("scores", why)) for kind, why in tuple(found) if kind == "scores"}
    assert found == {
        ("versions", UNDECIDED): 1,
        ("runs", UNDECIDED): 2,
        ("runs", NOT_CHOSEN): 3,
        ("snapshots", UNDECIDED): 1,
        ("snapshots", UNKNOWN): 1,
        ("snapshots", LANE_DELETED): 1,
        ("snapshots", SUPERSEDED): 1,
        ("unfinished files", UNFINISHED): 1,
    }
    assert scores.keys() >= {UNDECIDED, NOT_CHOSEN, LANE_DELETED, SUPERSEDED}
    sizes = {(one.kind, one.why): one.bytes for one in planned.freed}
    assert sizes["runs", NOT_CHOSEN] > 30_000, "with the files of their models"
    assert sizes["snapshots", UNDECIDED] == gone[0].stat().st_size

    done = swept(world, delete=True)
    assert done == planned.model_copy(update={"deleted": True})
    assert [path for path in (*gone, part) if path.exists()] == []
    assert [path for path in strangers if not path.exists()] == []
    assert not list(root.rglob(f"{old}.parquet"))
    assert len(list(root.glob(f"{MODEL}/*/{new}.parquet"))) == 1
    assert freed(swept(world, delete=True)) == {}
    with pytest.raises(MlflowException, match="not found"):
        MlflowClient(settings.tracking_uri).get_model_version(MODEL, str(undecided.version))

    assert audit([MODEL], settings=settings).findings == ()
    for row in world.rows:
        assert reproduce(row.id, settings=settings).differences == ()
        assert retrain(MODEL, row.as_of, row.lane, settings, **BOTH) == row, "a month that is run again changes nothing"
    assert backtested(date(2024, 7, 1), world) == new
    assert settle(waiting, settings).challenger == waiting.version, "an open run goes on"
    again = settle(failed(date(2024, 4, 1), world), settings)
    assert again.challenger > undecided.version, "a month that was given up can be run after all"
    assert audit([MODEL], settings=settings).findings == ()
    strangers[1].unlink()


def test_a_late_month_re_judges_what_is_left(world: World) -> None:
    """Months of a lane are judged again from their snapshots and stored scores."""
    write_model(Path(os.environ["TITLEHOLDER_MODELS"]), MODEL, judgement=EASY)
    first = retrain(MODEL, date(2024, 2, 1), "late", world.settings, **BOTH)
    swept(world, delete=True)
    retrain(MODEL, date(2024, 1, 1), "late", world.settings, **BOTH)
    rows = store.read(world.settings.ledger_url, MODEL, "late")
    assert [(row.challenger, row.caused_by is not None) for row in rows if row.as_of == first.as_of] == [
        (first.challenger, False), (first.challenger, True),
    ]  # fmt: skip


def test_where_the_ledger_lost_a_row_nothing_goes(world: World) -> None:
    """It may be restored, and then everything is needed again."""
    broken_contract(8, world)
    before, lost = everything(world), world.rows[1]
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {lost.id}"):
        report = swept(world, delete=True)
    assert report.doubtful.keys() == {MODEL}
    assert (report.freed, everything(world)) == ((), before)


def test_where_the_last_row_is_lost_before_anything_was_written_about_it_its_month_stays(world: World) -> None:
    """No tag names it yet: that its run is finished shows that something was decided."""
    write_model(Path(os.environ["TITLEHOLDER_MODELS"]), MODEL, judgement=EASY)
    lost = retrain(MODEL, date(2024, 3, 1), "unreported", world.settings)
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {lost.id}"):
        assert swept(world, delete=True).doubtful == {}
    assert reproduce(lost.id, settings=world.settings).differences == ()


def test_a_run_that_goes_on_between_the_two_readings_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared = failed(date(2024, 9, 1), world)
    registry_of_run = Registry(world.settings.tracking_uri).runs
    size = Runs.size

    def resumed(self: Any, run_id: str) -> int:
        with registry_of_run.running(cleared.snapshot.run_id):
            return size(self, run_id)

    monkeypatch.setattr(Runs, "size", resumed)
    report = swept(world, delete=True)
    assert ("runs", UNDECIDED) not in freed(report)
    assert Path(cleared.snapshot.uri).exists()
    assert settle(cleared, world.settings).challenger == cleared.version


def test_a_collection_that_is_killed_is_completed_by_the_next_and_two_at_once_do_not_disturb_one_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    months = [failed(date(2023, month, 1), world) for month in (10, 11)]

    def killed(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            swept(world, delete=True)
    assert not everything(world)[2] & {month.version for month in months}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: swept(world, delete=True), range(2)))
    assert [("runs", UNDECIDED) in freed(one) for one in both].count(True) >= 1
    assert freed(swept(world)) == {}
    assert [month for month in months if Path(month.snapshot.uri).exists()] == []
    assert audit([MODEL], settings=world.settings).findings == ()


def test_the_command_deletes_only_with_yes(world: World) -> None:
    part = Path(extract(MODEL, date(2024, 10, 1), "live", world.settings).uri).with_name(f"killed{PART}")
    part.write_bytes(b"half a file")
    os.utime(part, (0, 0))
    shown = CliRunner().invoke(app, ["gc", MODEL])
    assert shown.exit_code == 0, shown.exception
    assert "11 bytes of 1 model can be deleted: --yes deletes it. Nothing was deleted." in shown.stdout
    assert part.exists()
    done = json.loads(CliRunner().invoke(app, ["gc", MODEL, "--yes", "--json"]).stdout)
    assert (done["deleted"], done["bytes"], part.exists()) == (True, 11, False)
    assert isinstance(CliRunner().invoke(app, ["gc", "nobody"]).exception, UsageError)
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {world.rows[1].id}"):
        refused = CliRunner().invoke(app, ["gc", MODEL])
    assert refused.exit_code == 1
    assert f"Nothing of {MODEL} is deleted, because its ledger is in doubt" in refused.stderr
