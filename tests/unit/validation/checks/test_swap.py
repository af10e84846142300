"""TH304, swap-set at the cut-off: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.factories import a_regression, a_spec, evidence
from titleholder.validation.checks.cut_off import swap_set
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array


def swapped(
    in_events: int, out_events: int, rows: int = 100, *, accept: str = "below", task: Any = a_spec, **changes: Any
) -> Evidence:
    """`rows` rows swapped in and out each, with so many events, and as many rows that both or neither accept."""
    y = np.zeros(4 * rows)
    y[:in_events] = 1.0
    y[rows : rows + out_events] = 1.0
    good, bad = (0.1, 0.9) if accept == "below" else (0.9, 0.1)
    challenger = np.repeat([good, bad, good, bad], rows)
    champion = np.repeat([bad, good, good, bad], rows)
    parts = {name: changes.pop(name) for name in ("weights", "clusters") if name in changes}
    spec = task(**{"judgement__cut_off": {"accept": accept, "score": 0.5}, **changes})
    return evidence(spec, y=y, challenger=challenger, champion=champion, **parts)


@pytest.mark.parametrize(("accept", "events"), [("below", (40, 10)), ("above", (10, 40))])
def test_fires_when_those_swapped_in_are_shown_to_do_worse(accept: str, events: tuple[int, int]) -> None:
    found = swap_set(swapped(*events, accept=accept))
    assert (found.code, found.status, found.severity) == ("TH304", "fail", "block")
    assert found.numbers["harm"] == pytest.approx(0.3)


@pytest.mark.parametrize(("accept", "events"), [("below", (10, 40)), ("above", (40, 10)), ("below", (10, 10))])
def test_stays_quiet_when_they_do_not(accept: str, events: tuple[int, int]) -> None:
    assert swap_set(swapped(*events, accept=accept)).status == "pass"


def test_stays_quiet_when_it_may_be_chance() -> None:
    found = swap_set(swapped(15, 9, rows=40))
    assert found.numbers["harm"] == pytest.approx(0.15)
    assert found.status == "beyond"


def test_stays_quiet_within_the_tolerance() -> None:
    tolerant = {"judgement__checks": {"swap_set": {"tolerance": 0.25}}}
    assert swap_set(swapped(40, 10, **tolerant)).status == "beyond"
    assert swap_set(swapped(60, 10, **tolerant)).status == "fail"


def test_tells_who_is_swapped() -> None:
    found = swap_set(swapped(40, 10))
    sets = {name: found.numbers[name] for name in found.numbers if not name.startswith(("harm", "tolerance"))}
    assert sets == {
        "swapped_in_rows": 100,
        "swapped_in_mean": 0.4,
        "swapped_out_rows": 100,
        "swapped_out_mean": 0.1,
        "both_rows": 100,
        "both_mean": 0.0,
    }
    assert found.explanation.startswith(
        "100 rows are accepted by the challenger only, 100 by the champion only; their mean outcomes are 0.4000 and "
        "0.1000, a harm of +0.3000 ["
    )


@pytest.mark.parametrize(("accept", "status"), [("below", "fail"), ("above", "pass")])
def test_a_regression_compares_means(accept: str, status: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=400) + np.repeat([5.0, 3.0, 0.0, 0.0], 100)
    given = swapped(0, 0, accept=accept, task=a_regression).model_copy(update={"y": y})
    found = swap_set(given)
    assert found.status == status
    assert abs(found.numbers["harm"]) == pytest.approx(abs(y[:100].mean() - y[100:200].mean()))


def test_rows_that_share_a_fate_show_less() -> None:
    """Each event is in five rows."""
    one_each, five_each = np.arange(400), np.arange(400) // 5
    assert swap_set(swapped(30, 15, clusters=one_each)).status == "fail"
    assert swap_set(swapped(30, 15, clusters=five_each)).status == "beyond"


def test_weights_count() -> None:
    weights = np.ones(400)
    weights[:40] = 0.01
    found = swap_set(swapped(40, 10, weights=weights))
    assert found.numbers["swapped_in_mean"] == pytest.approx(0.4 / 60.4)
    assert found.status == "pass"


def test_too_few_are_counted_and_not_judged() -> None:
    found = swap_set(swapped(20, 0, rows=20))
    assert (found.status, found.numbers["swapped_in_rows"], found.numbers["swapped_in_mean"]) == (
        "not_applicable",
        20,
        1,
    )
    assert found.explanation == (
        "20 rows are accepted by the challenger only, 20 by the champion only; a comparison needs 30 of each."
    )
    assert swap_set(swapped(20, 0, rows=20, judgement__checks={"swap_set": {"minimum_rows": 20}})).status == "fail"


def test_does_not_need_both_classes() -> None:
    assert swap_set(swapped(0, 0)).status == "pass"


def with_cut_off() -> Any:
    return a_spec(judgement__cut_off={"accept": "below", "share": 0.5})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (evidence(champion=np.full(50, 0.5)), "The spec names no cut_off."),
        (evidence(with_cut_off()), "No champion yet."),
        (evidence(with_cut_off(), y=np.empty(0), champion=np.empty(0)), "Nothing can be measured on the holdout."),
    ],
)
def test_does_not_apply(given: Evidence, why: str) -> None:
    found = swap_set(given)
    assert (found.status, found.explanation) == ("not_applicable", why)


def test_models_that_accept_the_same_rows_have_no_swap_set() -> None:
    scores: Array = np.linspace(0, 1, 50)
    found = swap_set(evidence(with_cut_off(), challenger=scores, champion=scores**2))
    assert (found.status, found.numbers["swapped_in_rows"], found.numbers["both_rows"]) == ("not_applicable", 0, 25)
