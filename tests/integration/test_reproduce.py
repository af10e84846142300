"""A decision made again on the real stack: the same to the last digit, and where it is not, exactly what differs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import MONTHS, World, build, models_in, replaced
from support.retraining import TESTER, retrain, settle
from titleholder.cli.main import app
from titleholder.data import features, snapshots
from titleholder.data.scores import Array, ScoreKey, ScoreStore
from titleholder.errors import DataError, UsageError
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import midnight
from titleholder.training import pipeline, search
from titleholder.workflow import interventions, steps
from titleholder.workflow.backtest.run import backtest
from titleholder.workflow.backtest.walk import Request
from titleholder.workflow.payloads import RollbackOrder
from titleholder.workflow.reproduce import Reproduction, reproduce
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.trained_versions import TrainedVersion
from titleholder.workflow.warm_start import of_run

pytestmark = pytest.mark.slow
MODEL = "tiny_rerun"


def _run(spec: ModelSpec, as_of: date, lane: str, settings: Settings) -> Decision:
    url, only = connection_url("warehouse"), ("scorecard",)
    snapshot = steps.extract(spec, as_of, lane, url=url, origin=TESTER, settings=settings, candidates=only)
    return settle(steps.nominate([steps.train(snapshot, *only, settings=settings)], settings=settings), settings)


def test_a_refit_is_registered_its_twin_is_judged_and_both_are_reproduced(settings: Settings) -> None:
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    spec = ModelSpec.restore({**tiny, "windows": {**tiny["windows"], "refit": "all_matured"}})
    first, second = (_run(spec, date(2024, month, 1), "refit", settings) for month in (1, 2))
    assert _run(spec, date(2024, 2, 1), "refit", settings) == second
    assert (first.kind, second.judged.champion.version) == ("promote", first.challenger)  # type: ignore[union-attr]
    assert second.judged.holdout_start == second.windows.holdout_start < first.windows.matured
    registry = Registry(settings.tracking_uri)
    scorer = Scorer(registry, ScoreStore(settings.snapshots, read_only=True))
    for row in (first, second):
        assert_the_same(reproduce(row.id, settings=settings))
        tags = registry.models.tags("tiny", row.challenger)
        assert tags[names.REFITTED_THROUGH] == str(row.windows.matured)
        with snapshots.opened(row.snapshot_uri, row.snapshot_sha256) as extract:
            whole = extract.read(positions=True)
        params = registry.models.training_run("tiny", row.challenger).params  # type: ignore[union-attr]
        expected = search.refit(whole, spec, "scorecard", {"C": float(params["C"])})
        both = TrainedVersion(row.challenger, row.nominee, spec).models
        twin, refit = (scorer.predict(trained, whole) for trained in both)
        wanted = pipeline.score(expected, features.design_matrix(whole, spec), spec)
        np.testing.assert_allclose(refit, wanted, rtol=0, atol=1e-12)
        assert np.abs(twin - refit).max() > 1e-4
    sha256 = _backtested("refit", settings)
    judged = TrainedVersion(first.challenger, first.nominee, spec)
    stored = [scorer.store.stored(trained.key(sha256), np.array([0])) for trained in judged.models]
    assert stored[0] is None, "what is measured in use is not the twin"
    assert stored[1] is not None


def _backtested(lane: str, settings: Settings) -> str:
    """The SHA-256 of the rows on which a lane of the tiny model was measured in use."""
    done = backtest(Request("tiny", lane), url=connection_url, actor="tester", settings=settings)
    return done.result.snapshot_sha256


def test_rows_that_were_not_accepted_are_left_out_of_every_step_and_of_a_reproduction(settings: Settings) -> None:
    """A quarter of the rows, those of little noise, are declined and have no outcome."""
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    sql = tiny["sql"].replace("bad,", "noise > -0.67 as accepted, case when noise > -0.67 then bad end as bad,")
    columns = {**tiny["columns"], "accepted": "accepted"}
    judgement = {**tiny["judgement"], "rule": "fresh", "cut_off": {"accept": "below", "share": 0.5}}
    spec = ModelSpec.restore({**tiny, "sql": sql, "columns": columns, "judgement": judgement})
    url, only = connection_url("warehouse"), ("scorecard",)
    for month in (1, 2):
        as_of = date(2024, month, 1)
        snapshot = steps.extract(spec, as_of, "accepted", url=url, origin=TESTER, settings=settings, candidates=only)
        decision = settle(
            steps.nominate([steps.train(snapshot, *only, settings=settings)], settings=settings), settings
        )
        steps.report(decision.id, origin=TESTER, settings=settings)
        with snapshots.opened(snapshot.uri, snapshot.sha256) as extract:
            whole = extract.read()
        held = whole[whole["happened_at"] >= midnight(snapshot.spans.holdout_start)]
        assert decision.judged.rows == held["accepted"].sum() < len(held)
        assert decision.judged.note.endswith(f"{decision.judged.rows:,} of {len(held):,} rows of the judged period.")
        assert_the_same(reproduce(decision.id, settings=settings))
        run = Registry(settings.tracking_uri).models.training_run("tiny", decision.challenger)
        assert run is not None
        assert int(run.params["rows"]) == whole["accepted"].sum() - held["accepted"].sum()


def test_a_search_that_tried_the_parameters_of_earlier_models_is_reproduced(settings: Settings) -> None:
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    training = {**tiny["training"], "search": {"trials": 4, "folds": 2, "warm_start": "champion"}}
    spec = ModelSpec.restore({**tiny, "training": training})

    first, second = (_run(spec, date(2024, month, 1), "warm", settings) for month in (1, 2))
    assert _run(spec, date(2024, 2, 1), "warm", settings) == second
    registry = Registry(settings.tracking_uri)
    donors = {row.id: of_run(registry.models.training_run("tiny", row.challenger).tags) for row in (first, second)}  # type: ignore[union-attr]
    assert donors[first.id] == []
    assert [donor.version for donor in donors[second.id]] == [first.challenger_version]
    for row in (first, second):
        assert_the_same(reproduce(row.id, settings=settings))


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("models")
    with models_in(folder, state) as settings:
        yield build(state, folder, settings, MODEL)


def assert_the_same(comparison: Reproduction) -> None:
    assert comparison.differences == ()
    assert comparison.not_recorded == ()
    assert comparison.same
    for part in comparison.parts:
        assert part.equal == part.compared > 0, part
    assert comparison.libraries == ()


@pytest.mark.parametrize(("model", "months"), [("tiny", MONTHS[:2]), ("tiny_amount", [MONTHS[0], MONTHS[1]])])
def test_a_promotion_and_a_challenge_are_the_same_to_the_last_digit(
    settings: Settings, model: str, months: list[date]
) -> None:
    """With every candidate, so that whichever was nominated is the one trained again."""
    rows = [retrain(model, month, "rerun", settings, candidates=()) for month in months]
    assert rows[0].kind == "promote"
    assert rows[1].judged.champion is not None
    for row in rows:
        trials: list[int] = []
        comparison = reproduce(row.id, settings=settings, on_trial=lambda n, _, seen=trials: seen.append(n))
        assert_the_same(comparison)
        assert (comparison.kind, comparison.version) == (row.kind, row.challenger_version)
        assert trials == [1, 2]


def test_the_live_line_is_the_same_and_the_command_says_so(world: World) -> None:
    row = world.rows[-1]
    assert_the_same(reproduce(row.id, settings=world.settings))
    done = CliRunner().invoke(app, ["reproduce", str(row.id), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["same"] is True
    assert found["decision"] == row.id
    assert {p["name"] for p in found["parts"]} >= {"hyper-parameters", "registered model", "verdict", "decision"}
    table = CliRunner().invoke(app, ["reproduce", str(row.id)])
    assert "The same." in table.stdout


def changed(by: float) -> Callable[[Array], Array]:
    """Another fourth score: one of the first training rows, which an audit looks at, and TH703."""

    def change(scores: Array) -> Array:
        scores[3] += by
        return scores

    return change


def test_a_changed_stored_score_is_that_difference_and_what_follows_from_it(world: World) -> None:
    """The model that is trained again is not what the stored scores say: TH703 fails, and so the decision is another."""
    row = world.rows[1]
    with world.rescored(row, changed(by=0.001)):
        comparison = reproduce(row.id, settings=world.settings)
        done = CliRunner().invoke(app, ["reproduce", str(row.id)])
    assert not comparison.same
    found = {difference.path: difference for difference in comparison.differences}
    assert found["training.scores[3]"].difference == pytest.approx(-0.001)
    assert found["verdict.checks.TH703.status"].reproduced == "fail"
    assert (found["decision.kind"].recorded, found["decision.kind"].reproduced) == ("promote", "reject")
    others = {path for path in found if not path.startswith(("verdict.checks.TH703.", "decision."))}
    assert others == {"training.scores[3]"}
    assert done.exit_code == 1
    assert "training.scores[3]" in done.stdout
    assert "Not the same." in done.stdout


def test_a_difference_in_the_last_digits_is_within_tolerance(world: World) -> None:
    row = world.rows[1]
    with world.rescored(row, changed(by=1e-14)):
        comparison = reproduce(row.id, settings=world.settings)
    assert comparison.same
    (part,) = [p for p in comparison.parts if p.name == "stored scores"]
    assert (part.equal, part.within) == (part.compared - 1, 1)


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_stored_scores_that_are_lost_are_named_and_fail_their_check(world: World, content: bytes | None) -> None:
    row = world.rows[1]
    with replaced(world.scores_of(row), content):
        comparison = reproduce(row.id, settings=world.settings)
    paths = {difference.path for difference in comparison.differences}
    assert "training.scores" in paths
    assert "verdict.checks.TH703.status" in paths, "it passed when it was decided"
    assert all(path.startswith(("training.scores", "verdict.checks.TH703.", "decision.")) for path in paths)


def test_lost_scores_of_the_champion_are_a_difference_however_often_one_looks(world: World) -> None:
    """Scored again, they would be compared with themselves."""
    row = next(r for r in world.rows if r.judged.champion)
    champion = next(r for r in world.rows if r.challenger_version == row.judged.champion.version)  # type: ignore[union-attr]
    key = ScoreKey(row.model, champion.training_run_id, row.snapshot_sha256)
    with replaced(Path(world.settings.snapshots) / key.path, None):
        for _ in range(2):
            comparison = reproduce(row.id, settings=world.settings)
            assert {difference.path for difference in comparison.differences} == {"champion.scores"}
    assert_the_same(reproduce(row.id, settings=world.settings))


def test_a_number_changed_in_the_ledger_is_exactly_that_difference(world: World) -> None:
    row = world.rows[1]
    path = "{challenger_metrics,roc_auc}"
    with world.forged(
        f"UPDATE titleholder.decisions SET verdict = jsonb_set(verdict::jsonb, '{path}', '0.99')::json WHERE id = {row.id}"
    ):
        comparison = reproduce(row.id, settings=world.settings)
    (difference,) = comparison.differences
    assert (difference.path, difference.recorded) == ("verdict.challenger_metrics.roc_auc", 0.99)
    assert difference.reproduced == row.judged.challenger_metrics["roc_auc"]


def test_fields_that_an_older_version_did_not_record_are_listed_as_such(world: World) -> None:
    row = world.rows[1]
    with world.forged(
        f"UPDATE titleholder.decisions SET verdict = (verdict::jsonb - 'look' - 'note')::json WHERE id = {row.id}"
    ):
        comparison = reproduce(row.id, settings=world.settings)
    assert comparison.same
    assert set(comparison.not_recorded) == {"verdict.look", "verdict.note"}


def test_a_class_that_a_forged_row_names_is_not_imported(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may append rows chose which module `reproduce` runs."""
    mark, row = tmp_path / "imported", world.rows[0]
    (tmp_path / "forged_rerun.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nfrom sklearn.linear_model import LogisticRegression\n"
        "class Model(LogisticRegression): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = "replace(spec::text, 'sklearn.linear_model.LogisticRegression', 'forged_rerun.Model')::json"
    with world.forged(f"UPDATE titleholder.decisions SET spec = {named} WHERE id = {row.id}"):
        refused = CliRunner().invoke(app, ["reproduce", str(row.id)])
        assert isinstance(refused.exception, UsageError)
        assert "--allow forged_rerun.Model" in str(refused.exception)
        assert not mark.exists()
        done = CliRunner().invoke(app, ["reproduce", str(row.id), "--allow", "forged_rerun.Model"])
    assert mark.exists(), done.output


def test_a_cluster_that_a_forged_row_names_is_not_asked(world: World) -> None:
    """What a Dask scheduler answers is unpickled."""
    row = world.rows[0]
    with socket.create_server(("127.0.0.1", 0)) as scheduler:
        address = f"tcp://127.0.0.1:{scheduler.getsockname()[1]}"
        forged = f"jsonb_set(spec::jsonb, '{{training,engine}}', '{{\"dask\": \"{address}\"}}')::json"
        with world.forged(f"UPDATE titleholder.decisions SET spec = {forged} WHERE id = {row.id}"):
            refused = CliRunner().invoke(app, ["reproduce", str(row.id)])
        scheduler.settimeout(0)
        with pytest.raises(BlockingIOError):
            scheduler.accept()
    assert isinstance(refused.exception, UsageError)
    assert f"--allow {address}" in str(refused.exception)


def test_a_decision_that_is_not_there(world: World) -> None:
    with pytest.raises(UsageError, match="no decision 999999 in the ledger"):
        reproduce(999_999, settings=world.settings)


def test_a_snapshot_that_is_gone(world: World) -> None:
    with replaced(Path(world.rows[0].snapshot_uri), None), pytest.raises(DataError, match="cannot be read"):
        reproduce(world.rows[0].id, settings=world.settings)


def test_a_rollback_cannot_be_reproduced_and_what_came_before_it_still_can(world: World) -> None:
    order = RollbackOrder(reason="It declines too many", actor="tester")
    row = interventions.rollback(MODEL, order, settings=world.settings)
    with pytest.raises(UsageError, match=f"decision {row.id} is a rollback: nothing was trained or judged"):
        reproduce(row.id, settings=world.settings)
    assert_the_same(reproduce(world.rows[-1].id, settings=world.settings))
