"""Which version was champion, when and after which, through promotions, rollbacks and a reinstatement by force."""

from __future__ import annotations

from datetime import date

import pytest

from support.factories import REIGN, a_decision, a_rollback, a_verdict
from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Reign

DAY = date(2024, 3, 1)


def crowned(*versions: int) -> list[Decision]:
    """Promotions of these versions, one after the other."""
    before = [None, *versions]
    return [
        a_decision(n, challenger_version=v, champion_before=before[n - 1], champion_after=v)
        for n, v in enumerate(versions, start=1)
    ]


def version(reign: Reign | None) -> int | None:
    return reign.version if reign else None


def test_the_predecessor_is_whoever_reigned_not_the_number_before() -> None:
    rows = crowned(2, 9, 11)
    assert [reigns.predecessor(rows, v) for v in (2, 9, 11)] == [None, 2, 9]


def test_two_rollbacks_in_a_row_go_back_twice() -> None:
    rows = crowned(1, 2, 3)
    rows.append(a_rollback(4, 3, 2))
    assert reigns.predecessor(rows, 2) == 1, "not 3, although 3 reigned right before"
    rows.append(a_rollback(5, 2, 1))
    assert reigns.predecessor(rows, 1) is None
    assert set(reigns.barred(rows)) == {2, 3}


def test_a_predecessor_that_was_rolled_back_itself_is_passed_over() -> None:
    rows = crowned(1, 2)
    rows += [a_rollback(3, 2, 1), a_decision(4, challenger_version=4, champion_before=1, champion_after=4)]
    rows.append(a_decision(5, challenger_version=5, champion_before=4, champion_after=5))
    assert reigns.predecessor(rows, 5) == 4
    rows.append(a_rollback(6, 5, 1))
    assert set(reigns.barred(rows)) == {2, 5}
    assert reigns.predecessor(rows, 4) == 1


def test_going_forward_again_lifts_the_bar_and_bars_nobody() -> None:
    rows = [*crowned(1, 2, 3), a_rollback(4, 3, 2), a_rollback(5, 2, 1), a_rollback(6, 1, 3)]
    assert set(reigns.barred(rows)) == {2}
    assert version(reigns.reign_before(rows, "live", date(2025, 1, 1))) == 3
    assert reigns.predecessor(rows, 3) == 1, "version 2 was rolled back itself"


def test_who_reigned_is_answered_for_every_day_between() -> None:
    rows = [*crowned(1, 2, 3), a_rollback(4, 3, 2), a_rollback(5, 2, 1), a_rollback(6, 1, 3)]
    days = [date(2023, 12, 31), *(date(2024, m, d) for m in range(1, 7) for d in (1, 15))]
    found = [version(reigns.reign_on(rows, "live", day)) for day in days]
    assert found == [None, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 3, 3]
    taken = [reigns.crowning_on(rows, "live", day) for day in days]
    assert [row.sequence if row else None for row in taken] == [None, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    kept = a_decision(7, kind="keep", champion_before=3, champion_after=3)
    assert reigns.crowning_on([*rows, kept], "live", date(2024, 7, 2)) == rows[-1]


def test_the_versions_that_once_reigned() -> None:
    rows = [*crowned(1, 2), a_decision(3, kind="keep", champion_before=2, champion_after=2), a_rollback(4, 2, 1)]
    assert reigns.former_champions(rows) == [1, 2]


def test_a_challenger_trained_on_nothing_newer_than_a_barred_version_may_not_win() -> None:
    rows = [*crowned(1, 2), a_rollback(3, 2, 1)]
    through = rows[1].trained_through
    assert through is not None
    said = reigns.bar(rows, through)
    assert said == (
        f"it was trained on nothing newer (rows before {through}) than version 2 (before {through}), "
        "which was rolled back on 2024-03-01"
    )
    assert reigns.bar(rows, date(through.year, through.month, 2)) == ""
    assert reigns.bar(crowned(1, 2), through) == ""


def test_a_reign_that_begins_again_has_no_looks_and_counts_only_cohorts_that_were_not_judged_on() -> None:
    look = Look(as_of=DAY, start=DAY, end=DAY, rows=90, events=30, metric="roc_auc", gain=0.05, error=0.01)
    rows = crowned(1, 2)
    assert (reign := reigns.reign_before(rows, "live", DAY))
    assert reign.judged_through == rows[1].windows.matured
    second = look.model_copy(update={"gain": 0.06})
    for n, of_month in ((3, look), (4, None), (5, second)):
        verdict = a_verdict(look=of_month)
        rows.append(a_decision(n, kind="keep", champion_before=2, champion_after=2, verdict=verdict))
    assert (reign := reigns.reign_before(rows, "live", DAY))
    assert reign.looks == (look, second), "in their order; a month without a look adds none"
    assert reign.tried == tuple(row.windows.matured for row in rows[2:]), "every challenger of the reign, and no other"
    assert reigns.fingerprint(reign) != reigns.fingerprint(reign.model_copy(update={"tried": reign.tried[1:]}))
    rows.append(a_rollback(6, 2, 1))
    assert (reign := reigns.reign_before(rows, "live", DAY))
    assert reign.version == 1
    assert (reign.looks, reign.tried) == ((), ())
    assert reign.judged_through == rows[4].windows.matured, "the cohorts of version 2's challengers are spent"
    assert reign.trained_through == rows[0].trained_through


@pytest.mark.parametrize("part", ["judged", "windows", "challenger"])
def test_a_rollback_has_no_verdict(part: str) -> None:
    from titleholder.errors import DataError

    with pytest.raises(DataError, match="decision 102 is a rollback: nothing was judged"):
        getattr(a_rollback(2, 2, 1), part)


def test_a_month_must_be_run_again_when_another_version_is_champion_before_it() -> None:
    """Only what is in force counts, and in the live lane no month must be run again."""

    def rows(lane: str) -> list[Decision]:
        kept = {"kind": "keep", "champion_after": 1, "lane": lane}
        return [
            a_decision(1, lane=lane), a_decision(2, challenger_version=2, champion_before=1, **kept),
            a_decision(3, challenger_version=3, champion_before=1, **kept),
        ]  # fmt: skip

    assert reigns.to_rerun(rows("backtest"), "backtest") == {}
    again = a_decision(4, lane="backtest", as_of=date(2024, 1, 1), champion_before=None)
    found = rows("backtest")
    why = reigns.to_rerun([*found, again], "backtest")
    assert why == {
        found[1].id: "version 4 is champion before it now, and it could not be re-judged",
        found[2].id: "it comes after 2024-02-01, which must be run again",
    }
    command = "titleholder run small --as-of 2024-02-01 --until 2024-03-01 --lane backtest"
    assert reigns.rerun_command([*found, again], "backtest") == command
    assert reigns.rerun_command(found, "backtest") == ""
    assert reigns.to_rerun([*rows("live"), again], "live") == {}


def test_a_fingerprint_changes_with_the_champion_and_with_its_looks() -> None:
    look = Look(as_of=DAY, start=DAY, end=DAY, rows=90, events=30, metric="roc_auc", gain=0.05, error=0.01)
    found = {reigns.fingerprint(r) for r in (None, REIGN, REIGN.model_copy(update={"looks": (look,)}))}
    assert len(found) == 3
    assert reigns.fingerprint(None) == ""
