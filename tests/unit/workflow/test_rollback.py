"""A rollback that people must approve: who may answer, and the row that a no leaves; the ledger is a list in memory."""

from __future__ import annotations

from typing import Any

import pytest

from support.factories import a_decision, a_spec
from titleholder.errors import UsageError
from titleholder.ledger import integrity, reigns, store
from titleholder.ledger.decision import Answer, Decision, Entry
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.spec.model import ModelSpec
from titleholder.workflow import rollback
from titleholder.workflow.payloads import Bundle, RollbackOrder

AUTOMATIC = a_spec()
RUN = "small.rollback/by_hand"


def by(*people: str) -> ModelSpec:
    """A spec under which these people approve rollbacks."""
    return a_spec(promotion__rollback_approval={"by": [*people], "within": "1 hour"})


class Ledger:
    """The live lane of one model: two promotions, then what is planned and written."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        first, second = a_decision(1), a_decision(2, champion_before=1)
        self.decisions = {-1: first, -2: second}
        self.entries: list[Entry] = []
        self.rows: list[LaneEntry] = []
        for entry in (first, second):
            self._append(Entry.model_validate(entry.model_dump(include=set(Entry.model_fields))))
        patch.setattr(store, "read_lane", lambda *_: list(self.rows))
        patch.setattr(store, "decision", lambda _, number: self.decisions[number])
        patch.setattr(store, "write", self._write)

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.rows.append(LaneEntry.planned(entry, self.rows))

    def _write(self, plan: Any, *_: Any) -> Entry:
        planned = plan(list(self.rows))
        if isinstance(planned, int):
            return self.entries[-planned - 1]
        for entry in planned:
            self._append(entry)
            known = a_decision(1, **dict(entry)) if entry.verdict else None
            self.decisions[self.rows[-1].id] = known or a_decision(1, **entry.model_dump())
        return planned[0]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


def ordered(spec: ModelSpec | None, actor: str = "ops", run: str = RUN, **order: Any) -> RollbackOrder:
    """An order as it is when people are asked about it."""
    wanted = RollbackOrder(reason="too eager", actor=actor, run=run, **order)
    return rollback.pinned("small", spec, wanted, "")


def answered(order: RollbackOrder, answer: str, person: str = "") -> RollbackOrder:
    asked = tuple(p.name for p in order.approvers or ())
    return order.model_copy(update={"answer": Answer.model_validate({"asked": asked, "answer": answer, "by": person})})


@pytest.mark.parametrize(
    ("answer", "person", "said"),
    [
        ("reject", "ann", "ann said no"),
        ("none", "", "There was no answer in time, which means no"),
        ("approve", "eve", "eve approved, but was not asked"),
    ],
)
def test_a_no_leaves_a_row_and_changes_nothing(ledger: Ledger, answer: str, person: str, said: str) -> None:
    """Only Airflow knew that people had been asked."""
    spec = by("ann", "bob")
    row = rollback.roll_back("small", spec, answered(ordered(spec), answer, person), "")
    assert (row.kind, row.champion_before, row.champion_after, row.challenger_version) == ("decline", 2, 2, None)
    assert row.reason == f"{said}. Version 2 stays champion: version 1 was to become champion again. too eager"
    assert (row.actor, row.airflow_run, row.asked_because) == ("ops", RUN, "too eager")
    assert row.approval is not None
    assert row.approval.answer == answer
    assert reigns.former_champions(ledger.rows) == [1, 2]
    assert reigns.bar(ledger.rows, ledger.rows[1].trained_through or a_decision(1).as_of) == "", "nobody is barred"


def test_a_no_stands_for_its_run_and_a_yes_in_another_counts(ledger: Ledger) -> None:
    """Who clears a run is not known, and an answer of an earlier try could be put back into Airflow's results."""
    spec = by("ann")
    refused, replayed = (answered(ordered(spec), answer, "ann") for answer in ("reject", "approve"))
    first = rollback.roll_back("small", spec, refused, "")
    for again in (refused, replayed, ordered(spec)):
        assert rollback.roll_back("small", spec, again, "") is first
    row = rollback.roll_back("small", spec, answered(ordered(spec, run="another"), "approve", "ann"), "")
    assert [e.kind for e in ledger.entries[2:]] == ["decline", "rollback"]
    assert row.reason == "ann approved. Version 2 gave way to version 1. too eager"


def test_silence_may_be_followed_by_a_yes_in_the_same_run(ledger: Ledger) -> None:
    spec = by("ann")
    for answer, person in (("none", ""), ("approve", "ann")):
        rollback.roll_back("small", spec, answered(ordered(spec), answer, person), "")
    assert [e.kind for e in ledger.entries[2:]] == ["decline", "rollback"]


def test_nobody_approves_a_rollback_that_anybody_may_have_requested(ledger: Ledger) -> None:
    spec = by("ann", "bob")
    assert [p.name for p in ordered(spec, requesters=("bob",)).approvers or ()] == ["ann"]
    order = ordered(spec, actor="airflow:operator_triggered", requesters=None)
    assert order.approvers == ()
    row = rollback.roll_back("small", spec, answered(order, "none"), "")
    assert row.kind == "decline"
    assert row.reason.startswith("No person may approve: it is not known who requested this run")


def test_the_approvers_are_those_of_the_spec_when_it_was_requested(ledger: Ledger) -> None:
    """They were taken from the spec when people answered: an edit made new approvers of an open question."""
    order = ordered(by("ann", "ops"))
    assert [p.name for p in order.approvers or ()] == ["ann"], "nobody approves their own"
    row = rollback.roll_back("small", by("ann", "eve"), answered(order, "approve", "eve"), "")
    assert (row.kind, row.reason.partition(".")[0]) == ("decline", "eve approved, but was not asked")


def test_whom_the_spec_does_not_name_any_more_may_not_say_yes(ledger: Ledger) -> None:
    row = rollback.roll_back("small", by("bob"), answered(ordered(by("ann", "bob")), "approve", "ann"), "")
    assert row.kind == "decline"
    assert row.reason.startswith("ann approved, but the current spec no longer allows it. Version 2 stays champion")


def test_a_no_counts_although_the_spec_asks_nobody_any_more(ledger: Ledger) -> None:
    order = ordered(by("ann"))
    assert rollback.roll_back("small", AUTOMATIC, answered(order, "reject", "ann"), "").kind == "decline"
    later = ordered(by("ann"), run="another")
    assert rollback.roll_back("small", AUTOMATIC, answered(later, "approve", "ann"), "").kind == "rollback"


def test_the_same_order_of_the_same_person_is_carried_out_once(ledger: Ledger) -> None:
    """Its answer may have been lost; before, the second one went back one version further."""
    typed = RollbackOrder(reason="too eager", actor="cli:ann")
    first = rollback.roll_back("small", AUTOMATIC, typed, "")
    named = [typed, *(typed.model_copy(update=more) for more in ({"leaving": 2}, {"to": 1}, {"leaving": 2, "to": 1}))]
    for order in named:
        assert rollback.roll_back("small", AUTOMATIC, rollback.pinned("small", AUTOMATIC, order, ""), "") is first
    for other in ({"actor": "cli:bob"}, {"reason": "too timid"}, {"leaving": 1}, {"run": RUN}):
        with pytest.raises(UsageError, match="version 1 has no predecessor to go back to"):
            rollback.roll_back("small", AUTOMATIC, typed.model_copy(update=other), "")
    assert len(ledger.rows) == 3


def test_no_way_leads_past_the_question(ledger: Ledger) -> None:
    unasked = ordered(AUTOMATIC)
    assert unasked.approvers is None
    with pytest.raises(UsageError, match=r"must be approved by one of ann .*trigger the DAG small\.rollback"):
        rollback.roll_back("small", by("ann"), unasked, "")
    assert len(ledger.rows) == 2


def test_without_a_spec_that_of_the_newest_run_says_who_must_approve(ledger: Ledger) -> None:
    """A rollback, or a declined one, has the spec of an older version, which may have asked nobody."""
    ledger.decisions[-2] = ledger.decisions[-2].model_copy(update={"spec": by("ann").model_dump(mode="json")})
    declined = answered(ordered(None), "reject", "ann")
    row = rollback.roll_back("small", None, declined, "")
    assert (row.kind, row.spec["promotion"]["rollback_approval"]) == ("decline", "automatic")
    assert [p.name for p in ordered(None, run="another").approvers or ()] == ["ann"]


def test_a_retired_model_can_be_brought_back_with_an_approval_and_stays_retired_after_a_no(ledger: Ledger) -> None:
    """The question was skipped where there was no champion, and the rollback then refused for want of an answer."""
    spec = by("ann")
    rollback.withdraw("small", "no product", "ops", "")
    order = ordered(spec)
    assert (order.leaving, order.to) == (None, 2)
    row = rollback.roll_back("small", spec, answered(order, "reject", "ann"), "")
    assert (row.kind, row.champion_after) == ("decline", None)
    assert "The model stays retired: version 2 was to become champion again" in row.reason
    assert "no product" in reigns.retirement(ledger.rows)
    back = rollback.roll_back("small", spec, answered(ordered(spec, run="another"), "approve", "ann"), "")
    assert (back.kind, back.champion_after) == ("rollback", 2)
    assert reigns.retirement(ledger.rows) == ""


def test_the_audit_accepts_a_declined_rollback_and_no_change_by_one() -> None:
    def faults(**decline: Any) -> list[str]:
        lane: list[Decision] = [
            a_decision(1),
            a_decision(2, champion_before=1, kind="decline", verdict=None, **decline),
        ]
        return [f.explanation for f in integrity.wrong_champions([row.model_dump() for row in lane], "live")]

    assert faults(challenger_version=None, champion_after=1) == []
    assert faults(champion_after=2) == ["It is a decline from version 1, which cannot end with version 2."]


def test_a_row_has_the_version_of_the_bundle_that_its_run_came_from(ledger: Ledger) -> None:
    order = ordered(None, bundle=Bundle(name="models", version="3f2a"))
    row = rollback.roll_back("small", None, order.model_copy(update={"approvers": None}), "")
    assert row.code_version.endswith(", bundle models at 3f2a")
    assert row.kind == "rollback"
