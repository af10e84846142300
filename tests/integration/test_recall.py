"""A recall on the real stack: ledger, alias, tags, audit, the next month, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import World, build, models_in
from support.factories import a_recall_of
from support.retraining import challenge, settle
from titleholder.cli.main import app
from titleholder.ledger import queries, rollbacks, store
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.workflow import interventions, steps
from titleholder.workflow.audit import audit
from titleholder.workflow.payloads import ProposedDecision, RollbackOrder

pytestmark = pytest.mark.slow
MODEL = "tiny_recalled"
APRIL, MAY = date(2024, 4, 1), date(2024, 5, 1)


@dataclass
class Recalled:
    """Three promotions, then April's challenger, whose verdict recalls the first champion."""

    world: World
    proposed: ProposedDecision
    decision: Decision

    @property
    def first(self) -> Decision:
        return self.world.rows[0]

    def champion(self) -> int | None:
        """The version that the registry's alias points at."""
        return Registry(self.world.settings.tracking_uri).models.champion(MODEL)


def proposal(world: World, as_of: date, version: int) -> ProposedDecision:
    """The challenger of a month, with a verdict that names this version."""
    validated = steps.validate(challenge(MODEL, as_of, "live", world.settings), settings=world.settings)
    verdict = validated.verdict.model_copy(update={"recall": a_recall_of(version)})
    return steps.decide(validated.model_copy(update={"verdict": verdict}), settings=world.settings)


@pytest.fixture(scope="module")
def recalled(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recalled]:
    folder = tmp_path_factory.mktemp("models")
    with models_in(folder, state) as settings:
        world = build(state, folder, settings, MODEL)
        proposed = proposal(world, APRIL, world.rows[0].challenger)
        yield Recalled(world, proposed, steps.promote(proposed, settings=settings))


def test_the_former_version_is_champion_in_the_ledger_and_in_the_registry(recalled: Recalled) -> None:
    row, first, settings = recalled.decision, recalled.first.challenger, recalled.world.settings
    assert (recalled.proposed.kind, recalled.proposed.recalled) == ("recall", first)
    assert (row.kind, row.champion_before, row.champion_after) == ("recall", recalled.world.rows[2].challenger, first)
    assert row.challenger == recalled.proposed.challenger.version
    assert row.judged.recall == a_recall_of(first)
    assert recalled.champion() == first
    assert steps.promote(recalled.proposed, settings=settings) == row, "a second try writes nothing"


def test_the_audit_finds_nothing(recalled: Recalled) -> None:
    steps.report(
        recalled.decision.id, origin=recalled.proposed.challenger.snapshot.origin, settings=recalled.world.settings
    )
    report = audit([MODEL], settings=recalled.world.settings)
    assert report.findings == ()
    assert (report.rows, report.witnesses) == (4, 4)


def test_both_versions_carry_the_decision_and_what_it_was_for_them(recalled: Recalled) -> None:
    registry, row = Registry(recalled.world.settings.tracking_uri), recalled.decision
    steps.report(row.id, origin=recalled.proposed.challenger.snapshot.origin, settings=recalled.world.settings)
    for version, said in ((row.challenger, "keep"), (recalled.first.challenger, "recalled")):
        tags = registry.models.tags(MODEL, version)
        assert (tags[names.VERDICT], tags[names.DECISION]) == (said, str(row.id))
        assert tags[names.DECISION_HASH] == row.hash


def test_the_page_and_the_command_line_show_whose_month_the_champion_is_of(recalled: Recalled) -> None:
    first, url = recalled.first, recalled.world.settings.ledger_url
    status = queries.live_status(url, [MODEL])[MODEL]
    assert status.champion is not None
    assert (status.champion.version, status.champion.kind) == (first.challenger, "recall")
    assert status.champion.as_of == first.as_of, "its age counts from its own month, not from that of the recall"
    assert status.judged is not None
    assert status.judged.id == recalled.decision.id
    assert [r.version for r in queries.reigns(url, MODEL)] == [
        *(r.challenger for r in recalled.world.rows),
        first.challenger,
    ]
    shown = CliRunner().invoke(app, ["champion", MODEL, "--json"])
    found = json.loads(shown.output)
    assert (found["champion"]["version"], found["by"]["kind"]) == (first.challenger, "recall")
    assert found["champion"]["recalled"] == str(APRIL)
    assert "recall v1" in CliRunner().invoke(app, ["history", MODEL]).output


def test_the_next_month_is_judged_against_it_and_a_rollback_bars_it(recalled: Recalled) -> None:
    """The last test of the module: it goes on with the line."""
    world, first = recalled.world, recalled.first.challenger
    next_month = settle(challenge(MODEL, MAY, "live", world.settings), world.settings)
    reign = next_month.judged.champion
    assert reign is not None
    assert (reign.version, reign.recalled, reign.as_of) == (first, APRIL, recalled.first.as_of)
    assert reign.judged_through == recalled.decision.windows.matured
    assert next_month.kind == "promote"
    back = interventions.rollback(MODEL, RollbackOrder(reason="it is bad", actor="ann"), settings=world.settings)
    assert back.champion_after == first
    back = interventions.rollback(MODEL, RollbackOrder(reason="this one too", actor="ann"), settings=world.settings)
    assert back.champion_after == recalled.decision.champion_before, "the champion before the recall"
    rows = store.read_lane(world.settings.ledger_url, MODEL, "live")
    assert set(rollbacks.barred(rows)) == {first, next_month.challenger}
    refused = steps.promote(proposal(world, date(2024, 6, 1), first), settings=world.settings)
    assert refused.kind != "recall"
    assert f"Version {first} would be recalled, but it was rolled back on" in refused.reason
    assert audit([MODEL], settings=world.settings).findings == ()
