"""What is decided already, what a ruling is made of, and the alias that follows the ledger; without any service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from support.factories import (
    a_decision,
    a_nominee,
    a_recall,
    a_recall_of,
    a_rollback,
    a_spec,
    a_verdict,
    result,
    spans_of,
)
from titleholder.errors import ServiceError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Answer, Decision, Entry
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.settings import Settings, code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import BACKTEST, LIVE
from titleholder.workflow import promotion
from titleholder.workflow.payloads import Bundle, Challenger, Origin, ProposedDecision, Snapshot
from titleholder.workflow.trained_versions import TrainedVersion

SPEC = a_spec()
OTHER = a_spec(judgement__minimum_gain=0.5)
YES = Answer(asked=("ann",), answer="approve", by="ann")
SETTINGS: Any = Settings("ledger", "mlflow", "snapshots")


def lane(*decisions: Decision) -> list[LaneEntry]:
    """These decisions as `store.read_lane` gives them."""
    rows: list[LaneEntry] = []
    for decision in decisions:
        planned = LaneEntry.planned(entry_of(decision), rows)
        stored = {"id": decision.id, "created_at": decision.created_at}
        rows.append(planned.model_copy(update=stored | {"spec": planned.spec if planned.changed else None}))
    return rows


def entry_of(decision: Decision) -> Entry:
    """A decision before it had a place in its lane, judged under the thresholds of `SPEC`."""
    fields = {name: getattr(decision, name) for name in Entry.model_fields}
    return Entry(**fields | {"judgement_fingerprint": SPEC.judgement_fingerprint()})


def judged_against(rows: list[LaneEntry], decision: Decision) -> Decision:
    """The decision as one that was judged against the champion it has after these rows."""
    reign = reigns.reign_before(rows, decision.lane, decision.as_of)
    return decision.model_copy(update={"reign_fingerprint": reigns.fingerprint(reign)})


def test_a_planned_entry_stands_behind_the_rows_that_are_there() -> None:
    first, second = lane(a_decision(1), a_decision(2, kind="keep", champion_before=1, champion_after=1))
    assert [first.sequence, second.sequence] == [1, 2]
    assert (first.spec is None, second.spec is None) == (False, True), "a spec where the champion changed"
    assert second.matured == a_decision(2).matured
    kept = LaneEntry.planned(entry_of(a_decision(3, kind="keep", champion_before=1, champion_after=1)), [first, second])
    assert kept.id < 0
    assert kept.spec is not None, "the ledger cannot be asked for it"


def test_nothing_is_decided_about_a_version_without_a_row() -> None:
    assert promotion.standing([], 1, SPEC) is None
    assert promotion.standing(lane(a_decision(1)), 2, SPEC) is None


def test_a_live_champion_is_decided_for_good() -> None:
    (row,) = rows = lane(a_decision(1))
    assert promotion.standing(rows, 1, OTHER) == row.id
    assert promotion.standing(rows, 1, SPEC, YES) == row.id


def test_a_version_that_was_recalled_later_is_decided_for_good() -> None:
    kept = a_decision(2, kind="keep", champion_before=1, champion_after=1)
    rows = lane(a_decision(1), kept, a_recall(3, 1, 2))
    assert promotion.standing(rows, 2, OTHER) == kept.id
    assert promotion.standing(rows, 3, SPEC) == rows[2].id
    assert promotion.standing(rows, 3, OTHER) is None, "the challenger of the recall itself may be judged again"


def test_a_challenger_that_was_kept_back_is_decided_until_thresholds_or_answer_change() -> None:
    kept = a_decision(2, kind="keep", champion_before=1, champion_after=1, approval=YES)
    rows = lane(a_decision(1), kept)
    assert promotion.standing(rows, 2, SPEC) == kept.id
    assert promotion.standing(rows, 2, SPEC, YES) == kept.id
    assert promotion.standing(rows, 2, SPEC, YES.model_copy(update={"answer": "reject"})) is None
    assert promotion.standing(rows, 2, OTHER) is None


def test_in_another_lane_a_decision_stands_while_it_is_in_force_and_its_champion_is_the_same() -> None:
    january = a_decision(1, lane=BACKTEST, reign_fingerprint="")
    february = judged_against(
        lane(january), a_decision(2, lane=BACKTEST, kind="keep", champion_before=1, champion_after=1)
    )
    rows = lane(january, february)
    assert [promotion.standing(rows, version, SPEC) for version in (1, 2)] == [january.id, february.id]
    again = a_decision(3, lane=BACKTEST, as_of=january.as_of, reign_fingerprint="")
    rows = lane(january, february, again)
    assert promotion.standing(rows, 1, SPEC) is None, "a later challenger of the same month replaced it"
    assert promotion.standing(rows, 2, SPEC) is None, "it was judged against another champion"
    assert promotion.standing(rows, 3, SPEC) == again.id


def test_the_spec_and_the_run_of_a_champion_come_from_the_lane_or_else_from_its_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = lane(a_decision(1))
    reign = reigns.reign_before(rows, LIVE, date(2024, 9, 1))

    def asked(_: str, numbers: list[int]) -> list[Decision]:
        assert numbers == [102]
        return [a_decision(2, challenger_version=1, spec=OTHER.model_dump(mode="json"))]

    monkeypatch.setattr(store, "decisions", asked)
    assert promotion.champion_of(rows, reign, "url") == TrainedVersion(1, rows[0].nominee, SPEC)
    assert promotion.champion_of(rows, None, "url") is None
    unchanged = a_decision(2, challenger_version=1, kind="keep", champion_before=1, champion_after=1)
    rows = lane(a_decision(1), unchanged)
    assert promotion.champion_of(rows, reign, "url") == TrainedVersion(1, rows[1].nominee, OTHER)


def test_a_rejudgement_carries_what_a_new_verdict_changes() -> None:
    row = a_decision(2, lane=BACKTEST)
    against = a_verdict()
    assert against.champion is not None
    changed = promotion.rejudgement(row, SPEC, against, [], BACKTEST)
    assert changed["kind"] == "promote"
    assert (changed["champion_before"], changed["champion_after"]) == (against.champion.version, 2)
    assert changed["reign_fingerprint"] == reigns.fingerprint(against.champion)
    lost = promotion.rejudgement(row, SPEC, a_verdict(result("TH402", "fail")), [], BACKTEST)
    assert (lost["kind"], lost["champion_after"]) == ("keep", against.champion.version)
    alone = promotion.rejudgement(row, SPEC, a_verdict(result("TH201", "fail"), champion=None), [], BACKTEST)
    assert (alone["kind"], alone["champion_before"], alone["champion_after"]) == ("reject", None, None)


def test_a_rejudgement_that_recalls_makes_the_former_version_champion() -> None:
    row = a_decision(4, lane=BACKTEST)
    changed = promotion.rejudgement(row, SPEC, a_verdict(recall=a_recall_of(1)), [], BACKTEST)
    assert (changed["kind"], changed["champion_before"], changed["champion_after"]) == ("recall", 3, 1)
    kept = a_verdict(result("TH301", "fail"), recall=a_recall_of(1, result("TH203", "fail")))
    changed = promotion.rejudgement(row, SPEC, kept, [], BACKTEST)
    assert (changed["kind"], changed["champion_after"]) == ("keep", 3)


ASKING = a_spec(promotion__approval={"by": ["ann"], "within": "3 days"})


def recall_planned(
    rows: list[LaneEntry], head: int, answer: Answer | None, spec: ModelSpec = ASKING, bundle: Bundle | None = None
) -> Entry:
    """What is planned behind these rows for July's challenger, version 7, whose verdict recalls version 1."""
    as_of = date(2024, 7, 1)
    snapshot = Snapshot(
        spec=spec, lane=LIVE, as_of=as_of, spans=spans_of(spec, as_of), candidates=("line",), uri="u", sha256="s",
        rows=9, key="k", run_id="r", origin=Origin(actor="airflow:scheduled", bundle=bundle),
    )  # fmt: skip
    challenger = Challenger(
        snapshot=snapshot, name="line", version=7, trained_through=date(2023, 10, 1), ranking=(a_nominee("line", "t"),)
    )
    verdict = a_verdict(champion=reigns.reign_before(rows, LIVE, as_of), recall=a_recall_of(1))
    proposed = ProposedDecision(
        challenger=challenger, verdict=verdict, kind="ask", reason="", if_approved="recall", head=head, answer=answer
    )
    planned = promotion.Planner(proposed, Any, "url").plan(rows)
    assert isinstance(planned, list)
    (entry,) = planned
    return entry


@pytest.mark.parametrize(
    ("bundle", "ending"), [(None, ""), (Bundle(name="models", version="3f2a"), ", bundle models at 3f2a")]
)
def test_a_row_has_the_version_of_the_bundle_that_its_run_was_extracted_from(
    bundle: Bundle | None, ending: str
) -> None:
    rows = lane(a_decision(1), a_decision(2, champion_before=1))
    assert recall_planned(rows, 2, None, SPEC, bundle).code_version == f"{code_version()}{ending}"


def test_a_recall_is_one_row_about_the_challenger_that_ends_with_the_former_version() -> None:
    rows = lane(a_decision(1), a_decision(2, champion_before=1))
    entry = recall_planned(rows, 2, None, SPEC)
    assert (entry.kind, entry.champion_before, entry.champion_after) == ("recall", 2, 1)
    assert (entry.challenger_version, entry.trained_through, entry.training_run_id) == (7, date(2023, 10, 1), "t")
    assert entry.spans == spans_of(SPEC, date(2024, 7, 1))


@pytest.mark.parametrize(
    ("answer", "kind", "after", "begins"),
    [
        (YES, "recall", 1, "ann approved. On the record"),
        (YES.model_copy(update={"answer": "reject"}), "keep", 2, "ann said no. On the record"),
        (None, "keep", 2, "No person could be asked. On the record"),
    ],
)
def test_a_recall_that_people_must_approve_needs_their_yes(
    answer: Answer | None, kind: str, after: int, begins: str
) -> None:
    entry = recall_planned(lane(a_decision(1), a_decision(2, champion_before=1)), 2, answer)
    assert (entry.kind, entry.champion_after) == (kind, after)
    assert entry.reason.startswith(begins)


def test_a_yes_is_void_when_another_version_was_recalled_since() -> None:
    kept = a_decision(3, kind="keep", champion_before=2, champion_after=2)
    entry = recall_planned(lane(a_decision(1), a_decision(2, champion_before=1), kept, a_recall(4, 2, 3)), 3, YES)
    assert (entry.kind, entry.champion_after) == ("keep", 3)
    assert entry.reason.startswith("ann approved, but too late: version 3 was recalled as of 2024-04-01 since.")


def test_a_rollback_that_was_declined_since_voids_no_yes() -> None:
    july = date(2024, 7, 1)
    kept = a_decision(3, as_of=july, kind="keep", champion_before=2, champion_after=2)
    declined = a_rollback(4, 2, 2, kind="decline", as_of=july, approval=YES)
    entry = recall_planned(lane(a_decision(1), a_decision(2, champion_before=1), kept, declined), 3, YES)
    assert (entry.kind, entry.champion_after) == ("recall", 1)


def test_a_version_that_was_rolled_back_is_not_recalled() -> None:
    rows = lane(a_decision(1), a_decision(2, champion_before=1), a_rollback(3, 2, 1))
    verdict = a_verdict(recall=a_recall_of(2))
    ruling = promotion.rule(SPEC, verdict, date(2024, 9, 1), date(2024, 2, 1), LIVE, rows)
    assert ruling.kind == "promote"
    assert ruling.reason.endswith("Version 2 would be recalled, but it was rolled back on 2024-03-01.")


def test_a_version_that_was_rolled_back_wins_no_ruling() -> None:
    rows = lane(a_decision(1), a_decision(2, champion_before=1), a_rollback(3, 2, 1))
    through = rows[1].trained_through
    ruling = promotion.rule(SPEC, a_verdict(), date(2024, 9, 1), through, LIVE, rows)
    assert ruling.kind == "keep"
    assert "nothing newer" in ruling.reason


@pytest.mark.parametrize(
    ("head", "alias", "retired", "moves"),
    [
        (None, None, "", []),
        (None, 4, "", []),
        (None, 4, "decision 9", [None]),
        (None, None, "decision 9", []),
        (1, 1, "", []),
        (1, None, "", [1]),
        (2, 1, "", [2]),
        (1, 2, "", [1]),
    ],
)
def test_the_alias_follows_the_head_under_its_lock(
    head: int | None, alias: int | None, retired: str, moves: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, moved = [False], []

    @contextmanager
    def locked(url: str, model: str) -> Iterator[None]:
        assert (url, model) == (SETTINGS.ledger_url, "small")
        held[0] = True
        yield
        held[0] = False

    def champion(*_: Any) -> int | None:
        assert held[0], "read before the lock was held"
        return alias

    def head_of(*_: Any) -> int | None:
        assert held[0], "read before the lock was held"
        return head

    def set_champion(_: str, version: int | None = None) -> None:
        assert held[0], "moved without the lock"
        moved.append(version)

    monkeypatch.setattr(store, "alias_locked", locked)
    monkeypatch.setattr(store, "champion", head_of)
    monkeypatch.setattr(store, "retired", lambda *_: retired)
    models = SimpleNamespace(champion=champion, set_champion=set_champion, remove_champion=set_champion)
    registry: Any = SimpleNamespace(models=models)
    assert promotion.follow_head("small", settings=SETTINGS, registry=registry) == bool(moves)
    assert moved == moves


def test_a_plan_is_made_again_for_the_rows_that_are_there_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = [lane(), lane(a_decision(1))]
    after: list[int] = []

    def append(_: str, entries: list[Decision], *, after: int, asked: list[int] = after) -> list[Decision] | None:
        asked.append(after)
        return entries if len(asked) > 1 else None

    monkeypatch.setattr(store, "read_lane", lambda *_: lanes.pop(0))
    monkeypatch.setattr(store, "append", append)
    planned: list[int] = []

    def plan(rows: list[LaneEntry]) -> Any:
        planned.append(len(rows))
        return [a_decision(len(rows) + 1)]

    assert store.write(plan, "url", "small", LIVE).sequence == 2
    assert planned == after == [0, 1]


def test_a_plan_is_given_up_after_so_many_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 3)
    monkeypatch.setattr(store, "PAUSE", 0)
    monkeypatch.setattr(store, "read_lane", lambda *_: [])
    monkeypatch.setattr(store, "append", lambda *_, **__: None)
    planned: list[int] = []
    with pytest.raises(ServiceError, match="small, lane live: other runs kept writing for 3 attempts"):
        store.write(lambda rows: planned.append(len(rows)) or [], "url", "small", LIVE)
    assert planned == [0, 0, 0]
