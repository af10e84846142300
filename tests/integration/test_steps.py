"""The steps of a retrain on real PostgreSQL and a real MLflow server, without Airflow."""

from __future__ import annotations

import html
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine

from support.retraining import TESTER, challenge, extract, in_force, in_lane, reported, retrain, settle
from support.succession_world import MODELS, write_model
from titleholder.data import snapshots
from titleholder.data.scores import ScoreKey, ScoreStore
from titleholder.errors import ContractError, DataError, ServiceError, SpecError, UsageError
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.registry.models import Models
from titleholder.settings import Settings, connection_url
from titleholder.training import memory
from titleholder.validation.evidence import Evidence
from titleholder.validation.judging import measure
from titleholder.workflow import interventions, promotion, steps
from titleholder.workflow.payloads import Challenger, Origin, Snapshot

pytestmark = pytest.mark.slow
MONTHS = [date(2024, m, 1) for m in (1, 2, 3, 4, 5)]


def outcome(row: Decision) -> tuple[object, ...]:
    """What must not depend on the order of runs: everything but version numbers."""
    verdict = row.judged
    reign = verdict.champion.as_of if verdict.champion else None
    metrics = (verdict.challenger_metrics, verdict.champion_metrics, verdict.rows)
    return row.as_of, row.kind, reign, verdict.gain, verdict.looks, verdict.checks, *metrics


def test_the_first_champion_is_crowned_and_the_alias_follows(settings: Settings) -> None:
    decision = retrain("tiny_crown", MONTHS[0], "live", settings, report=True)
    assert decision.kind == "promote"
    assert decision.champion_before is None
    assert decision.reason.startswith("The first champion")
    client = MlflowClient(settings.tracking_uri)
    version = client.get_model_version_by_alias("tiny_crown", "champion")
    assert int(version.version) == decision.champion_after == decision.challenger_version
    assert version.tags["titleholder.as_of"] == "2024-01-01"
    assert version.tags["titleholder.trained_through"] == "2023-09-01"
    assert version.tags["titleholder.verdict"] == "promote"


def test_the_same_run_twice_adds_nothing_and_changes_no_digit(settings: Settings) -> None:
    first = retrain("tiny", MONTHS[1], "twice", settings)
    client = MlflowClient(settings.tracking_uri)
    before = len(client.search_model_versions("name = 'tiny'"))
    second = retrain("tiny", MONTHS[1], "twice", settings)
    assert second == first
    assert len(client.search_model_versions("name = 'tiny'")) == before
    assert len(in_force("tiny", "twice", settings)) == 1


def test_training_again_gives_the_same_metrics_to_the_last_digit(settings: Settings) -> None:
    one, two = (retrain("tiny", MONTHS[1], lane, settings, candidates=()) for lane in ("digit-a", "digit-b"))
    assert one.challenger_version != two.challenger_version
    assert outcome(one) == outcome(two)


def test_a_lane_does_not_depend_on_the_order_in_which_its_months_finish(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict is the same to the last digit, whatever of it was taken from an earlier one."""
    challengers = [challenge("tiny", month, "ordered", settings) for month in MONTHS]
    for challenger in challengers:
        settle(challenger, settings)
    shuffled = [challengers[n] for n in (4, 1, 3, 0, 2)]
    measured: list[Evidence] = []
    monkeypatch.setattr(promotion, "measure", lambda evidence: [measured.append(evidence), measure(evidence)][1])
    for challenger in shuffled:
        settle(in_lane(challenger, "shuffled"), settings)
    ordered = in_force("tiny", "ordered", settings)
    assert [row.judged for row in in_force("tiny", "shuffled", settings)] == [row.judged for row in ordered]
    assert len({row.kind for row in ordered}) > 1, "months that all end alike would show nothing"
    rejudged = [row for row in store.read(settings.ledger_url, "tiny", "shuffled") if row.caused_by]
    assert 0 < len(measured) < len(rejudged), "against the same champion nothing was measured again"


def test_a_validated_challenger_is_judged_again_against_a_champion_that_came_between(settings: Settings) -> None:
    early, late = (challenge("tiny", month, "between", settings) for month in (MONTHS[0], MONTHS[3]))
    validated = steps.validate(late, settings=settings)
    assert validated.verdict.champion is None
    settle(early, settings)
    decision = steps.promote(steps.decide(validated, settings=settings), settings=settings)
    assert decision.champion_before == early.version
    assert decision.judged.gain is not None


def test_a_backtest_never_moves_the_live_alias(settings: Settings) -> None:
    models = Registry(settings.tracking_uri).models
    before = models.champion("tiny")
    retrain("tiny", MONTHS[2], "backtest", settings)
    assert models.champion("tiny") == before


def test_a_live_decision_older_than_the_newest_is_recorded_and_never_promoted(settings: Settings) -> None:
    retrain("tiny_amount", MONTHS[3], "live", settings)
    champion = Registry(settings.tracking_uri).models.champion("tiny_amount")
    old = retrain("tiny_amount", MONTHS[0], "live", settings)
    assert old.kind in ("keep", "reject")
    assert old.champion_after == champion == Registry(settings.tracking_uri).models.champion("tiny_amount")


def test_a_winner_that_people_must_approve_is_kept_back(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path, "tiny_asked", promotion="promotion: {approval: {by: [risk-lead], within: 3 days}}")
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    decision = retrain("tiny_asked", MONTHS[0], "live", settings)
    assert decision.kind == "keep"
    assert decision.reason.startswith("No person could be asked. The first champion")
    assert "risk-lead must approve" in decision.reason
    assert Registry(settings.tracking_uri).models.champion("tiny_asked") is None


def test_a_holdout_that_does_not_fit_the_memory_is_not_judged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = challenge("tiny", date(2024, 3, 1), "too-large", settings)
    monkeypatch.setattr(memory, "available", lambda: 10)
    monkeypatch.setattr(memory, "LEAST", 10)
    with pytest.raises(DataError, match=r"nothing can be judged here: \d+ rows of the holdout take"):
        steps.validate(challenger, settings=settings)


def test_a_champion_is_never_judged_against_itself(settings: Settings) -> None:
    """Two challengers of one date take turns: each run again finds its own decision, and no row is added."""
    month = MONTHS[4]
    snapshots_of = {
        name: extract("tiny", month, "live", settings, candidates=(name,)) for name in ("scorecard", "boosting")
    }
    trained = {n: steps.train(s, n, settings=settings) for n, s in snapshots_of.items()}
    challengers = [steps.nominate([t], settings=settings) for t in trained.values()]
    first = [settle(c, settings) for c in challengers]
    rows = len(store.read(settings.ledger_url, "tiny", "live"))
    assert [settle(c, settings) for c in challengers] == first
    assert len(store.read(settings.ledger_url, "tiny", "live")) == rows


def test_a_month_that_is_re_judged_keeps_who_asked_for_it_and_names_the_cause(settings: Settings) -> None:
    late = retrain(
        "tiny", MONTHS[2], "caused", settings, origin=Origin(actor="ann", airflow_run="tiny/1", reason="why")
    )
    cause = retrain("tiny", MONTHS[1], "caused", settings)
    again = in_force("tiny", "caused", settings)[-1]
    assert (again.as_of, again.caused_by, late.caused_by) == (MONTHS[2], cause.id, None)
    assert (again.actor, again.airflow_run, again.asked_because) == ("ann", "tiny/1", "why")
    assert again.champion_before == cause.champion_after


def test_a_regression_is_judged_by_a_paired_bootstrap(settings: Settings) -> None:
    retrain("tiny_amount", MONTHS[0], "regress", settings)
    decision = retrain("tiny_amount", MONTHS[1], "regress", settings)
    assert decision.judged.gain is not None
    assert decision.judged.gain.method == "paired bootstrap"
    assert set(decision.judged.challenger_metrics) == {"rmse", "mae", "r2"}


def test_the_alias_is_healed_after_a_crash_between_ledger_and_alias(settings: Settings) -> None:
    retrain("tiny", MONTHS[0], "live", settings)
    models = Registry(settings.tracking_uri).models
    head = models.champion("tiny")
    MlflowClient(settings.tracking_uri).delete_registered_model_alias("tiny", "champion")
    assert interventions.reconcile("tiny", settings=settings)
    assert models.champion("tiny") == head
    assert not interventions.reconcile("tiny", settings=settings)


def test_a_second_try_of_train_re_attaches(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = extract("tiny", MONTHS[0], "retry", settings)

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Models, "log", killed)
        with pytest.raises(KeyboardInterrupt):
            steps.train(snapshot, "scorecard", settings=settings)
    trained = steps.train(snapshot, "scorecard", settings=settings)
    again = steps.train(snapshot, "scorecard", settings=settings)
    assert again == trained
    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment], f"tags.`titleholder.key` = '{snapshot.key}:scorecard'")
    assert [r.info.run_id for r in runs] == [trained.nominee.run_id]
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.tags["mlflow.parentRunId"] == snapshot.run_id


def test_a_month_with_a_damaged_snapshot_and_damaged_scores_heals_when_it_is_run_again(settings: Settings) -> None:
    """Each of the two made every later try of the month fail, or its challenger be rejected."""
    decided = retrain("tiny", MONTHS[0], "damaged", settings)
    root = Path(settings.snapshots)
    scores = root / ScoreKey("tiny", decided.training_run_id, decided.snapshot_sha256).training_path
    stored = pd.read_parquet(scores)
    for path in (Path(decided.snapshot_uri), scores):
        path.write_bytes(path.read_bytes()[:100])
    assert retrain("tiny", MONTHS[0], "damaged", settings) == decided
    snapshots.verify(decided.snapshot_uri, decided.snapshot_sha256)
    pd.testing.assert_frame_equal(pd.read_parquet(scores), stored)
    logged = decided.nominee.model
    assert Registry(settings.tracking_uri).models.files(logged.uri) == logged.sha256, "its model is left alone"


def test_every_decision_has_a_card_that_says_what_and_why(settings: Settings, tmp_path: Path) -> None:
    for month in MONTHS[:2]:
        decision = retrain("tiny", month, "carded", settings, report=True)
        client = MlflowClient(settings.tracking_uri)
        path = client.download_artifacts(decision.mlflow_run_id, f"card-{decision.id}.html", str(tmp_path))
        card = html.unescape(Path(path).read_text())
        assert decision.reason in card
        assert decision.hash in card
        for check in decision.judged.checks:
            assert check.code in card
            assert check.explanation in card
    assert decision.judged.champion is not None


def training_scores(challenger: Challenger, settings: Settings) -> Path:
    """The file of the scores that were stored when a challenger was trained."""
    snapshot = challenger.snapshot
    return Path(settings.snapshots) / ScoreKey(snapshot.model, challenger.nominee.run_id, snapshot.sha256).training_path


@pytest.mark.parametrize(("by", "status"), [(0.0, "pass"), (0.001, "fail"), (None, "fail")])
def test_a_model_must_score_as_it_did_when_it_was_trained(settings: Settings, by: float | None, status: str) -> None:
    """Other stored scores are as bad as another model, and so are scores that are lost."""
    challenger = challenge("tiny", MONTHS[0], f"reloaded-{by}".replace(".", "-").lower(), settings)
    file = training_scores(challenger, settings)
    stored = pd.read_parquet(file)
    file.unlink()
    if by is not None:
        ScoreStore(settings.snapshots).store_training(
            ScoreKey("tiny", challenger.nominee.run_id, challenger.snapshot.sha256),
            stored["position"].to_numpy(), stored["score"].to_numpy() + by,
        )  # fmt: skip
    decision = settle(challenger, settings)
    (check,) = [c for c in decision.judged.checks if c.code == "TH703"]
    assert check.status == status, check.explanation
    assert [c.code for c in decision.judged.failed()] == ([] if status == "pass" else ["TH703"])
    assert decision.kind == ("promote" if status == "pass" else "reject")


def test_the_run_says_what_it_did(settings: Settings) -> None:
    challenger = challenge("tiny", MONTHS[0], "said", settings)
    decision = settle(challenger, settings)
    steps.report(decision.id, origin=TESTER, settings=settings)
    client = MlflowClient(settings.tracking_uri)
    run = client.get_run(challenger.snapshot.run_id)
    assert run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs[0].dataset.digest == challenger.snapshot.sha256[:32]
    assert {t.key: t.value for t in run.inputs.dataset_inputs[0].tags}["sha256"] == challenger.snapshot.sha256
    assert "holdout_roc_auc" in run.data.metrics
    names = {a.path for a in client.list_artifacts(run.info.run_id)}
    assert {"verdict.json", "decision.md", f"card-{decision.id}.html"} <= names
    assert "reign_gain" not in run.data.metrics, "there was no champion"
    assert run.data.tags["mlflow.note.content"].startswith("[Model card](")
    child = client.get_run(challenger.nominee.run_id)
    assert {"estimator", "rows"} <= set(child.data.params)
    spec = challenger.snapshot.spec
    trials = client.get_metric_history(child.info.run_id, f"trial_{spec.search_metric}")
    assert [m.step for m in trials] == [*range(1, spec.training.search.trials + 1)]
    assert child.data.metrics[f"folds_{spec.search_metric}"] in {m.value for m in trials}


def whole(snapshot: Snapshot) -> pd.DataFrame:
    with snapshots.opened(snapshot.uri, snapshot.sha256) as extract:
        return extract.read()


def test_numeric_columns_arrive_as_float64_and_times_as_utc(settings: Settings) -> None:
    snapshot = extract("tiny", MONTHS[0], "types", settings)
    frame = whole(snapshot)
    assert str(frame["price"].dtype) == "float64"
    assert str(frame["happened_at"].dtype) == "datetime64[us, UTC]"
    assert frame["happened_at"].is_monotonic_increasing
    assert len(frame) == snapshot.rows


def test_a_snapshot_is_named_by_its_hash_and_a_changed_one_is_refused(settings: Settings) -> None:
    snapshot = extract("tiny", MONTHS[1], "tamper", settings)
    path = Path(snapshot.uri)
    assert path.stem == snapshot.sha256
    content = path.read_bytes()
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    try:
        with pytest.raises(DataError, match=r"was changed: its SHA-256 is"):
            whole(snapshot)
    finally:
        path.write_bytes(content)


def broken_model(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    (folder / "tiny.yaml").write_text((MODELS / "tiny.yaml").read_text())
    (folder / "tiny.sql").write_text(sql)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(folder))


def test_bad_data_stops_the_run_before_training_with_every_violation(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_model(
        tmp_path,
        monkeypatch,
        "select 1 as id, happened_at - interval '9 years' as happened_at, :as_of + interval '1 day' as known_at,"
        " bad, signal, noise, 'x' as price, kind as colour from tiny"
        " where happened_at >= :window_start and happened_at < :window_end",
    )
    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name("tiny")
    before = len(client.search_runs([experiment.experiment_id])) if experiment else 0
    with pytest.raises(ContractError) as caught:
        extract("tiny", MONTHS[0], "bad", settings)
    message = str(caught.value)
    for part in (
        "- kind",
        "+ colour",
        "id: is not unique",
        "is outside the window [2023-03-01, 2023-11-01)",
        "is after as_of 2024-01-01: the query returns rows that were not known yet",
        "price: has the wrong type; it must be a number",
        "nothing was trained",
    ):
        assert part in message
    after = len(client.search_runs([experiment.experiment_id])) if experiment else 0
    assert after == before


def test_a_query_that_fails_names_the_file_and_what_postgres_said(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_model(
        tmp_path, monkeypatch, "select nothing from tiny where :as_of > :window_start and :window_end > :as_of"
    )
    with pytest.raises(
        DataError,
        match=r'tiny\.sql, line 1 \(`select nothing .*`\) failed in the warehouse: column "nothing" does not exist$',
    ):
        extract("tiny", MONTHS[0], "bad", settings)


def test_a_query_cannot_write(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    write = "with gone as (delete from tiny returning *) select * from gone"
    broken_model(tmp_path, monkeypatch, f"{write} where :as_of > :window_start and :window_end < :as_of")
    for url in (connection_url("warehouse"), env["TITLEHOLDER_LOADER_URL"]):
        with pytest.raises(DataError):
            extract("tiny", MONTHS[0], "bad", settings, url=url)
    with create_engine(env["TITLEHOLDER_LOADER_URL"]).connect() as connection:
        assert connection.exec_driver_sql("select count(*) from tiny").scalar_one() == 7200


@pytest.mark.parametrize("how", ["edited", "deleted"])
def test_a_spec_that_changes_in_the_middle_of_a_run_changes_the_next_one_only(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """After every step another error is written to the file, or it is gone."""
    name = f"tiny_{how}"
    write_model(tmp_path, name)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    file = tmp_path / f"{name}.yaml"
    before = file.read_text()

    def change(step: int) -> None:
        (tmp_path / "tiny.sql").write_text("select nothing")
        file.unlink(missing_ok=True) if how == "deleted" else file.write_text(f"{before}\nstep: {step}")

    snapshot = extract(name, MONTHS[0], "live", settings)
    change(1)
    trained = [steps.train(snapshot, candidate, settings=settings) for candidate in snapshot.candidates]
    change(2)
    challenger = steps.nominate(trained, settings=settings)
    change(3)
    validated = steps.validate(challenger, settings=settings)
    change(4)
    decision = steps.promote(steps.decide(validated, settings=settings), settings=settings)
    change(5)
    steps.report(decision.id, origin=TESTER, settings=settings)
    assert decision.kind == "promote"
    assert decision.spec["columns"]["numeric"] == ["signal", "noise", "price"]
    assert reported([decision], settings) == [[str(decision.id)] * 3]
    with pytest.raises((UsageError, SpecError)):
        extract(name, MONTHS[1], "live", settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_of": date(2999, 1, 1)}, "lies in the future"),
        ({"lane": "Live!"}, "lane: 'Live!' is not a name"),
        ({"candidates": ("forest",)}, "candidates: no forest; valid: scorecard, boosting"),
        ({"model": "tinny"}, "Did you mean 'tiny'"),
        ({"as_of": date(1900, 6, 1)}, "is too early"),
    ],
)
def test_a_request_that_is_refused_with_what_is_wrong(
    settings: Settings, options: dict[str, object], message: str
) -> None:
    request = {"model": "tiny", "as_of": MONTHS[0], "lane": "bad", **options}
    with pytest.raises(UsageError, match=message):
        extract(settings=settings, **request)  # type: ignore[arg-type]


def test_a_service_that_is_down_is_named_without_its_password(settings: Settings) -> None:
    with pytest.raises(ServiceError, match=r"warehouse .* cannot be reached") as caught:
        extract("tiny", MONTHS[0], "down", settings, url="postgresql://reader:geheim@127.0.0.1:9/warehouse")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ServiceError, match="ledger's PostgreSQL does not answer") as caught:
        store.read("postgresql+psycopg2://ledger:geheim@127.0.0.1:9/titleholder", "tiny", "live")
    assert "geheim" not in str(caught.value)


def test_mlflow_down_fails_the_run_with_a_clear_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = Settings(settings.ledger_url, "http://127.0.0.1:9", settings.snapshots)
    before = in_force("tiny", "live", settings)
    with pytest.raises(ServiceError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        extract("tiny", MONTHS[4], "live", gone)
    assert in_force("tiny", "live", settings) == before
