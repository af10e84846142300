"""What the page asks the ledger about a monitor's looks, on real PostgreSQL, as the role that only reads."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from localstack.settings import ledger_url
from localstack.state import State
from support.in_use import write_report
from support.page_cases import a_report
from support.rows import append, entry
from titleholder.ledger import monitor_history
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL = "paper"


@pytest.fixture
def reign(settings: Settings, request: pytest.FixtureRequest) -> Decision:
    """A reign in a lane of its own."""
    return append(settings, entry(f"looks-{abs(hash(request.node.name)) % 10**9}"))


def looked(number: int, psi: float) -> dict[str, Any]:
    """A report whose first feature has this index."""
    report = a_report()
    report["drift"]["looks"] = number
    report["drift"]["features"][0]["psi"]["estimate"] = psi
    return report


def test_the_newest_look_is_whole_and_the_earlier_ones_are_numbers(
    settings: Settings, state: State, reign: Decision
) -> None:
    for day, (number, psi) in enumerate([(1, 0.01), (2, 0.02), (2, 0.02), (3, 0.3)], 1):  # the third waits for rows
        write_report(settings, reign, day, looked(number, psi))
    url = ledger_url(state, "ledger_reader")
    found = monitor_history.newest(url, MODEL, reign.lane)
    assert found is not None
    assert (found.as_of, found.state, found.decision) == (date(2024, 3, 4), "quiet", reign.id)
    assert found.report is not None
    assert found.report.drift is not None
    assert found.report.drift.features[0].psi.estimate == 0.3
    series = monitor_history.series(url, MODEL, reign.lane, reign.id, 60)
    assert [(look.as_of.day, look.psi["income"]) for look in series] == [(1, 0.01), (2, 0.02), (4, 0.3)]
    assert set(series[0].psi) == {"income", "home", "score"}
    assert [look.as_of.day for look in monitor_history.series(url, MODEL, reign.lane, reign.id, 1)] == [4]
    assert monitor_history.newest(url, MODEL, "no-such-lane") is None
    assert monitor_history.series(url, MODEL, reign.lane, -1, 60) == []


FEATURES = a_report()["drift"]["features"]
POISON: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "text for a part": {"drift": "<script>alert(1)</script>"},
    "a list for a part": {"drift": [[[]]], "promise": []},
    "text for numbers": {"drift": {"looks": "<b>", "features": [f | {"psi": {"estimate": "much"}} for f in FEATURES]}},
    "numbers for names": {"drift": {"looks": 1, "features": [f | {"name": 7} for f in FEATURES]}},
    "a number beyond all": {"drift": {"looks": 1, "features": [f | {"psi": {"estimate": 10**400}} for f in FEATURES]}},
    "without names": {"drift": {"looks": 1, "features": [{"psi": {"estimate": 1}}, *FEATURES]}},
    "deep": {"drift": json.loads("[" * 500 + "]" * 500)},
    "huge": {"reason": "x" * (monitor_history.LARGEST + 1)},
    "many": {"drift": {"looks": 1, "features": FEATURES * 3000}},
}  # fmt: skip


@pytest.mark.parametrize("which", list(POISON))
def test_a_poisoned_report_is_left_out_and_its_look_is_not(
    settings: Settings, state: State, reign: Decision, which: str
) -> None:
    write_report(settings, reign, 1, looked(1, 0.01))
    write_report(settings, reign, 2, {"state": "quiet", **POISON[which]})
    url = ledger_url(state, "ledger_reader")
    found = monitor_history.newest(url, MODEL, reign.lane)
    assert found is not None
    assert (found.as_of, found.report) == (date(2024, 3, 2), None)
    series = monitor_history.series(url, MODEL, reign.lane, reign.id, 60)
    assert series[0].psi["income"] == 0.01
    assert all(isinstance(psi, float) for look in series for psi in look.psi.values())
