"""The audit on the real stack: a sound ledger is quiet, and each way to tamper is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from localstack.settings import ledger_url
from localstack.state import State
from support.audit_world import World, build, models_in, replaced
from titleholder.cli.main import app
from titleholder.data.scores import Array
from titleholder.errors import ServiceError, UsageError
from titleholder.ledger import guards, store
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow import interventions
from titleholder.workflow.audit import audit
from titleholder.workflow.audit_report import AuditFinding, AuditReport
from titleholder.workflow.payloads import RollbackOrder

pytestmark = pytest.mark.slow
MODEL = "tiny_audited"


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("models")
    with models_in(folder, state) as settings:
        yield build(state, folder, settings, MODEL)


def looked(world: World, **options: bool) -> AuditReport:
    return audit([MODEL], settings=world.settings, **options)


def checks(report: AuditReport) -> list[tuple[str, int | None]]:
    return [(f.check, f.decision) for f in report.findings]


def the_one(report: AuditReport) -> AuditFinding:
    (finding,) = report.findings
    return finding


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", MODEL, *words])


@contextmanager
def alias_at(world: World, version: int | None) -> Iterator[None]:
    client = MlflowClient(world.settings.tracking_uri)
    if version is None:
        client.delete_registered_model_alias(MODEL, "champion")
    else:
        client.set_registered_model_alias(MODEL, "champion", str(version))
    try:
        yield
    finally:
        client.set_registered_model_alias(MODEL, "champion", str(world.rows[-1].challenger))


def test_a_sound_ledger_gives_no_finding_and_says_what_was_looked_at(world: World) -> None:
    taken: list[tuple[str, int, int]] = []
    report = audit([MODEL], settings=world.settings, on_step=lambda *step: taken.append(step))
    assert report.model_dump() == {
        "findings": (), "models": (MODEL,), "lanes": 1, "rows": 3, "witnesses": 3, "snapshots": 3, "reports": 3,
        "champions": 1, "score_runs": 0, "scores_counted": 0, "monitor_reports": 0,
        "repaired": (),
    }  # fmt: skip
    assert [n for _, n, _ in taken] == list(range(taken[0][2]))
    done = invoke("--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == report.model_dump(mode="json")
    assert "No findings. Checked: 3 decisions in 1 lane of" in invoke().stdout


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'He is the better one'",
        "verdict = jsonb_set(verdict::jsonb, '{challenger_metrics,roc_auc}', '0.99')::json",
        "verdict = '{}'",
        "created_at = created_at + interval '1 day'",
        'spec = (spec::jsonb || \'{"owner": "somebody else"}\')::json',
        "spec = replace(spec::text, ',', ', ')::json",
    ],
)
def test_with_the_trigger_removed_and_a_row_changed_the_audit_names_the_row(world: World, change: str) -> None:
    row = world.rows[1]
    with world.forged(f"UPDATE titleholder.decisions SET {change} WHERE id = {row.id}"):
        found = the_one(looked(world))
        done = invoke("--json")
    assert (found.check, found.model, found.lane, found.decision) == ("chain", MODEL, "live", row.id)
    assert f"Decision {row.id} (lane live, sequence 2): Its content was changed" in found.explanation
    assert done.exit_code == 1
    assert [f["decision"] for f in json.loads(done.stdout)["findings"]] == [row.id]


def test_a_row_that_is_gone_is_missed_by_the_next_row_and_by_its_version(world: World) -> None:
    _, gone, last = world.rows
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {gone.id}"):
        report = looked(world)
    assert checks(report) == [("chain", last.id), ("witness", gone.id)]
    assert "the row with 2 is gone" in report.findings[0].explanation
    assert f"Version {gone.challenger} carries decision {gone.id}, which the ledger does not have" in (
        report.findings[1].explanation
    )
    assert report.findings[1].lane == "live"


def test_the_last_row_is_missed_by_its_version_and_the_alias_does_not_follow_the_rest(world: World) -> None:
    last = world.rows[-1]
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {last.id}"):
        report = looked(world, repair=True)
        assert Registry(world.settings.tracking_uri).models.champion(MODEL) == last.challenger
    assert checks(report) == [("witness", last.id), ("alias", None)]
    assert "not repaired, because the ledger may be wrong itself" in report.findings[1].explanation
    assert report.repaired == ()


def test_without_any_row_the_versions_still_name_the_model(world: World) -> None:
    with world.forged(f"DELETE FROM titleholder.decisions WHERE model = '{MODEL}'"):
        report = looked(world)
    assert {f.decision for f in report.findings if f.check == "witness"} == {r.id for r in world.rows}
    assert report.rows == 0


def test_a_chain_made_to_fit_again_contradicts_its_versions(world: World) -> None:
    with world.forged(*world.rewritten(1, "forged")):
        report = looked(world)
    assert checks(report) == [("witness", world.rows[2].id), ("witness", world.rows[1].id)]
    assert "with the hash" in report.findings[0].explanation


def test_a_champion_out_of_nowhere_is_named_even_where_every_hash_fits(world: World) -> None:
    row, former = world.rows[1], world.rows[0].challenger
    with world.forged(
        f"UPDATE titleholder.decisions SET challenger_version = {former}, champion_after = {former} WHERE id = {row.id}"
    ):
        report = looked(world)
    assert checks(report) == [("chain", row.id), ("succession", world.rows[2].id)]


@pytest.mark.parametrize("to", ["another", "none"])
def test_an_alias_moved_by_hand_is_found_and_only_repaired_on_request(world: World, to: str) -> None:
    before = store.read(world.settings.ledger_url, MODEL, "live")
    head, moved = world.rows[-1].challenger, world.rows[0].challenger if to == "another" else None
    models = Registry(world.settings.tracking_uri).models
    with alias_at(world, moved):
        found = the_one(looked(world))
        assert found.check == "alias"
        assert f"in the ledger version {head} is champion" in found.explanation
        assert models.champion(MODEL) == moved
        done = invoke("--repair", "--json")
        assert models.champion(MODEL) == head
    assert done.exit_code == 0
    (repaired,) = json.loads(done.stdout)["repaired"]
    assert repaired.endswith(f"now at version {head}")
    assert store.read(world.settings.ledger_url, MODEL, "live") == before


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_snapshot_that_is_not_what_it_was(world: World, how: str, tmp_path: Path) -> None:
    row = world.rows[0]
    path = Path(row.snapshot_uri)
    pq.write_table(pq.read_table(path).slice(1), tmp_path / "other.parquet")
    with replaced(path, (tmp_path / "other.parquet").read_bytes() if how == "changed" else None):
        found = the_one(looked(world))
    assert (found.check, found.decision) == ("snapshot", row.id)
    assert ("its SHA-256 is" if how == "changed" else "cannot be read") in found.explanation
    assert row.snapshot_uri in found.explanation


@pytest.mark.parametrize("uri", ["s3://another/x.parquet", "ftp://another/x.parquet", "/dev/zero", "/proc/1/mem"])
def test_a_snapshot_at_another_place_hides_no_other_finding(world: World, uri: str) -> None:
    """Whoever may append a row may name any place in it."""
    rows = world.rows[0], world.rows[2]
    changes = [f"UPDATE titleholder.decisions SET snapshot_uri = '{at}' WHERE id = {row.id}"
               for row, at in zip(rows, (uri, "/nowhere.parquet"), strict=True)]  # fmt: skip
    with world.forged(*changes):
        found = looked(world).findings
    assert {f.decision for f in found if f.check == "snapshot"} == {row.id for row in rows}


def test_a_tag_of_a_version_hides_no_other_finding(world: World) -> None:
    """Whoever may write to MLflow may write any number into it."""
    client, version = Registry(world.settings.tracking_uri).server.client, str(world.rows[0].challenger)
    number = client.get_model_version(MODEL, version).tags[names.DECISION]
    client.set_model_version_tag(MODEL, version, names.DECISION, "9" * 4999)
    try:
        found = the_one(looked(world))
    finally:
        client.set_model_version_tag(MODEL, version, names.DECISION, number)
    assert (found.check, found.decision) == ("witness", None)


def test_the_champions_own_snapshot_is_one_finding_not_two(world: World) -> None:
    with replaced(Path(world.rows[-1].snapshot_uri), None):
        assert checks(looked(world)) == [("snapshot", world.rows[-1].id)]


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.skops", None), ("model.skops", b"no model"), ("MLmodel", b"flavors: {}"), ("model.pkl", b"cos\nsystem")],
)
def test_a_champion_whose_files_are_not_those_that_were_logged(world: World, name: str, content: bytes | None) -> None:
    """Also those that only consumers read, and such as nobody logged."""
    row = world.rows[-1]
    model = row.nominee.model.uri.rpartition("/")[2]
    (folder,) = world.state.artifacts.glob(f"*/models/{model}/artifacts")
    with replaced(folder / name, content):
        found = the_one(looked(world))
    assert (found.check, found.decision) == ("model", row.id)
    assert f"of its files at models:/{model}, {name} are not what was logged" in found.explanation


POISON = {
    "a script": b"<script>alert(1)</script>", "no text": b"\xff\x00", "deep JSON": b"[" * 100_000, "nothing": b"",
    "too large": b" " * (33 * 1024**2), "gone": None,
}  # fmt: skip


@pytest.mark.parametrize("content", POISON)
def test_a_card_that_is_not_what_was_drawn(world: World, content: str) -> None:
    row = world.rows[1]
    (card,) = world.state.artifacts.glob(f"*/{row.mlflow_run_id}/artifacts/card-{row.id}.html")
    with replaced(card, POISON[content]):
        found = the_one(looked(world))
    assert (found.check, found.lane, found.decision) == ("report", "live", row.id)
    said = "is gone" if content == "gone" else "is not what was written"
    assert f"card-{row.id}.html of the MLflow run {row.mlflow_run_id} {said}" in found.explanation


def other(scores: Array) -> Array:
    scores[7] += 1e-6
    return scores


@pytest.mark.parametrize(
    ("change", "explanation"),
    [
        (other, "1 of 50 recorded scores differ"),
        (lambda scores: np.full(len(scores), np.nan), "50 of 50 recorded scores differ"),
    ],
)
def test_a_champion_that_does_not_predict_what_was_recorded(
    world: World, change: Callable[[Array], Array], explanation: str
) -> None:
    row = world.rows[-1]
    with world.rescored(row, change):
        found = the_one(looked(world))
    assert (found.check, found.decision) == ("model", row.id)
    assert explanation in found.explanation


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_stored_scores_that_are_lost_are_a_finding(world: World, content: bytes | None) -> None:
    row = world.rows[-1]
    with replaced(world.scores_of(row), content):
        found = the_one(looked(world))
    assert (found.check, found.decision) == ("model", row.id)
    assert f"{row.snapshot_sha256}.training.parquet) are gone or damaged" in found.explanation


T = "titleholder.decisions"
NEW_RULE = f"CREATE RULE lost AS ON INSERT TO {T} DO INSTEAD NOTHING"
NEW_TRIGGER = f"CREATE TRIGGER more BEFORE INSERT ON {T} FOR EACH ROW EXECUTE FUNCTION titleholder.refuse_change()"
NO_CHANGE = f"CREATE TRIGGER no_change BEFORE {{}} ON {T} FOR EACH ROW EXECUTE FUNCTION titleholder.refuse_change()"
OTHER_VIEW = "CREATE OR REPLACE VIEW titleholder.current_champion AS SELECT {} FROM titleholder.champion_history"
SHORTER = "model, lane, version, reigned_from, decision, kind, as_of, actor, approved_by, reason"
CHILD = f"CREATE TABLE public.more () INHERITS ({T})"
HARM = {
    "a guard switched off": (f"ALTER TABLE {T} DISABLE TRIGGER no_change", "trigger no_change on decisions .* not as"),
    "a guard that sleeps": (f"ALTER TABLE {T} ENABLE REPLICA TRIGGER no_truncate", "trigger no_truncate on decisions .* not as"),
    "a guard dropped": (f"DROP TRIGGER no_truncate ON {T}", "trigger no_truncate on decisions is gone"),
    "half a guard": (f"DROP TRIGGER no_change ON {T}; {NO_CHANGE.format('DELETE')}; ALTER TABLE {T} ENABLE ALWAYS TRIGGER no_change",
                     "trigger no_change on decisions .* not as"),
    "a guard that lets all pass": ("CREATE OR REPLACE FUNCTION titleholder.refuse_change() RETURNS trigger LANGUAGE plpgsql "
                                   "AS 'BEGIN RETURN NEW; END'", r"function refuse_change\(\) .* not as"),
    "a rule": (NEW_RULE, "rule lost on decisions is in the schema titleholder, and no migration made it"),
    "another trigger": (NEW_TRIGGER, "trigger more on decisions is in the schema"),
    "row security": (f"ALTER TABLE {T} ENABLE ROW LEVEL SECURITY", "relation decisions .* not as"),
    "a policy": (f"CREATE POLICY blind ON {T} USING (id > 5)", "policy blind on decisions is in the schema"),
    "a view replaced": (OTHER_VIEW.format(SHORTER), "view current_champion .* not as"),
    "a view with an option": ("ALTER VIEW titleholder.champion_history SET (security_invoker = on)", "relation champion_history .* not as"),
    "a function replaced": ("ALTER FUNCTION titleholder.append(integer, json) RESET ALL", r"function append\(integer,json\) .* not as"),
    "a function added": ("CREATE FUNCTION titleholder.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
                         "REVOKE ALL ON FUNCTION titleholder.f() FROM PUBLIC", r"function f\(\) is in the schema"),
    "an overloaded function": ("CREATE FUNCTION titleholder.digest(text) RETURNS text LANGUAGE sql AS 'SELECT 1'; "
                               "REVOKE ALL ON FUNCTION titleholder.digest(text) FROM PUBLIC", r"function digest\(text\) is in"),
    "an owner changed": (f"ALTER TABLE {T} OWNER TO postgres", "owner of titleholder.decisions is postgres"),
    "a function's owner changed": ("ALTER FUNCTION titleholder.append(integer, json) OWNER TO postgres",
                                   r"owner of titleholder.append\(integer,json\) is postgres"),
    "a default": (f"ALTER TABLE {T} ALTER actor SET DEFAULT 'cfo'", "column decisions.actor .* not as"),
    "a column generated otherwise": (f"ALTER TABLE {T} ALTER rule DROP EXPRESSION", "column decisions.rule .* not as"),
    "a column added": (f"ALTER TABLE {T} ADD more int", "column decisions.more is in the schema"),
    "a constraint dropped": (f"ALTER TABLE {T} DROP CONSTRAINT champion_follows_from_kind", "constraint champion_follows_from_kind on decisions is gone"),
    "null allowed": (f"ALTER TABLE {T} ALTER actor DROP NOT NULL", "column decisions.actor .* not as"),
    "an index dropped": ("DROP INDEX titleholder.decisions_model_lane_as_of_sequence_idx", "index decisions_model_lane_as_of_sequence_idx is gone"),
    "a child table": (CHILD, "child table public.more is in the schema"),
    "a table that no backup has": (f"ALTER EXTENSION plpgsql ADD TABLE {T}", "owning extension of table decisions is in the schema"),
    "a table added": ("CREATE TABLE titleholder.alembic_version_more (x int)", "relation alembic_version_more is in the schema"),
    "a type added": ("CREATE DOMAIN titleholder.d AS int", "object type d is in the schema"),
    "keys not checked": (f"ALTER TABLE {T} DISABLE TRIGGER ALL; ALTER TABLE {T} ENABLE ALWAYS TRIGGER no_change; "
                         f"ALTER TABLE {T} ENABLE ALWAYS TRIGGER no_truncate", "trigger of a constraint decisions_caused_by_fkey"),
    "a column's right": (f"GRANT UPDATE (reason) ON {T} TO ledger", r"The role ledger has the right to UPDATE on titleholder.decisions.reason"),
    "a right": (f"GRANT INSERT ON {T} TO ledger", "The role ledger has the right to INSERT on titleholder.decisions, which no migration gave"),
    "a right of the reader": (f"GRANT TRUNCATE ON {T} TO ledger_reader", "The role ledger_reader has the right to TRUNCATE"),
    "a right of everybody": (f"GRANT SELECT ON {T} TO PUBLIC", "Everybody has the right to SELECT on titleholder.decisions"),
    "a right of a sequence": ("GRANT UPDATE ON SEQUENCE titleholder.decisions_id_seq TO ledger", "right to UPDATE on titleholder.decisions_id_seq"),
    "a right to pass on": (f"GRANT SELECT ON {T} TO ledger WITH GRANT OPTION", "right to SELECT WITH GRANT OPTION"),
    "a right of the schema": ("GRANT CREATE ON SCHEMA titleholder TO ledger", "right to CREATE on SCHEMA titleholder"),
    "a function for everybody": ("GRANT EXECUTE ON FUNCTION titleholder.append(integer, json) TO PUBLIC", "Everybody has the right to EXECUTE"),
    "another who appends": ("GRANT EXECUTE ON FUNCTION titleholder.append(integer, json) TO ledger_reader", "More than one role may append decisions"),
    "a right on what comes": ("ALTER DEFAULT PRIVILEGES FOR ROLE ledger_owner GRANT SELECT ON TABLES TO ledger_reader",
                              r"ledger_reader gets the right to SELECT on each new table of ledger_owner \(ALTER DEFAULT"),
    "a right on what comes in the schema": ("ALTER DEFAULT PRIVILEGES FOR ROLE ledger_owner IN SCHEMA titleholder GRANT INSERT ON TABLES "
                                            "TO PUBLIC", "Everybody gets the right to INSERT on each new table"),
    "a right lost": (f"REVOKE SELECT ON {T} FROM ledger_reader", "The role ledger_reader lost the right to SELECT on titleholder.decisions"),
    "tables that a crash of PostgreSQL empties": (f"ALTER TABLE {T} SET UNLOGGED", "relation decisions .* not as .*unlogged"),
    "a role of the owner": ("GRANT ledger_owner TO ledger", "The role ledger belongs to ledger_owner, and can write"),
    "a role that may take the owner's rights": ("GRANT ledger_owner TO ledger WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
                                                "The role ledger belongs to ledger_owner"),
    "a role of a superuser": ("GRANT postgres TO ledger_reader", "The role ledger_reader belongs to postgres"),
    "a role that writes all": ("GRANT pg_write_all_data TO ledger WITH INHERIT FALSE", "The role ledger belongs to pg_write_all_data"),
    "a role that runs programs": ("GRANT pg_execute_server_program TO ledger", "The role ledger belongs to pg_execute_server_program"),
    "a role that writes files": ("GRANT pg_write_server_files TO ledger", "The role ledger belongs to pg_write_server_files"),
    "another role of the owner": ("CREATE ROLE mallory LOGIN; GRANT ledger_owner TO mallory", "The role mallory belongs to ledger_owner"),
    "another role that writes all": ("CREATE ROLE writers; CREATE ROLE mallory LOGIN; GRANT pg_write_all_data TO writers; "
                                     "GRANT writers TO mallory", "The role mallory belongs to pg_write_all_data"),
    "another role that appends": ("CREATE ROLE mallory LOGIN; GRANT ledger TO mallory", "The role mallory belongs to ledger, and can write"),
    "a superuser": ("ALTER ROLE ledger SUPERUSER", "The role ledger is a superuser"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_whatever_differs_from_what_the_migrations_made_is_found(world: World, harm: str) -> None:
    statement, message = HARM[harm]
    with world.harmed(statement) as connection:
        found = list(guards.faults_seen_by(connection))
    assert [fault for fault in found if re.search(message, fault)], found


def test_rights_on_new_objects_elsewhere_and_fewer_of_them_are_no_finding(world: World) -> None:
    less = "ALTER DEFAULT PRIVILEGES FOR ROLE ledger_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
    other = "ALTER DEFAULT PRIVILEGES FOR ROLE ledger_owner IN SCHEMA public GRANT SELECT ON TABLES TO ledger_reader"
    with world.harmed(f"{less}; {other}") as connection:
        assert list(guards.faults_seen_by(connection)) == []


def test_an_administrator_who_made_the_roles_and_uses_none_of_their_rights_is_no_finding(world: World) -> None:
    made = "CREATE ROLE admin LOGIN CREATEROLE; GRANT ledger_owner, ledger TO admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
    with world.harmed(made) as connection:
        assert list(guards.faults_seen_by(connection)) == []


def test_the_audit_names_what_is_wrong_with_the_guards_also_as_json(world: World) -> None:
    with world.superuser() as cursor:
        cursor.execute(NEW_RULE)
        try:
            found = the_one(looked(world))
            done = invoke("--json")
        finally:
            cursor.execute(f"DROP RULE lost ON {T}")
    assert (found.check, found.model, found.decision) == ("guard", None, None)
    assert "The rule lost on decisions is in the schema titleholder, and no migration made it" in found.explanation
    assert done.exit_code == 1
    assert [f["explanation"] for f in json.loads(done.stdout)["findings"]] == [found.explanation]
    assert looked(world).findings == ()


def test_every_role_of_the_ledger_can_look(world: World) -> None:
    for role in ("ledger", "ledger_reader", "ledger_owner"):
        found = guards.faults(ledger_url(world.state, role))
        assert found == ["The role ledger_owner is the ledger's owner, and can change every row"] * (
            role == "ledger_owner"
        )


def test_a_model_without_decisions_is_a_usage_error_that_names_those_with(world: World) -> None:
    result = CliRunner().invoke(app, ["audit", "tiny_audite"])
    assert isinstance(result.exception, UsageError)
    assert MODEL in str(result.exception)


def test_a_service_that_is_down_is_no_finding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ours = world.settings
    for gone in (
        Settings(ours.ledger_url, "http://127.0.0.1:9", ours.snapshots),
        Settings("postgresql+psycopg2://ledger:geheim@127.0.0.1:9/titleholder", ours.tracking_uri, ours.snapshots),
    ):
        with pytest.raises(ServiceError):
            audit([MODEL], settings=gone)


def test_a_rollback_is_sound_and_missed_by_both_its_versions_when_it_is_gone(world: World) -> None:
    """The last test: the line has a fourth row from here on."""
    row = interventions.rollback(
        MODEL, RollbackOrder(reason="It declines too many", actor="tester"), settings=world.settings
    )
    report = looked(world)
    assert report.findings == ()
    assert report.rows == 4
    with world.forged(f"DELETE FROM titleholder.decisions WHERE id = {row.id}"):
        assert checks(looked(world)) == [("witness", row.id), ("witness", row.id), ("alias", None)]
