"""The Lending Club example on the real file, against a plain reading of it."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from typer.testing import CliRunner

from support.time_world import LOANS, load_loans, needs_loans
from titleholder.cli.main import app
from titleholder.data import snapshots
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.workflow import steps
from titleholder.workflow.audit import audit
from titleholder.workflow.payloads import Origin, Snapshot

pytestmark = [pytest.mark.slow, needs_loans]


@pytest.fixture
def loans(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The services, with the file in the warehouse and the shipped specs."""
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(DEFAULT_FOLDER))
    load_loans()
    return settings


def extract(settings: Settings, as_of: date) -> Snapshot:
    return steps.extract(
        load_specs(DEFAULT_FOLDER, only="lending_club_default")["lending_club_default"],
        as_of,
        "loans",
        url=connection_url("warehouse"),
        origin=Origin(actor="t"),
        settings=settings,
    )


def labels_as_known(as_of: str, start: str, end: str) -> dict[int, int]:
    """The label of every loan issued in [start, end), row by row, with what was known at `as_of`."""
    found = {}
    for row in pd.read_parquet(LOANS).itertuples():
        if not pd.Timestamp(start) <= row.issue_d < pd.Timestamp(end):
            continue
        last = row.issue_d if pd.isna(row.last_pymnt_d) else row.last_pymnt_d
        known = last + pd.Timedelta(days=150)
        within = known < row.issue_d + pd.DateOffset(months=18)
        charged_off = row.loan_status.endswith("Charged Off") and known <= pd.Timestamp(as_of) and within
        found[row.src_row] = int(charged_off)
    return found


@pytest.mark.parametrize(
    ("as_of", "start", "end"), [("2010-10-01", "2007-01-01", "2009-04-01"), ("2012-03-01", "2008-06-01", "2010-09-01")]
)
def test_labels_are_those_known_at_as_of(loans: Settings, as_of: str, start: str, end: str) -> None:
    snapshot = extract(loans, date.fromisoformat(as_of))
    with snapshots.opened(snapshot.uri, snapshot.sha256) as rows:
        frame = rows.read(["loan_id", "charged_off", "known_at"])
    assert dict(zip(frame["loan_id"], frame["charged_off"], strict=True)) == labels_as_known(as_of, start, end)
    assert (frame["known_at"] <= pd.Timestamp(as_of, tz="UTC")).all()


def test_a_month_with_too_few_charge_offs_promotes_nothing(loans: Settings) -> None:
    done = CliRunner().invoke(app, ["run", "lending_club_default", "--as-of", "2010-07-01", "--lane", "loans"])
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "reject: The holdout has 48 rows of the rarer class; at least 50 are needed" in output
    found = audit(["lending_club_default"], settings=loans)
    assert (found.findings, found.rows, found.witnesses, found.snapshots) == ((), 1, 1, 1)
