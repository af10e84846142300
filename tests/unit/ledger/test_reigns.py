"""Which version was champion, when and after which, through promotions, recalls, rollbacks and reinstatements."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from support.factories import REIGN, a_decision, a_recall, a_rollback, a_spec, a_verdict, spans_of
from titleholder.ledger import reigns, rollbacks
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
    assert [rollbacks.predecessor(rows, v) for v in (2, 9, 11)] == [None, 2, 9]


def test_two_rollbacks_in_a_row_go_back_twice() -> None:
    rows = crowned(1, 2, 3)
    rows.append(a_rollback(4, 3, 2))
    assert rollbacks.predecessor(rows, 2) == 1, "not 3, although 3 reigned right before"
    rows.append(a_rollback(5, 2, 1))
    assert rollbacks.predecessor(rows, 1) is None
    assert set(rollbacks.barred(rows)) == {2, 3}


def test_a_predecessor_that_was_rolled_back_itself_is_passed_over() -> None:
    rows = crowned(1, 2)
    rows += [a_rollback(3, 2, 1), a_decision(4, challenger_version=4, champion_before=1, champion_after=4)]
    rows.append(a_decision(5, challenger_version=5, champion_before=4, champion_after=5))
    assert rollbacks.predecessor(rows, 5) == 4
    rows.append(a_rollback(6, 5, 1))
    assert set(rollbacks.barred(rows)) == {2, 5}
    assert rollbacks.predecessor(rows, 4) == 1


def test_going_forward_again_lifts_the_bar_and_bars_nobody() -> None:
    rows = [*crowned(1, 2, 3), a_rollback(4, 3, 2), a_rollback(5, 2, 1), a_rollback(6, 1, 3)]
    assert set(rollbacks.barred(rows)) == {2}
    assert version(reigns.reign_before(rows, "live", date(2025, 1, 1))) == 3
    assert rollbacks.predecessor(rows, 3) == 1, "version 2 was rolled back itself"


def test_who_reigned_is_answered_for_every_day_between() -> None:
    rows = [*crowned(1, 2, 3), a_rollback(4, 3, 2), a_rollback(5, 2, 1), a_rollback(6, 1, 3)]
    days = [date(2023, 12, 31), *(date(2024, m, d) for m in range(1, 7) for d in (1, 15))]
    past = [reigns.until(rows, "live", day, by_clock=True) for day in days]
    found = [version(reigns.reign_after(rows, until)) for until in past]
    assert found == [None, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 3, 3]
    taken = [reigns.crowning(until) for until in past]
    assert [row.sequence if row else None for row in taken] == [None, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    kept = a_decision(7, kind="keep", champion_before=3, champion_after=3)
    assert reigns.crowning([*rows, kept]) == rows[-1]


def test_the_live_champion_by_as_of_date_whenever_it_was_decided() -> None:
    """Decided on one day of 2026: by the clock there was no champion at any of these dates."""
    today = {"created_at": datetime(2026, 11, 27, tzinfo=UTC)}
    late = a_decision(4, kind="keep", champion_before=3, champion_after=3, as_of=date(2024, 1, 15), **today)
    rows = [*(row.model_copy(update=today) for row in crowned(1, 2, 3)), late]
    days = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 20), date(2024, 2, 1), date(2024, 3, 9)]
    by_as_of = [version(reigns.reign_after(rows, reigns.until(rows, "live", d, by_clock=False))) for d in days]
    assert by_as_of == [None, 1, 1, 2, 3], "the late decision changed nothing"
    assert [reigns.until(rows, "live", day, by_clock=True) for day in days] == [[]] * 5


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


def test_a_recalled_champion_is_judged_on_rows_that_no_earlier_challenger_was_judged_on() -> None:
    look = Look(as_of=DAY, start=DAY, end=DAY, rows=90, events=30, metric="roc_auc", gain=0.05, error=0.01)
    sooner = spans_of(a_spec(windows__label_maturity="1 month"), date(2024, 2, 1))
    first, second = crowned(1, 2)
    rows = [first, second.model_copy(update={"spans": sooner}), a_recall(3, 2, 1)]
    reign = reigns.reign_before(rows, "live", date(2024, 4, 1))
    assert reign == Reign(
        version=1,
        as_of=rows[0].as_of,
        trained_through=rows[0].trained_through,
        judged_through=sooner.matured,
        recalled=rows[2].as_of,
    )
    rows.append(a_decision(4, kind="keep", champion_before=1, champion_after=1, verdict=a_verdict(look=look)))
    later = reigns.reign_before(rows, "live", date(2024, 5, 1))
    added = {"looks": (look,), "tried": (rows[-1].matured,)}
    assert later == reign.model_copy(update=added), "a month that keeps it adds its look, and no rows that count"
    assert reigns.crowning(rows) == rows[2]


def test_a_version_that_never_was_champion_can_be_recalled() -> None:
    kept = a_decision(2, kind="keep", champion_before=1, champion_after=1)
    rows = [*crowned(1), kept, a_recall(3, 1, 2)]
    assert reigns.former_champions(rows) == [1, 2]
    assert rollbacks.predecessor(rows, 2) == 1
    assert (reign := reigns.reign_before(rows, "live", date(2024, 4, 1)))
    assert (reign.version, reign.as_of, reign.trained_through) == (2, kept.as_of, kept.trained_through)


def test_the_predecessor_of_a_recalled_champion_is_the_champion_before_the_recall() -> None:
    rows = [*crowned(1, 2, 3), a_recall(4, 3, 1)]
    assert rollbacks.predecessor(rows, 1) == 3
    rows.append(a_rollback(5, 1, 3))
    assert set(rollbacks.barred(rows)) == {1}, "it was rolled back, although it was promoted before version 3"
    assert rollbacks.predecessor(rows, 3) == 2
    rows.append(a_rollback(6, 3, 1))
    assert set(rollbacks.barred(rows)) == set(), "reinstated: the recall came after version 3"
    assert rollbacks.predecessor(rows, 1) == 3


def test_a_champion_that_gave_way_to_its_own_successor_and_came_back_is_not_its_own_predecessor() -> None:
    rows = [*crowned(1, 2, 3), a_recall(4, 3, 2), a_rollback(5, 2, 3)]
    assert rollbacks.predecessor(rows, 3) == 1, "version 2 was rolled back, and version 3 took over from it"


def test_a_champion_from_before_that_was_recalled_later_is_still_a_step_back() -> None:
    rows = [*crowned(1, 2), a_recall(3, 2, 1)]
    rows.append(a_decision(4, challenger_version=4, champion_before=1, champion_after=4))
    rows.append(a_rollback(5, 4, 2))
    assert set(rollbacks.barred(rows)) == {4}
    assert rollbacks.predecessor(rows, 2) == 1
    rows.append(a_rollback(6, 2, 1))
    assert set(rollbacks.barred(rows)) == {2, 4}


def test_why_a_former_version_may_not_be_recalled() -> None:
    kept = a_decision(2, kind="keep", champion_before=1, champion_after=1)
    third = a_decision(3, champion_before=1, champion_after=3)
    rows = [*crowned(1), kept, third]
    assert [reigns.recall_bar(rows, v) for v in (1, 2, 3)] == ["", "", ""]
    rows.append(a_rollback(4, 3, 1))
    assert reigns.recall_bar(rows, 3) == "it was rolled back on 2024-04-01"
    assert reigns.recall_bar(rows, 1) == "", "people have just brought it back"
    assert reigns.recall_bar(rows, 2).startswith("it was trained on nothing newer (rows before 2023-05-01) than")
    rows.append(a_rollback(5, 1, 3))
    assert [reigns.recall_bar(rows, v) for v in (1, 2, 3)] == ["", "", ""], "reinstated"


MONTH_ONE = date(2020, 1, 1)


def month(n: int) -> date:
    return MONTH_ONE + relativedelta(months=n)


def line(moves: Sequence[tuple[int, int]], *, going_back: bool = True) -> list[Decision]:
    """A live line: each month promotes, keeps, recalls or rolls back, by force or not, as far as there is a version."""
    rows: list[Decision] = []
    for n, (kind, choice) in enumerate(moves, start=1):
        head = rows[-1].champion_after if rows else None
        known = [r.challenger_version for r in rows if r.challenger_version is not None]
        recallable = [v for v in known if v != head and v not in rollbacks.barred(rows)]
        former = [v for v in reigns.former_champions(rows) if v != head]
        look = Look(as_of=month(n), start=DAY, end=DAY, rows=9, events=3, metric="roc_auc", gain=n / 100, error=0.01)
        judged: dict[str, Any] = {"as_of": month(n), "verdict": a_verdict(look=look)}
        if kind == 2 and head is not None and recallable:
            rows.append(a_recall(n, head, recallable[choice % len(recallable)], as_of=month(n)))
        elif kind == 3 and head is not None and former and going_back:
            rows.append(a_rollback(n, head, former[choice % len(former)], as_of=month(n)))
        elif kind == 1:
            rows.append(a_decision(n, kind="keep", champion_before=head, champion_after=head, **judged))
        else:
            rows.append(a_decision(n, champion_before=head, **judged))
    return rows


MOVES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), min_size=1, max_size=12)


@given(MOVES)
def test_the_reign_is_that_of_the_head_and_its_spent_rows_are_those_up_to_its_beginning(
    moves: list[tuple[int, int]],
) -> None:
    rows = line(moves)
    found, head = reigns.reign_before(rows, "live", month(99)), rows[-1].champion_after
    assert version(found) == head
    if found is None:
        return
    began = max(n for n, r in enumerate(rows) if r.changed)
    matured = [r.matured for r in rows[: began + 1] if r.matured]
    assert found.judged_through == (matured[-1] if rows[began].kind == "promote" else max(matured))
    assert found.recalled == (rows[began].as_of if rows[began].kind == "recall" else None)
    assert found.as_of == next(r.as_of for r in rows if r.challenger_version == head)
    assert [look.as_of for look in found.looks] == [r.as_of for r in rows[began + 1 :] if r.look]


@given(MOVES)
def test_going_back_again_and_again_ends_and_bars_every_champion_left(moves: list[tuple[int, int]]) -> None:
    rows, left = line(moves), list[int]()
    while (head := rows[-1].champion_after) is not None and (before := rollbacks.predecessor(rows, head)) is not None:
        assert before in reigns.former_champions(rows)
        assert before not in rollbacks.barred(rows)
        left.append(head)
        rows.append(a_rollback(len(rows) + 1, head, before, as_of=month(len(rows) + 1)))
        assert head in rollbacks.barred(rows)
        assert reigns.recall_bar(rows, head)
    assert len(set(left)) == len(left)


@given(MOVES, st.randoms(use_true_random=False))
def test_elsewhere_than_live_only_as_of_order_and_the_latest_row_of_a_date_count(
    moves: list[tuple[int, int]], chance: random.Random
) -> None:
    """Written in any order, behind rows that are replaced, it is the same line."""
    ordered = line(moves, going_back=False)
    replaced = [
        row.model_copy(update={"challenger_version": 50 + n, "champion_after": 50 + n, "kind": "promote"})
        for n, row in enumerate(ordered)
        if chance.random() < 0.5
    ]
    rows = [*replaced, *chance.sample(ordered, len(ordered))]
    for n in range(len(ordered) + 1):
        expected = reigns.reign_before(ordered[:n], "live", month(n + 1))
        assert reigns.reign_before(rows, "backtest", month(n + 1)) == expected
        bare = expected.model_copy(update={"looks": (), "tried": ()}) if expected else None
        assert reigns.reign_after(rows, reigns.until(rows, "backtest", month(n), by_clock=False)) == bare
