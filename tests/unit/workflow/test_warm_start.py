"""Who donates parameters to a search: the champion and the last challengers of earlier dates, where they still fit."""

from __future__ import annotations

import random
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from support.factories import a_decision, a_rollback, a_spec
from titleholder.training import search
from titleholder.workflow import warm_start
from titleholder.workflow.payloads import Donor

SPEC = a_spec()
AS_OF = date(2024, 9, 1)


def a_registry(**c_by_version: str) -> Any:
    """Training runs of the candidate `line`: its C by version (`v3="0.5"`), and of `trees` for all others."""

    def training_run(_: str, version: int) -> Any:
        c = c_by_version.get(f"v{version}")
        name, params = ("line", {"C": c, "max_iter": "500"}) if c else ("trees", {"max_iter": "5"})
        return SimpleNamespace(tags={"titleholder.candidate": name}, params=params)

    return SimpleNamespace(models=SimpleNamespace(training_run=training_run))


def donated(rows: Any, registry: Any, as_of: date = AS_OF) -> list[tuple[int, Any]]:
    return [(d.version, d.params["C"]) for d in warm_start.donors(SPEC, as_of, rows, registry)]


def kept(sequence: int, **parts: Any) -> Any:
    return a_decision(sequence, kind="keep", champion_before=1, champion_after=1, **parts)


ROWS = [a_decision(1), *(kept(n) for n in (2, 3, 4, 5, 6))]


def test_the_champion_comes_first_and_then_the_last_challengers() -> None:
    registry = a_registry(v1="0.1", v2="0.2", v3="0.3", v4="0.4", v5="0.5", v6="0.6")
    assert donated(ROWS, registry) == [(1, 0.1), (6, 0.6), (5, 0.5), (4, 0.4)]


def test_equal_parameters_are_donated_once_and_only_by_candidates_that_search() -> None:
    assert donated(ROWS, a_registry(v1="0.1", v6="0.1", v4="0.4")) == [(1, 0.1), (4, 0.4)]


@pytest.mark.parametrize("c", ["0.001", "11.0", "nan", "many", "0.50"])
def test_parameters_outside_of_the_space_or_not_written_as_it_would_be_are_not_donated(c: str) -> None:
    assert donated(ROWS, a_registry(v1=c, v6="0.6")) == [(6, 0.6)]


def test_neither_this_date_nor_later_ones_donate() -> None:
    registry = a_registry(v1="0.1", v2="0.2", v3="0.3", v4="0.4", v5="0.5")
    assert donated(ROWS, registry, date(2024, 3, 1)) == [(1, 0.1), (2, 0.2)]
    assert donated(ROWS, registry, date(2024, 1, 1)) == []
    assert donated([], registry) == []


def test_a_month_that_was_judged_again_later_is_no_newer_for_that() -> None:
    lane = [row.model_copy(update={"lane": "backtest"}) for row in ROWS]
    again = lane[1].model_copy(update={"sequence": 7, "id": 107})
    registry = a_registry(v1="0.1", v2="0.2", v3="0.3", v4="0.4", v5="0.5", v6="0.6")
    expected = donated(lane, registry)
    assert donated([*lane, again], registry) == expected
    shuffled = lane.copy()
    random.Random(3).shuffle(shuffled)
    assert donated(shuffled, registry) == expected


def test_after_a_rollback_the_version_that_is_champion_again_donates() -> None:
    rows = [a_decision(1), a_decision(2, champion_before=1), a_rollback(3, 2, 1)]
    assert donated(rows, a_registry(v1="0.1", v2="0.2")) == [(1, 0.1), (2, 0.2)]


def test_each_month_of_a_warm_start_tries_other_points_beside_the_donated_ones() -> None:
    given = [Donor(version=3, candidate="line", params={"C": 0.5})]
    warm = a_spec(training__search={"trials": 4, "folds": 2, "warm_start": "champion"})
    first, second = (warm_start.start(warm, day, given) for day in (date(2024, 1, 1), date(2024, 2, 1)))
    assert first.donated == second.donated == [{"C": 0.5}]
    assert first.offset != second.offset
    assert warm_start.start(SPEC, AS_OF, ()) == search.COLD


def test_a_training_run_keeps_its_donors() -> None:
    given = [Donor(version=3, candidate="it", params={"a": 0.1 + 0.2, "b": None, "c": True, "d": 4, "e": "x"})]
    assert warm_start.of_run(warm_start.recorded(given)) == given
    assert warm_start.of_run({}) == []
    assert warm_start.recorded([]) == {}
