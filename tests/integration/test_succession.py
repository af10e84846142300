"""The line of succession on real PostgreSQL and a real MLflow server: races, kills, outages, rollbacks, answers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from mlflow import MlflowClient
from sqlalchemy import event
from typer.testing import CliRunner

from localstack import postgres, processes
from localstack import stack as local
from localstack.cli import migrate_ledger
from localstack.state import State
from support import succession_world as world
from support.killing import traced
from support.succession_world import World
from titleholder.cli.main import app
from titleholder.errors import ServiceError, UsageError
from titleholder.ledger import database, reigns, store
from titleholder.ledger.decision import Answer, Decision
from titleholder.ledger.integrity import digest
from titleholder.settings import Settings
from titleholder.spec.loader import load_specs
from titleholder.workflow import interventions, steps
from titleholder.workflow.audit import audit
from titleholder.workflow.payloads import ProposedDecision, RollbackOrder

pytestmark = pytest.mark.slow
ANY = "judgement: {metric: roc_auc, rule: fresh, tolerated_loss: 0.9, minimum_gain: -0.9, minimum_events: 30}"
"""Every challenger that is fit in itself wins."""
RACES = int(os.environ.get("TITLEHOLDER_RACES", "2"))


@pytest.fixture
def models(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    return tmp_path


def a_world(models: Path, settings: Settings, name: str, promotion: str = "") -> World:
    world.write_model(models, name, judgement=ANY, promotion=promotion)
    return World(name, settings)


def unbroken(rows: list[Decision], settings: Settings) -> bool:
    """One line: no gap, each row chained to the one before, each champion the successor of the last."""
    stored = store.stored(settings.ledger_url, rows[0].model, rows[0].lane)
    return (
        [r.sequence for r in rows] == list(range(1, len(rows) + 1))
        and all(
            b.previous_hash == a.hash and b.champion_before == a.champion_after for a, b in itertools.pairwise(rows)
        )
        and [digest(r) for r in stored] == [r.hash for r in rows]
    )


@pytest.mark.timeout(300 + 120 * RACES)
def test_sixteen_that_promote_at_once_make_one_line(models: Path, settings: Settings) -> None:
    """Each round: as many rows as challengers, none lost, none twice, one line, and the alias at its head."""
    arena = a_world(models, settings, "tiny_race")
    arena.decide()
    versions = [[arena.challenger() for _ in range(16)] for _ in range(RACES)]
    validated = {c.name: steps.validate(c, settings=settings) for c in versions[0][:2]}
    rounds = [
        [steps.decide(validated[c.name].model_copy(update={"challenger": c}), settings=settings) for c in one]
        for one in versions
    ]
    before = arena.rows()
    for n, found in enumerate(world.race(rounds, settings), start=1):
        assert all(number for number, _ in found), found
        rows = arena.rows()
        assert len(rows) == len(before) + 16 * n
        assert {number for number, _ in found} == {r.id for r in rows[-16:]}
        assert {r.challenger_version for r in rows[-16:]} == {c.version for c in versions[n - 1]}
        assert unbroken(rows, settings)
        assert arena.champion() == rows[-1].champion_after
    assert {r.kind for r in rows} == {"promote"}, "a race without a winner shows little"


@pytest.mark.timeout(900)
def test_a_kill_at_any_point_loses_nothing_and_does_nothing_twice(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_killed")
    arena.decide()
    code, points = traced(world.promote, arena.proposed().model_dump_json(), settings)
    assert code == 0
    for point in ("before Runs.running", "after store.read_lane", "before the insert", "before the commit",
                  "after store.append", "before Models.set_champion", "after Models.set_champion", "after Runs.finish"):  # fmt: skip
        assert point in points
    reached = {"healed by reconcile": 0, "committed": 0}
    for n, point in enumerate(points, start=1):
        before, proposed = arena.rows(), arena.proposed()
        assert traced(world.promote, proposed.model_dump_json(), settings, die_at=n) == (-9, []), point
        rows = arena.rows()
        committed = len(rows) - len(before)
        assert committed == ("after store.append" in points[:n]), point
        reached["committed"] += committed
        reached["healed by reconcile"] += interventions.reconcile(arena.model, settings=settings)
        assert arena.champion() == rows[-1].champion_after, point
        decision = steps.promote(proposed, settings=settings)
        after = arena.rows()
        assert after == [*before, decision], point
        assert unbroken(after, settings), point
        assert arena.champion() == decision.champion_after == proposed.challenger.version, point
    assert reached["healed by reconcile"] >= 2, "after the commit, and before the alias"
    assert reached["committed"] > reached["healed by reconcile"]


@pytest.fixture
def outages(state: State) -> Iterator[State]:
    yield state
    local.up(state, airflow=False, after_postgres=[migrate_ledger])


def test_postgres_stopped_before_a_decision_is_committed(models: Path, settings: Settings, outages: State) -> None:
    arena = a_world(models, settings, "tiny_outage")
    first = arena.decide()
    proposed, engine = arena.proposed(), database.engine(settings.ledger_url)

    def stop(_: object) -> None:
        postgres.stop_server(outages)

    event.listen(engine, "commit", stop)
    try:
        with pytest.raises(ServiceError, match="ledger's PostgreSQL does not answer"):
            steps.promote(proposed, settings=settings)
    finally:
        event.remove(engine, "commit", stop)
    with pytest.raises(ServiceError, match="does not answer"):
        arena.rows()
    local.up(outages, airflow=False, after_postgres=[migrate_ledger])
    assert arena.rows() == [first]
    assert arena.champion() == first.champion_after
    assert steps.promote(proposed, settings=settings).champion_after == proposed.challenger.version == arena.champion()


def test_mlflow_stopped_between_the_ledger_and_the_alias(
    models: Path, settings: Settings, outages: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    arena = a_world(models, settings, "tiny_outage_too")
    first = arena.decide()
    proposed, append = arena.proposed(), store.append

    def then_stop(*args: Any, **options: Any) -> list[Decision] | None:
        written = append(*args, **options)
        processes.stop(processes.find(str(outages.root))["mlflow"])
        return written

    with monkeypatch.context() as patch:
        patch.setattr(store, "append", then_stop)
        with pytest.raises(ServiceError, match=r"MLflow at .* does not answer"):
            steps.promote(proposed, settings=settings)
    rows = arena.rows()
    assert [r.challenger_version for r in rows] == [first.challenger_version, proposed.challenger.version]
    local.up(outages, airflow=False, after_postgres=[migrate_ledger])
    assert arena.champion() == first.champion_after
    assert steps.promote(proposed, settings=settings) == rows[-1]
    assert arena.champion() == rows[-1].champion_after


def back(arena: World, **order: object) -> Decision:
    made = RollbackOrder.model_validate({"reason": "it saw the future", "actor": "ann", **order})
    return interventions.rollback(arena.model, made, settings=arena.settings)


def test_two_rollbacks_and_forward_again(models: Path, settings: Settings, env: dict[str, str]) -> None:
    arena = a_world(models, settings, "tiny_back")
    one, two, three = (arena.decide().champion_after for _ in range(3))
    first, second = back(arena), back(arena, leaving=two)
    assert [(r.champion_before, r.champion_after) for r in (first, second)] == [(three, two), (two, one)]
    assert arena.champion() == one
    assert first.verdict is None
    assert first.actor == "ann"
    assert first.reason == f"Version {three} gave way to version {two}. it saw the future"
    with pytest.raises(
        UsageError,
        match=f"version {one} has no predecessor to go back to; nothing was changed; other .*: {two} .rolled back., {three}",
    ):
        back(arena, leaving=one)
    with pytest.raises(UsageError, match=f"version {three} was itself rolled back .it saw the future.; reinstate it"):
        back(arena, to=three)
    forward = back(arena, to=three, force=True, reason="it was the data, not the model")
    assert forward.reason.startswith(f"Version {one} gave way to version {three} by force.")
    rows = arena.rows()
    assert unbroken(rows, settings)
    assert arena.champion() == three
    assert [r.champion_after for r in rows] == [one, two, three, two, one, three]
    with (
        psycopg2.connect(env["TITLEHOLDER_LEDGER_URL"].replace("+psycopg2", "")) as connection,
        connection.cursor() as sql,
    ):
        sql.execute("SELECT version, reigned_from, reigned_to, decision, actor FROM titleholder.champion_history"
                    " WHERE model = %s AND lane = 'live' ORDER BY reigned_from", (arena.model,))  # fmt: skip
        history = sql.fetchall()
        sql.execute("SELECT version, actor FROM titleholder.current_champion WHERE model = %s", (arena.model,))
        assert sql.fetchall() == [(three, "ann")]
    assert [(h[0], h[3]) for h in history] == [(r.champion_after, r.id) for r in rows]
    assert all(a[2] == b[1] for a, b in itertools.pairwise(history))
    assert history[-1][2] is None
    tags = MlflowClient(settings.tracking_uri).get_model_version(arena.model, str(two)).tags
    assert tags["titleholder.verdict"] == "rolled back"


def test_the_champion_of_every_date_between(models: Path, settings: Settings) -> None:
    """The same rows as if a month apart: which version was champion at each day's end."""
    arena = a_world(models, settings, "tiny_dates")
    arena.decide()
    arena.decide()
    back(arena)
    rows = [
        r.model_copy(update={"created_at": r.created_at - timedelta(days=90 - 30 * n)})
        for n, r in enumerate(arena.rows())
    ]
    one, two = rows[0].champion_after, rows[1].champion_after
    changes = [r.created_at.date() for r in rows]
    for days in range(100):
        day = changes[0] - timedelta(days=2) + timedelta(days=days)
        expected = None if day < changes[0] else one if day < changes[1] or day >= changes[2] else two
        reign = reigns.reign_after(rows, reigns.until(rows, "live", day, by_clock=True))
        assert (reign.version if reign else None) == expected, day


def test_a_version_rolled_back_is_barred_until_something_newer_was_trained(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_barred")
    arena.decide()
    gone = arena.decide().champion_after
    back(arena)
    kept = arena.decide()
    assert kept.kind == "keep"
    assert f"nothing newer (rows before 2023-11-01) than version {gone} (before 2023-11-01)" in kept.reason
    newer = arena.decide(date(2024, 3, 2))
    assert newer.kind == "promote"
    assert arena.champion() == newer.challenger_version


def test_what_a_rollback_refuses_it_explains(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_refused")
    with pytest.raises(UsageError, match="there is no champion in lane live"):
        back(arena)
    one = arena.decide().champion_after
    with pytest.raises(
        UsageError, match=f"version {one} has no predecessor to go back to; .* other versions that were champion: none"
    ):
        back(arena)
    two = arena.decide().champion_after
    for order, message in (
        ({"reason": "  "}, "a rollback needs a reason"),
        ({"leaving": one}, f"version {two} is champion, not version {one}; nothing was rolled back"),
        ({"to": two}, f"version {two} is champion already; other versions that were champion: {one}"),
        ({"to": 99}, f"version 99 never was champion in the live lane; other versions that were champion: {one}"),
    ):
        with pytest.raises(UsageError, match=message):
            back(arena, **order)
    assert len(arena.rows()) == 2
    again = [back(arena, run="tiny_refused.rollback/manual__1") for _ in range(2)]
    assert again[0] == again[1], "a task that is tried again rolls back once"


def test_a_rollback_from_the_command_line(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_typed")
    one, two = (arena.decide().champion_after for _ in range(2))
    done = CliRunner().invoke(app, ["rollback", "tiny_typed", "--reason", "too eager", "--leaving", str(two)])
    assert done.exit_code == 0, done.output
    assert "too eager" in done.output
    assert arena.champion() == one
    assert arena.rows()[-1].actor.startswith("cli:")
    assert CliRunner().invoke(app, ["rollback", "tiny_typed"]).exit_code == 2, "a reason must be given"
    listed = CliRunner().invoke(app, ["history", "tiny_typed"])
    assert "rollback" in listed.output
    assert f"Version {two} gave way to version {one}" in listed.output


def test_a_command_that_is_repeated_because_its_answer_was_lost_rolls_back_once(
    models: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena = a_world(models, settings, "tiny_repeated")
    one, two, _ = (arena.decide().champion_after for _ in range(3))
    typed = ["rollback", "tiny_repeated", "--reason", "too eager"]

    def lost(*args: Any, **options: Any) -> Any:
        append(*args, **options)
        raise ServiceError("the ledger's PostgreSQL does not answer")

    append = store.append
    with monkeypatch.context() as patch:
        patch.setattr(store, "append", lost)
        failed = CliRunner().invoke(app, typed)
    assert isinstance(failed.exception, ServiceError)
    assert "It is not known whether the rollback was decided" in str(failed.exception)
    for _ in range(2):
        again = CliRunner().invoke(app, typed)
        assert again.exit_code == 0
        assert f"Nothing was rolled back: decision {arena.rows()[-1].id}" in " ".join(again.output.split())
    assert (arena.champion(), len(arena.rows())) == (two, 4), "and the alias has followed"
    further = CliRunner().invoke(app, [*typed, "--leaving", str(two)])
    assert further.exit_code == 0
    assert "Nothing was rolled back" not in further.output
    assert (arena.champion(), len(arena.rows())) == (one, 5)


def test_a_retired_model_has_no_champion_and_its_record_stays(
    models: Path, settings: Settings, env: dict[str, str]
) -> None:
    arena = a_world(models, settings, "tiny_retired")
    one, two = (arena.decide().champion_after for _ in range(2))
    under_way = arena.proposed()
    (models / "tiny_retired.yaml").rename(models / "gone.txt")
    assert CliRunner().invoke(app, ["retire", "tiny_retired", "--reason", "no product"], input="n\n").exit_code == 1
    done = CliRunner().invoke(app, ["retire", "tiny_retired", "--reason", "no product any more", "--yes"])
    assert done.exit_code == 0, done.output
    row = arena.rows()[-1]
    assert (row.kind, row.champion_before, row.champion_after, row.challenger_version) == ("withdraw", two, None, None)
    assert row.reason == f"The model was retired: version {two} is no longer champion. no product any more"
    assert unbroken(arena.rows(), settings)
    assert arena.champion() is None
    client = MlflowClient(settings.tracking_uri)
    assert client.get_model_version(arena.model, str(two)).tags["titleholder.verdict"] == "retired"
    assert f"v{two}" in CliRunner().invoke(app, ["history", "tiny_retired"]).output
    assert "no product any more" in CliRunner().invoke(app, ["champion", "tiny_retired"]).output
    client.set_registered_model_alias(arena.model, "champion", str(one))
    assert [f.check for f in audit(["tiny_retired"], settings=settings).findings] == ["alias"]
    assert audit(["tiny_retired"], settings=settings, repair=True).findings == ()
    assert arena.champion() is None
    for again in (
        lambda: interventions.retire(arena.model, "twice", "ann", settings=settings),
        lambda: steps.promote(under_way, settings=settings),
        lambda: arena.challenger(date(2024, 3, 2)),
    ):
        (models / "gone.txt").exists() and (models / "gone.txt").rename(models / "tiny_retired.yaml")
        with pytest.raises(UsageError, match=r"retired .*decision \d+ of 20\d\d-\d\d-\d\d: no product any more"):
            again()
    back(arena, reason="a product again")
    assert arena.champion() == two
    assert arena.rows()[-1].reason == f"Retired before, version {two} is champion again. a product again"
    assert arena.decide(date(2024, 3, 2)).champion_before == two
    assert unbroken(arena.rows(), settings)
    assert audit(["tiny_retired"], settings=settings).findings == ()


def test_only_a_champion_can_be_retired_and_with_a_reason(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_kept")
    with pytest.raises(UsageError, match="there is no champion in lane live, so there is nothing to retire"):
        interventions.retire(arena.model, "why not", "ann", settings=settings)
    arena.decide()
    with pytest.raises(UsageError, match="a retirement needs a reason"):
        interventions.retire(arena.model, " ", "ann", settings=settings)
    assert len(arena.rows()) == 1


def test_a_rollback_that_people_must_approve(models: Path, settings: Settings) -> None:
    demanded = "promotion: {rollback_approval: {by: [risk-lead, cfo], within: 1 hour}}"
    arena = a_world(models, settings, "tiny_guarded", demanded)
    one, two = (arena.decide().champion_after for _ in range(2))
    typed = CliRunner().invoke(app, ["rollback", "tiny_guarded", "--reason", "too eager"])
    assert isinstance(typed.exception, UsageError)
    assert "trigger the DAG tiny_guarded.rollback in Airflow" in str(typed.exception)
    spec = load_specs(models, only="tiny_guarded")["tiny_guarded"]
    wanted = RollbackOrder(reason="too eager", actor="cfo", run="tiny_guarded.rollback/by_hand")
    order = interventions.order_rollback("tiny_guarded", wanted, settings=settings, spec=spec)
    assert (order.leaving, order.to) == (two, one)
    question = interventions.ask_to_roll_back(spec, order, settings=settings)
    assert question is not None
    assert [p.name for p in question.asked] == ["risk-lead"], "nobody approves their own"
    assert question.subject.endswith(f"approval requested to roll back version {two} to version {one}")
    for part in ("too eager", "**Only risk-lead can answer.**", f"[version {one}](http", "as of 2024-03-01"):
        assert part in question.body
    answers = [Answer(asked=("risk-lead",), answer=said, by=by) for said, by in
               (("none", ""), ("approve", "cfo"), ("reject", "risk-lead"))]  # fmt: skip
    for of in (spec, None):
        with pytest.raises(UsageError, match="Nothing was rolled back"):
            interventions.rollback("tiny_guarded", order, settings=settings, spec=of)
    for unheard in answers:
        told = order.model_copy(update={"answer": unheard})
        declined = [interventions.rollback("tiny_guarded", told, settings=settings, spec=of) for of in (spec, None)]
        assert declined[0] == declined[1], "one row, however often it is tried"
        assert (declined[0].kind, declined[0].champion_after, declined[0].approval) == ("decline", two, unheard)
    assert arena.champion() == two
    assert audit(["tiny_guarded"], settings=settings).findings == ()
    yes = Answer(asked=("risk-lead",), answer="approve", by="risk-lead", comment="go")
    too_late = interventions.rollback(
        "tiny_guarded", order.model_copy(update={"answer": yes}), settings=settings, spec=spec
    )
    assert too_late == declined[0], "a person's no stands for the run"
    wanted = wanted.model_copy(update={"run": "tiny_guarded.rollback/asked_again"})
    order = interventions.order_rollback("tiny_guarded", wanted, settings=settings, spec=spec)
    row = interventions.rollback("tiny_guarded", order.model_copy(update={"answer": yes}), settings=settings, spec=spec)
    assert (row.kind, row.champion_after, row.approval) == ("rollback", one, yes)
    assert row.reason == f'risk-lead approved ("go"). Version {two} gave way to version {one}. too eager'
    assert arena.champion() == one
    assert unbroken(arena.rows(), settings)
    again = interventions.order_rollback("tiny_guarded", wanted, settings=settings, spec=spec)
    assert interventions.ask_to_roll_back(spec, again, settings=settings) is None, "this run has rolled back already"


PEOPLE = "promotion: {approval: {by: [risk-lead, cfo], within: 1 hour}}"


def with_answer(proposed: ProposedDecision, answer: str, by: str = "risk-lead", **more: object) -> ProposedDecision:
    said = Answer.model_validate({"asked": ("risk-lead", "cfo"), "answer": answer, "by": by, **more})
    return proposed.model_copy(update={"answer": said})


def test_an_answer_is_good_for_the_head_it_was_given_about(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_stale", PEOPLE)
    first = steps.promote(with_answer(arena.proposed(), "approve", comment="go"), settings=settings)
    assert first.kind == "promote"
    assert first.approval is not None
    assert (first.approval.by, first.approval.answer, first.approval.comment) == ("risk-lead", "approve", "go")
    waiting, other = arena.proposed(), arena.proposed()
    question = steps.ask(waiting, settings=settings)
    assert question is not None
    assert [p.name for p in question.asked] == ["risk-lead", "cfo"]
    assert "approval requested to promote version" in question.subject
    assert "### Checks" in question.body
    assert question.body.startswith(f"[Model card]({question.card})")
    assert "**Only risk-lead, cfo can answer.**" in question.body
    card = MlflowClient(settings.tracking_uri).download_artifacts(waiting.challenger.snapshot.run_id, "card.html")
    assert "approval requested to promote version" in Path(card).read_text(), "before anybody answers"
    refused = steps.promote(with_answer(other, "reject", "cfo"), settings=settings)
    assert refused.reason.startswith("cfo said no.")
    late = steps.promote(with_answer(waiting, "approve"), settings=settings)
    assert late.kind == "keep"
    assert late.reason.startswith(
        f"risk-lead approved, but too late: version {other.challenger.version}, as of 2024-03-01, was decided since (keep)"
    )
    assert arena.champion() == first.champion_after
    assert unbroken(arena.rows(), settings)


def test_people_may_be_asked_again_and_a_second_try_writes_nothing(models: Path, settings: Settings) -> None:
    arena = a_world(models, settings, "tiny_again", PEOPLE)
    proposed = arena.proposed()
    silent = with_answer(proposed, "none", "")
    kept = steps.promote(silent, settings=settings)
    assert kept.reason.startswith("There was no answer in time, which means no.")
    assert steps.promote(silent, settings=settings) == kept
    again = steps.propose(proposed.challenger, settings=settings)
    assert steps.ask(again, settings=settings) is not None
    approved = with_answer(again, "approve")
    promoted = steps.promote(approved, settings=settings)
    assert promoted.kind == "promote"
    assert steps.promote(approved, settings=settings) == promoted
    assert [r.kind for r in arena.rows()] == ["keep", "promote"]
    once_more = steps.propose(proposed.challenger, settings=settings)
    assert steps.ask(once_more, settings=settings) is None, "it is champion already"
