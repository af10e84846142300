"""What travels between tasks comes back as it was, through JSON and through XCom."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from support.factories import a_nominee, a_recall_of, a_regression, a_spec, a_verdict, result, spans_of
from titleholder.ledger.decision import Answer
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import UnfitCandidate
from titleholder.workflow.payloads import Challenger, Origin, ProposedDecision, Snapshot, TrainedCandidate

SHIPPED = list(load_specs(DEFAULT_FOLDER).models.values())


def a_snapshot(spec: ModelSpec) -> Snapshot:
    as_of = date(2024, 7, 1)
    return Snapshot(
        spec=spec, lane="live", as_of=as_of, spans=spans_of(spec, as_of), candidates=tuple(spec.training.candidates),
        uri="/s/x.parquet", sha256="ab", rows=9, key="k", run_id="r", origin=Origin(actor="ann", reason="{{ x }}"),
    )  # fmt: skip


@pytest.mark.parametrize("spec", [a_spec(), a_regression(), *SHIPPED], ids=lambda spec: spec.name)
def test_a_proposal_comes_back_with_the_very_spec(spec: ModelSpec) -> None:
    snapshot = a_snapshot(spec)
    challenger = Challenger(
        snapshot=snapshot, name="a", version=3, trained_through=date(2023, 9, 1),
        ranking=(a_nominee("b", "s"), a_nominee("a", "r", twin="c")),
        unfit=(UnfitCandidate(name="b", version=2, failed=("TH203",)),),
    )  # fmt: skip
    answer = Answer(asked=("ann",), answer="approve", by="ann", at=datetime(2024, 7, 2, tzinfo=UTC))
    proposed = ProposedDecision(
        challenger=challenger, verdict=a_verdict(result("TH301")), kind="ask", reason="Because.", head=4, answer=answer
    )
    through_xcom = json.loads(json.dumps(proposed.model_dump(mode="json")))
    for back in (
        ProposedDecision.model_validate(through_xcom),
        ProposedDecision.model_validate_json(proposed.model_dump_json()),
    ):
        assert back == proposed
        assert back.challenger.snapshot.spec.fingerprint() == spec.fingerprint()


@pytest.mark.parametrize(
    ("kind", "if_approved", "recalled"),
    [("recall", "promote", 1), ("ask", "recall", 1), ("ask", "promote", None), ("promote", "recall", None)],
)
def test_a_proposal_says_which_former_version_is_to_be_recalled(
    kind: Any, if_approved: Any, recalled: int | None
) -> None:
    challenger = Challenger(
        snapshot=a_snapshot(a_spec()), name="a", version=3, trained_through=date(2023, 9, 1), ranking=(a_nominee("a"),)
    )
    verdict = a_verdict(recall=a_recall_of(1))
    proposed = ProposedDecision(
        challenger=challenger, verdict=verdict, kind=kind, reason="Because.", if_approved=if_approved
    )
    assert proposed.recalled == recalled
    assert ProposedDecision.model_validate_json(proposed.model_dump_json()) == proposed


def test_a_trained_candidate_keeps_every_digit_of_its_score() -> None:
    trained = TrainedCandidate(snapshot=a_snapshot(a_spec()), nominee=a_nominee("a"), score=0.1 + 0.2)
    assert TrainedCandidate.model_validate(json.loads(json.dumps(trained.model_dump(mode="json")))) == trained
