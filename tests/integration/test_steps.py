"""The six verbs on real PostgreSQL and a real MLflow server, without Airflow."""

from __future__ import annotations

import html
import json
import random
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine

from titleholder.data import snapshots
from titleholder.errors import ContractError, DataError, ServiceError, UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.workflow import publishing, steps
from titleholder.workflow.payloads import Challenger, Origin, Snapshot, Trained
from titleholder.workflow.scoring import SCORES_TAG

pytestmark = pytest.mark.slow
ORIGIN = Origin(actor="tester")
MONTHS = [date(2024, m, 1) for m in (1, 2, 3, 4, 5)]


def extract(model: str, as_of: date, lane: str, settings: Settings, **options: object) -> Snapshot:
    options.setdefault("url", connection_url("warehouse"))
    return steps.extract(model, as_of, lane, origin=ORIGIN, settings=settings, **options)  # type: ignore[arg-type]


def challenge(model: str, as_of: date, lane: str, settings: Settings) -> Challenger:
    snapshot = extract(model, as_of, lane, settings)
    return steps.nominate([steps.train(snapshot, n, settings=settings) for n in snapshot.candidates], settings=settings)


def settle(challenger: Challenger, settings: Settings) -> Decision:
    judged = steps.validate(challenger, settings=settings)
    return steps.promote(steps.decide(judged, settings=settings), settings=settings)


def sentence(model: str, as_of: date, lane: str, settings: Settings) -> Decision:
    return settle(challenge(model, as_of, lane, settings), settings)


def standing(model: str, lane: str, settings: Settings) -> list[Decision]:
    return reigns.in_force(store.read(settings.ledger_url, model, lane), lane)


def outcome(row: Decision) -> tuple[object, ...]:
    """What must not depend on the order of runs: everything but version numbers."""
    verdict = row.verdict
    reign = verdict.champion.as_of if verdict.champion else None
    judged = (
        verdict.gain,
        verdict.looks,
        verdict.checks,
        verdict.challenger_metrics,
        verdict.champion_metrics,
        verdict.rows,
    )
    return row.as_of, row.kind, reign, *judged


def test_the_first_champion_is_crowned_and_the_alias_follows(settings: Settings) -> None:
    decision = sentence("tiny_crown", MONTHS[0], "live", settings)
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
    first = sentence("tiny", MONTHS[1], "twice", settings)
    client = MlflowClient(settings.tracking_uri)
    before = len(client.search_model_versions("name = 'tiny'"))
    second = sentence("tiny", MONTHS[1], "twice", settings)
    assert second == first
    assert len(client.search_model_versions("name = 'tiny'")) == before
    assert len(standing("tiny", "twice", settings)) == 1


def test_training_anew_gives_the_same_metrics_to_the_last_digit(settings: Settings) -> None:
    one, two = (sentence("tiny", MONTHS[1], lane, settings) for lane in ("digit-a", "digit-b"))
    assert one.challenger_version != two.challenger_version
    assert outcome(one) == outcome(two)


@pytest.mark.usefixtures("bare")
def test_a_lane_does_not_depend_on_the_order_in_which_its_months_finish(settings: Settings) -> None:
    for month in MONTHS:
        sentence("tiny", month, "ordered", settings)
    shuffled = MONTHS.copy()
    random.Random(5).shuffle(shuffled)
    assert shuffled != MONTHS
    for month in shuffled:
        sentence("tiny", month, "shuffled", settings)
    ordered = [outcome(row) for row in standing("tiny", "ordered", settings)]
    assert [outcome(row) for row in standing("tiny", "shuffled", settings)] == ordered
    assert len({row[1] for row in ordered}) > 1, "months that all end alike would show nothing"


def test_a_judged_challenger_meets_the_champion_that_came_between(settings: Settings) -> None:
    early, late = (challenge("tiny", month, "between", settings) for month in (MONTHS[0], MONTHS[3]))
    judged = steps.validate(late, settings=settings)
    assert judged.verdict.champion is None
    settle(early, settings)
    decision = steps.promote(steps.decide(judged, settings=settings), settings=settings)
    assert decision.champion_before == early.version
    assert decision.verdict.gain is not None


def test_a_backtest_never_moves_the_live_alias(settings: Settings) -> None:
    registry = Registry(settings.tracking_uri)
    before = registry.champion("tiny")
    sentence("tiny", MONTHS[2], "backtest", settings)
    assert registry.champion("tiny") == before


def test_a_live_decision_older_than_the_newest_is_recorded_and_never_promoted(settings: Settings) -> None:
    sentence("tiny_amount", MONTHS[3], "live", settings)
    champion = Registry(settings.tracking_uri).models.champion("tiny_amount")
    old = sentence("tiny_amount", MONTHS[0], "live", settings)
    assert old.kind in ("keep", "reject")
    assert old.champion_after == champion == Registry(settings.tracking_uri).models.champion("tiny_amount")


def test_a_winner_that_people_must_approve_is_kept_back(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Path(__file__).parents[1] / "support" / "models"
    asked = (models / "tiny.yaml").read_text().replace("name: tiny", "name: tiny_asked")
    (tmp_path / "tiny_asked.yaml").write_text(asked + "promotion: {approval: {by: [risk-lead], within: 3 days}}\n")
    (tmp_path / "tiny.sql").write_text((models / "tiny.sql").read_text())
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    decision = sentence("tiny_asked", MONTHS[0], "live", settings)
    assert decision.kind == "keep"
    assert decision.reason.startswith("No person could be asked. The first champion")
    assert "risk-lead must approve" in decision.reason
    assert Registry(settings.tracking_uri).models.champion("tiny_asked") is None


@pytest.mark.usefixtures("bare")
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


def test_a_decision_judged_anew_is_told_in_mlflow_too(settings: Settings) -> None:
    late = sentence("tiny", MONTHS[2], "anew", settings)
    sentence("tiny", MONTHS[1], "anew", settings)
    (again,) = [r for r in standing("tiny", "anew", settings) if r.as_of == MONTHS[2]]
    assert again.id != late.id
    assert again.asked_because.startswith("judged anew after 2024-02-01 (decision ")
    client = MlflowClient(settings.tracking_uri)
    assert client.get_model_version("tiny", str(late.challenger_version)).tags["titleholder.decision"] == str(again.id)
    assert client.get_run(late.mlflow_run_id).data.tags["titleholder.reason"] == again.reason


def told_of(model: str, rows: list[Decision], settings: Settings) -> list[str]:
    """The decisions that MLflow knows of these rows' versions."""
    client = MlflowClient(settings.tracking_uri)
    return [client.get_model_version(model, str(r.challenger_version)).tags["titleholder.decision"] for r in rows]


@pytest.mark.usefixtures("bare")
def test_what_was_not_told_because_mlflow_failed_is_told_by_the_next_try(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in MONTHS[1:3]:
        sentence("tiny", month, "told", settings)
    tell = publishing.tell

    def away(row: Decision, *more: object) -> None:
        if row.as_of != MONTHS[0]:
            raise ServiceError("MLflow is away")
        tell(row, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "tell", away)
        with pytest.raises(ServiceError, match="is away"):
            sentence("tiny", MONTHS[0], "told", settings)
    rows = standing("tiny", "told", settings)
    assert told_of("tiny", rows, settings) != [str(r.id) for r in rows]
    sentence("tiny", MONTHS[0], "told", settings)
    assert standing("tiny", "told", settings) == rows, "nothing is written twice"
    assert told_of("tiny", rows, settings) == [str(r.id) for r in rows]


@pytest.mark.usefixtures("bare")
def test_two_runs_that_judge_a_month_anew_leave_mlflow_with_the_last_word(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one tells of a later month, another judges it anew and tells first."""
    sentence("tiny", MONTHS[3], "crossed", settings)
    tell, crossed = publishing.tell, list[Decision]()

    def overtaken(row: Decision, *more: object) -> None:
        if row.as_of == MONTHS[3] and not crossed:
            crossed.append(row)
            sentence("tiny", MONTHS[1], "crossed", settings)
        tell(row, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "tell", overtaken)
        sentence("tiny", MONTHS[2], "crossed", settings)
    rows = standing("tiny", "crossed", settings)
    assert [r.as_of for r in rows] == MONTHS[1:4]
    assert crossed[0].id != rows[-1].id, "the month was judged anew while the first run told of it"
    assert told_of("tiny", rows, settings) == [str(r.id) for r in rows]


def test_a_regression_is_judged_by_a_paired_bootstrap(settings: Settings) -> None:
    sentence("tiny_amount", MONTHS[0], "regress", settings)
    decision = sentence("tiny_amount", MONTHS[1], "regress", settings)
    assert decision.verdict.gain is not None
    assert decision.verdict.gain.method == "paired bootstrap"
    assert set(decision.verdict.challenger_metrics) == {"rmse", "mae", "r2"}


def test_the_alias_is_healed_after_a_crash_between_ledger_and_alias(settings: Settings) -> None:
    sentence("tiny", MONTHS[0], "live", settings)
    registry = Registry(settings.tracking_uri)
    head = registry.champion("tiny")
    MlflowClient(settings.tracking_uri).delete_registered_model_alias("tiny", "champion")
    assert steps.reconcile("tiny", settings=settings)
    assert registry.champion("tiny") == head
    assert not steps.reconcile("tiny", settings=settings)


def test_a_second_try_of_train_re_attaches(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = extract("tiny", MONTHS[0], "retry", settings)

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "log_model", killed)
        with pytest.raises(KeyboardInterrupt):
            steps.train(snapshot, "scorecard", settings=settings)
    trained = steps.train(snapshot, "scorecard", settings=settings)
    again = steps.train(snapshot, "scorecard", settings=settings)
    assert again == trained
    client = MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment], f"tags.`titleholder.key` = '{snapshot.key}:scorecard'")
    assert [r.info.run_id for r in runs] == [trained.run_id]
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.tags["mlflow.parentRunId"] == snapshot.run_id


def test_every_decision_has_a_card_that_says_what_and_why(settings: Settings, tmp_path: Path) -> None:
    for month in MONTHS[:2]:
        decision = sentence("tiny", month, "carded", settings)
        path = MlflowClient(settings.tracking_uri).download_artifacts(
            decision.mlflow_run_id, "card.html", str(tmp_path)
        )
        card = html.unescape(Path(path).read_text())
        assert decision.reason in card
        assert decision.hash in card
        for check in decision.verdict.checks:
            assert check.code in card
            assert check.explanation in card
    assert decision.verdict.champion is not None


def test_the_model_read_back_scores_as_it_did_when_it_was_trained(settings: Settings) -> None:
    decision = sentence("tiny", MONTHS[0], "reloaded", settings)
    (check,) = [c for c in decision.verdict.checks if c.code == "TH703"]
    assert check.status == "pass", check.explanation


def test_a_model_that_is_not_what_was_trained_is_rejected(settings: Settings) -> None:
    """Somebody swaps the scores on record: as bad as somebody swapping the model."""
    challenger = challenge("tiny", MONTHS[0], "swapped", settings)
    client = MlflowClient(settings.tracking_uri)
    before = client.get_run(challenger.run_id).data.tags[SCORES_TAG]
    client.set_tag(challenger.run_id, SCORES_TAG, json.dumps([s + 0.001 for s in json.loads(before)]))
    decision = settle(challenger, settings)
    assert decision.kind == "reject"
    assert [c.code for c in decision.verdict.failed()] == ["TH703"]


def test_the_run_says_what_it_did(settings: Settings) -> None:
    challenger = challenge("tiny", MONTHS[0], "told", settings)
    settle(challenger, settings)
    client = MlflowClient(settings.tracking_uri)
    run = client.get_run(challenger.snapshot.run_id)
    assert run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs[0].dataset.digest == challenger.snapshot.sha256[:32]
    assert {t.key: t.value for t in run.inputs.dataset_inputs[0].tags}["sha256"] == challenger.snapshot.sha256
    assert "holdout_roc_auc" in run.data.metrics
    names = {a.path for a in client.list_artifacts(run.info.run_id)}
    assert {"verdict.json", "decision.md", "card.html"} <= names
    assert "reign_gain" not in run.data.metrics, "nobody reigned"
    assert run.data.tags["mlflow.note.content"].startswith("[Model card](")
    child = client.get_run(challenger.run_id)
    assert {"estimator", "rows"} <= set(child.data.params)
    assert "search.png" in {a.path for a in client.list_artifacts(child.info.run_id)}


def test_the_registered_model_has_a_signature_and_no_pickle(settings: Settings) -> None:
    import mlflow

    challenger = challenge("tiny", MONTHS[0], "told", settings)
    registry = Registry(settings.tracking_uri)
    info = mlflow.models.get_model_info(f"models:/tiny/{challenger.version}")
    assert [c.name for c in info.signature.inputs.inputs] == ["signal", "noise", "price", "kind"]
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    frame = snapshots.read(challenger.snapshot).head(5)
    served = mlflow.pyfunc.load_model(f"models:/tiny/{challenger.version}")
    features = frame[["signal", "noise", "price", "kind"]].astype({"kind": object})
    expected = registry.load("tiny", challenger.version).predict_proba(features)
    assert served.predict(features) == pytest.approx(expected)


def test_numeric_columns_arrive_as_float64_and_times_as_utc(settings: Settings) -> None:
    snapshot = extract("tiny", MONTHS[0], "types", settings)
    frame = snapshots.read(snapshot)
    assert str(frame["price"].dtype) == "float64"
    assert str(frame["happened_at"].dtype) == "datetime64[us, UTC]"
    assert frame["happened_at"].is_monotonic_increasing
    assert len(frame) == snapshot.rows


def test_a_snapshot_is_named_by_its_hash_and_a_changed_one_is_refused(settings: Settings) -> None:
    snapshot = extract("tiny", MONTHS[1], "tamper", settings)
    path = Path(snapshot.uri)
    assert path.stem == snapshot.sha256
    whole = path.read_bytes()
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    try:
        with pytest.raises(DataError, match=r"was changed: its SHA-256 is"):
            snapshots.read(snapshot)
    finally:
        path.write_bytes(whole)


def broken_model(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    source = Path(__file__).parents[1] / "support" / "models" / "tiny.yaml"
    (folder / "tiny.yaml").write_text(source.read_text())
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
    with pytest.raises(DataError, match=r'tiny\.sql failed in the warehouse: .*column "nothing" does not exist'):
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


def test_a_spec_that_changes_during_a_run_is_noticed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = extract("tiny", MONTHS[0], "changed", settings)
    broken_model(tmp_path, monkeypatch, "select 1 where :as_of > :window_start and :window_end < :as_of")
    with pytest.raises(UsageError, match="changed since extract ran"):
        steps.train(snapshot, "scorecard", settings=settings)


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
def test_a_request_that_makes_no_sense(settings: Settings, options: dict[str, object], message: str) -> None:
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
    before = standing("tiny", "live", settings)
    with pytest.raises(ServiceError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        extract("tiny", MONTHS[4], "live", gone)
    assert standing("tiny", "live", settings) == before


def test_the_best_candidate_is_nominated_and_a_tie_goes_to_the_first(settings: Settings) -> None:
    snapshot = extract("tiny", MONTHS[0], "nominate", settings)
    both = [steps.train(snapshot, name, settings=settings) for name in snapshot.candidates]
    best = max(both, key=lambda c: c.score)
    assert steps.nominate(both[::-1], settings=settings).name == best.name
    level: list[Trained] = [c.model_copy(update={"score": 0.5}) for c in both]
    assert steps.nominate(level[::-1], settings=settings).name == "scorecard"
