"""The chain of a lane's rows, without a database: sound rows pass, each way to break them is named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from titleholder.ledger.integrity import broken_links, decision_on, digest, wrong_champions

VERDICT = {
    "champion": None, "holdout_start": "2024-01-01", "holdout_end": "2024-03-01", "rows": 9, "events": 3,
    "metric": "roc_auc", "challenger_metrics": {"roc_auc": 0.7}, "champion_metrics": {}, "gain": None,
    "confidence": 0.95, "checks": [],
}  # fmt: skip


def row(sequence: int, previous: str, **changes: Any) -> dict[str, Any]:
    """A row as the database has it: its documents are texts."""
    day = date(2024, sequence, 1)
    made: dict[str, Any] = {
        "id": 40 + sequence, "model": "m", "lane": "live", "sequence": sequence, "as_of": day, "kind": "promote",
        "challenger_version": sequence, "champion_before": sequence - 1 or None, "champion_after": sequence,
        "trained_through": day, "nominees": "[]", "run_key": "k", "snapshot_uri": "u", "snapshot_sha256": "s", "spec": json.dumps({"huge": 1e20}),
        "spec_fingerprint": "f", "training_run_id": "t", "judgement_fingerprint": "j", "reign_fingerprint": "", "verdict": json.dumps(VERDICT),
        "spans": json.dumps({"train_start": "2023-01-01", "holdout_start": "2024-01-01", "matured": "2024-03-01"}),
        "caused_by": None, "written_by": "ledger", "code_version": "0", "seed": 1, "mlflow_run_id": "r",
        "airflow_run": "", "actor": "a", "reason": "because", "asked_because": "", "approval": None,
        "created_at": datetime(2024, sequence, 2, tzinfo=UTC), "seal": "", "previous_hash": previous,
    } | changes  # fmt: skip
    return made | {"hash": digest(made)}


def lane(**third: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for n in (1, 2, 3):
        rows.append(row(n, rows[-1]["hash"] if rows else "", **(third if n == 3 else {})))
    return rows


def recalling(version: int, **more: Any) -> dict[str, Any]:
    """What makes a row the recall of this version."""
    recall = {"version": version, "as_of": "2024-01-01", "trained_through": "2023-04-01", "gain": 0.01, "risk": 0.01}
    return {"kind": "recall", "champion_after": version, "verdict": json.dumps(VERDICT | {"recall": recall}), **more}


def faults(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(f.row["id"], f.explanation) for f in broken_links(rows)]


@pytest.mark.parametrize("document", ["[" * 100_000 + "]" * 100_000, '{"a": ' + "9" * 5000 + "}"], ids=["deep", "long"])
def test_a_document_that_no_reader_takes_is_named_as_any_other_fault(document: str) -> None:
    """PostgreSQL takes it, and Python's reader gives up: without a name for it, one such row would hide all others."""
    ((decision, explanation),) = faults(lane(spec=document))
    assert decision == 43
    assert "this version cannot read it" in explanation
    found = list(wrong_champions(lane(**recalling(1, verdict=document)), "live"))
    assert [f.row["id"] for f in found] == [43]


def test_sound_rows_have_no_fault() -> None:
    assert faults(lane()) == []
    assert list(wrong_champions(lane(), "live")) == []


@pytest.mark.parametrize(
    "change", [{"reason": "forged"}, {"approval": '{"by": "me"}'}, {"verdict": "{}"}, {"as_of": date(2020, 1, 1)}]
)
def test_a_changed_row_is_the_only_one_named(change: dict[str, Any]) -> None:
    rows = lane()
    rows[1] |= change
    ((number, explanation),) = faults(rows)
    assert number == 42
    assert explanation.startswith("Its content was changed: it hashes to ")


def test_a_row_changed_with_its_hash_no_longer_fits_the_next_one() -> None:
    rows = lane()
    rows[1] |= {"reason": "forged"}
    rows[1]["hash"] = digest(rows[1])
    ((number, explanation),) = faults(rows)
    assert number == 43
    assert explanation.startswith("Its previous_hash is ")
    assert "decision 42 before it has the hash" in explanation


@pytest.mark.parametrize(
    ("gone", "number", "message"),
    [
        ([1], 43, "Its sequence number is 3: the row with 2 is gone."),
        ([0], 42, "Its sequence number is 2: the row with 1 is gone."),
        ([0, 1], 43, "Its sequence number is 3: the rows with 1 to 2 are gone."),
    ],
)
def test_a_row_that_is_gone_is_missed_by_the_next_one(gone: list[int], number: int, message: str) -> None:
    ((named, explanation),) = faults([r for n, r in enumerate(lane()) if n not in gone])
    assert named == number
    assert message in explanation
    assert "Its previous_hash is" in explanation


def test_what_cannot_be_hashed_or_read_is_a_fault_and_no_crash() -> None:
    rows = lane()
    rows[1] |= {"seed": object()}
    ((_, explanation),) = faults(rows)
    assert "Its hash cannot be computed" in explanation
    ((number, explanation),) = faults(lane(verdict='{"rows": "many"}'))
    assert number == 43
    assert "this version cannot read it" in explanation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"champion_before": 1}, "It has version 1 as champion before, but the row before left version 2"),
        ({"champion_before": None}, "It has no champion as champion before, but the row before left version 2"),
        ({"champion_after": 7}, "a promote from version 2, which cannot end with version 7"),
        ({"kind": "keep"}, "a keep from version 2, which cannot end with version 3"),
        ({"kind": "rollback", "champion_after": 2}, "a rollback from version 2, which cannot end with version 2"),
        ({"kind": "rollback", "champion_after": 7}, "a rollback to version 7, which never was champion before"),
        ({"kind": "recall"}, "a recall from version 2, which cannot end with version 3"),
        (
            {"kind": "recall", "verdict": "no JSON", "champion_after": 1},
            "a recall from version 2, which cannot end with",
        ),
        (recalling(1, champion_after=3), "a recall from version 2, which cannot end with version 3"),
        (recalling(2), "a recall from version 2, which cannot end with version 2"),
        (recalling(3), "a recall of version 3, which was the challenger of no earlier as-of date of the lane"),
        (recalling(9), "a recall of version 9, which was the challenger of no earlier as-of date of the lane"),
    ],
)
def test_champions_follow_from_one_another(change: dict[str, Any], message: str) -> None:
    (fault,) = wrong_champions(lane(**change), "live")
    assert fault.row["id"] == 43
    assert message in fault.explanation


def test_a_rollback_a_keep_a_retirement_and_a_recall_are_sound_ends() -> None:
    for change in (
        {"kind": "rollback", "challenger_version": None, "champion_after": 1},
        {"kind": "keep", "champion_after": 2},
        {"kind": "retire", "champion_after": 2},
        recalling(1),
    ):
        assert list(wrong_champions(lane(**change), "live")) == []


def test_elsewhere_than_live_the_row_before_need_not_be_the_month_before() -> None:
    assert list(wrong_champions(lane(champion_before=1), "backtest")) == []


def test_elsewhere_than_live_a_version_of_a_later_month_cannot_be_recalled() -> None:
    """Its row may stand before the recall's, but in as-of order its month comes after."""
    assert list(wrong_champions(lane(**recalling(1)), "backtest")) == []
    (fault,) = wrong_champions(lane(**recalling(1), as_of=date(2023, 12, 1)), "backtest")
    assert "a recall of version 1, which was the challenger of no earlier as-of date" in fault.explanation
    assert faults(lane(**recalling(1))) == []


def test_the_newest_row_of_a_version_tells_what_it_was_trained_on() -> None:
    rows = lane(challenger_version=2, champion_after=2)
    assert decision_on(rows, 2) == rows[2]
    assert decision_on(rows, 9) is None
