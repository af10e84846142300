"""A row of the ledger: what its hash covers, and that it comes back as it was written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from support.factories import a_decision, a_recall, a_recall_of, a_rollback, a_spec, a_verdict, result
from titleholder.errors import DataError
from titleholder.ledger.decision import DOCUMENTS, Decision, Entry, restored_spec, written_form
from titleholder.ledger.integrity import digest


def stored(**parts: Any) -> dict[str, Any]:
    """A decision's row as the database gives it back."""
    decision = a_decision(created_at=datetime(2024, 1, 1, 6, 0, 0, 120, tzinfo=UTC), **parts)
    entry = Entry.model_validate(decision.model_dump(include=set(Entry.model_fields)))
    (written,) = json.loads(written_form([entry]))
    documents = {name: written[name] and json.dumps(written[name], sort_keys=True) for name in DOCUMENTS}
    return decision.model_dump(exclude=set(DOCUMENTS)) | documents


def test_a_row_comes_back_as_it_was_written() -> None:
    row = stored()
    assert all(row[name] is None or isinstance(row[name], str) for name in DOCUMENTS)
    assert Decision.from_row(row) == a_decision(created_at=row["created_at"])


@pytest.mark.parametrize("spec", [None, {}, {"name": "x"}, a_spec().model_dump(mode="json") | {"owner": 7}])
def test_a_spec_that_this_version_cannot_read_names_its_decision(spec: dict[str, Any] | None) -> None:
    """The database accepts any object from who appends, and an older version may have written another form."""
    with pytest.raises(DataError, match="the spec of decision 7 cannot be read by this version: .*owner"):
        restored_spec(7, spec)
    assert restored_spec(7, a_spec().model_dump(mode="json")) == a_spec()


def test_whether_its_challenger_is_fit_does_not_depend_on_its_kind() -> None:
    unfit = a_verdict(result("TH203", "fail"), recall=a_recall_of(1))
    assert not a_recall(3, 2, 1, verdict=unfit).fit
    assert a_recall(3, 2, 1).fit
    for code in ("TH301", "TH302"):
        assert a_decision(verdict=a_verdict(result(code, "fail"))).fit, "another champion may see it otherwise"
    implausible = a_verdict(result("TH503", "fail"))
    assert not a_decision(verdict=implausible, kind="keep").fit
    assert a_decision(verdict=implausible, kind="promote").fit, "a person promoted it"
    assert a_decision(verdict=a_verdict(result("TH401", "fail", "warn"))).fit
    assert a_rollback(2, 2, 1).fit


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "forged"}, {"actor": None}, {"caused_by": 7}, {"as_of": date(2020, 1, 1)}, {"previous_hash": "y"},
        {"created_at": datetime(2024, 1, 1, 6, tzinfo=UTC)}, {"approval": json.dumps({"by": "me"})},
    ],
)  # fmt: skip
def test_the_hash_covers_every_column(change: dict[str, Any]) -> None:
    assert digest(stored() | change) != digest(stored())


def test_the_hash_covers_the_text_of_a_document_not_its_meaning() -> None:
    row = stored()
    spaced = row | {"verdict": row["verdict"].replace(": ", ":  ", 1)}
    assert json.loads(spaced["verdict"]) == json.loads(row["verdict"])
    assert digest(spaced) != digest(row)


def test_the_hash_covers_neither_the_id_nor_itself_nor_the_clock_s_zone() -> None:
    row = stored()
    elsewhere = row["created_at"].astimezone(timezone(timedelta(hours=5)))
    assert digest(row | {"id": 9, "hash": "z", "created_at": elsewhere}) == digest(row)


def test_a_row_that_cannot_be_read_is_named() -> None:
    with pytest.raises(DataError, match="decision 101 cannot be read by this version"):
        Decision.from_row(stored() | {"verdict": "{}"})
