"""The swap-set at the cut-off."""

from __future__ import annotations

import math

import numpy as np

from support.factories import a_spec, evidence
from support.report_cases import simulated
from titleholder.reports.plots import swap_set
from titleholder.spec.model import ModelSpec
from titleholder.validation.evidence import Evidence

SPEC = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8},
    judgement__checks={"segments": {"minimum_events": 5}, "cohorts": {"minimum_events": 5}},
)


def scored(y: list[float], challenger: list[float], champion: list[float] | None, spec: ModelSpec) -> Evidence:
    arrays = [None if a is None else np.array(a, dtype=float) for a in (y, challenger, champion)]
    return evidence(spec, y=arrays[0], challenger=arrays[1], champion=arrays[2])


def test_the_swap_set_is_counted_by_who_accepts() -> None:
    spec = a_spec(judgement__cut_off={"accept": "below", "score": 0.5})
    found = swap_set.acceptance_groups(
        scored([0, 1, 1, 0, 1], [0.1, 0.2, 0.9, 0.8, 0.7], [0.2, 0.9, 0.1, 0.3, 0.9], spec)
    )
    assert [(s.name, s.rows, s.events) for s in found] == [
        ("both", 1, 0),
        ("challenger only", 1, 1),
        ("champion only", 2, 1),
        ("neither", 1, 1),
    ]
    assert [s.share for s in found] == [0.2, 0.2, 0.4, 0.2]
    assert found[2].mean.estimate == 0.5
    assert 0 <= found[2].mean.lower < 0.5 < found[2].mean.upper <= 1


def test_without_a_champion_rows_are_accepted_or_declined() -> None:
    spec = a_spec(judgement__cut_off={"accept": "above", "share": 0.4})
    found = swap_set.acceptance_groups(scored([0, 1, 1, 0, 1], [0.1, 0.2, 0.9, 0.8, 0.7], None, spec))
    assert [(s.name, s.rows, s.events) for s in found] == [("accepted", 2, 1), ("declined", 3, 2)]


def test_an_empty_set_has_no_mean_and_is_not_drawn() -> None:
    same = scored([0, 1, 1, 0], [0.1, 0.2, 0.9, 0.8], [0.1, 0.2, 0.9, 0.8], SPEC)
    found = swap_set.acceptance_groups(same)
    assert [s.rows for s in found] == [3, 0, 0, 1]
    assert math.isnan(found[1].mean.estimate)
    svg = swap_set.swap_set_picture(same, found).svg.decode()
    assert ">both<" in svg
    assert ">challenger only<" not in svg


def test_without_a_cut_off_there_is_no_swap_set() -> None:
    assert swap_set.acceptance_groups(simulated()) == []
