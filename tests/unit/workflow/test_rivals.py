"""Which earlier versions of a lane a challenger is compared with by the record, and which of them may come back."""

from __future__ import annotations

from datetime import date

from support.factories import a_decision, a_recall, a_recall_of, a_rollback, a_verdict, result
from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.spec.types import LIVE
from titleholder.workflow.rivals import line_before

AS_OF = date(2024, 12, 1)


def eligible(*rows: Decision) -> dict[int, bool]:
    """Of each version that is compared, whether it may be recalled."""
    recorded = [
        row.model_copy(update={"verdict": row.verdict.model_copy(update={"rule": "record"})}) if row.verdict else row
        for row in rows
    ]
    line = line_before(recorded, LIVE, AS_OF, reigns.reign_before(recorded, LIVE, AS_OF), "url")
    return {known.trained.version: known.eligible for known in line.rivals}


def kept(sequence: int, *failed: str, kind: str = "keep") -> Decision:
    verdict = a_verdict(*(result(code, "fail") for code in failed))
    return a_decision(sequence, kind=kind, champion_before=1, champion_after=1, verdict=verdict)


def test_a_version_that_was_unfit_for_use_is_not_recalled_whatever_its_month_was_decided() -> None:
    unfit = a_verdict(result("TH203", "fail"), recall=a_recall_of(1))
    rows = [a_decision(1), kept(2, "TH301"), kept(3, "TH201", kind="retire"), kept(4, "TH501")]
    assert eligible(*rows) == {1: True, 2: True, 3: False, 4: False}
    promoted = a_decision(5, champion_before=1)
    assert eligible(rows[0], promoted, a_recall(6, 5, 1, verdict=unfit)) == {1: True, 5: True, 6: False}


def test_a_version_that_was_rolled_back_is_not_recalled_until_it_is_reinstated() -> None:
    rows = [a_decision(1), kept(2, "TH301"), a_decision(3, champion_before=1), a_rollback(4, 3, 1)]
    assert eligible(*rows) == {1: True, 2: False, 3: False}, "version 2 was trained on nothing newer than version 3"
    assert eligible(*rows, a_rollback(5, 1, 3)) == {1: True, 2: True, 3: True}
