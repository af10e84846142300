"""The numbers behind the pictures: groups, swap-sets, calibration, looks, windows, and how all of them are written."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from support.factories import a_regression, a_spec, a_verdict, evidence, result
from support.report_cases import facts, looks, simulated, verdict_on
from titleholder import formatting
from titleholder.formatting import MINUS, NOTHING
from titleholder.reports import thresholds
from titleholder.reports.plots import calibration, groups, rates, spread, swaps, timeline
from titleholder.reports.plots import looks as told
from titleholder.reports.plots.drawing import models, picture, thin, whiskers
from titleholder.reports.plots.outcomes import counted, grouped
from titleholder.spec.criteria import Checks, Judgement
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval
from titleholder.validation.sequential import accumulate

SPEC = a_spec(
    judgement__cut_off={"accept": "below", "share": 0.8},
    judgement__checks={"segments": {"minimum_events": 5}, "cohorts": {"minimum_events": 5}},
)


def scored(y: list[float], challenger: list[float], champion: list[float] | None, spec: ModelSpec) -> Evidence:
    arrays = [None if a is None else np.array(a, dtype=float) for a in (y, challenger, champion)]
    return evidence(spec, y=arrays[0], challenger=arrays[1], champion=arrays[2])


# groups


def test_a_group_has_the_gain_of_its_own_rows() -> None:
    found = simulated(SPEC)
    assert found.champion is not None
    split = groups.splits(found)[1]
    rows = np.flatnonzero(found.frame["region"] == "north")
    north = split.effects[0]
    how = metrics.Estimation(0.95, 100, 7)
    gain = metrics.gain("roc_auc", found.sample.at(rows), found.challenger[rows], found.champion[rows], how)
    assert (split.title, north.name, north.rows, north.events) == (
        "region",
        "north",
        len(rows),
        int(found.y[rows].sum()),
    )
    assert north.found.values == pytest.approx(gain.values)
    assert split.whole.rows == 600
    everyone = metrics.gain("roc_auc", found.sample, found.challenger, found.champion, how)
    assert split.whole.found.values == pytest.approx(everyone.values)


def test_the_gain_on_all_rows_is_the_verdicts() -> None:
    found = simulated(SPEC)
    verdict = verdict_on(found)
    assert all(split.whole.found.values == (0.0123, 0.0011, 0.0235) for split in groups.splits(found, verdict.gain))


def test_months_segments_and_protected_columns_are_told() -> None:
    found = groups.splits(simulated(SPEC))
    assert [split.title for split in found] == ["calendar month", "region", "age_band (protected)"]
    assert [effect.name for effect in found[0].effects] == ["2023-10", "2023-11", "2023-12"]


def test_where_nobody_reigns_a_group_has_the_challengers_metric() -> None:
    found = simulated(SPEC, champion=None)
    rows = np.flatnonzero(found.frame["region"] == "north")
    north = groups.splits(found)[1].effects[0].found
    assert north is not None
    assert north.estimate == pytest.approx(metrics.compute("roc_auc", found.y[rows], found.challenger[rows]))


def test_of_many_groups_those_with_the_most_events_are_shown_in_the_order_of_their_numbers() -> None:
    spec = a_spec(columns__segments=["postcode"], columns__protected=[])
    found = simulated(spec)
    counts = np.repeat(np.arange(8, 38), 20)
    y = np.zeros(600)
    y[np.flatnonzero(counts == 9)[:3]] = 1
    y[np.flatnonzero(counts == 30)[:3]] = 1
    split = groups.splits(found.model_copy(update={"y": y, "frame": found.frame.assign(postcode=counts)}))[1]
    names = [int(effect.name) for effect in split.effects]
    assert len(names) == 20
    assert split.left_out == 10
    assert names == sorted(names)
    assert {9, 30} <= set(names)
    assert split.picture is None


def test_a_group_with_too_few_events_is_told_and_not_measured() -> None:
    found = simulated(SPEC)
    region = pd.Series(np.where(np.arange(600) < 8, "tiny", "large"))
    split = groups.splits(found.model_copy(update={"frame": found.frame.assign(region=region)}))[1]
    assert [(e.name, e.found is None) for e in split.effects] == [("large", False), ("tiny", True)]
    assert split.picture is not None
    assert ">tiny<" not in split.picture.svg
    assert ">large<" in split.picture.svg


# swap-set


def test_the_swap_set_is_counted_by_who_accepts() -> None:
    spec = a_spec(judgement__cut_off={"accept": "below", "score": 0.5})
    found = swaps.swaps(scored([0, 1, 1, 0, 1], [0.1, 0.2, 0.9, 0.8, 0.7], [0.2, 0.9, 0.1, 0.3, 0.9], spec))
    assert [(s.name, s.rows, s.events) for s in found] == [
        ("both", 1, 0),
        ("challenger only", 1, 1),
        ("champion only", 2, 1),
        ("neither", 1, 1),
    ]
    assert [s.share for s in found] == [0.2, 0.2, 0.4, 0.2]
    assert found[2].mean.estimate == 0.5
    assert 0 <= found[2].mean.lower < 0.5 < found[2].mean.upper <= 1


def test_where_nobody_reigns_rows_are_accepted_or_declined() -> None:
    spec = a_spec(judgement__cut_off={"accept": "above", "share": 0.4})
    found = swaps.swaps(scored([0, 1, 1, 0, 1], [0.1, 0.2, 0.9, 0.8, 0.7], None, spec))
    assert [(s.name, s.rows, s.events) for s in found] == [("accepted", 2, 1), ("declined", 3, 2)]


def test_an_empty_set_has_no_mean_and_is_not_drawn() -> None:
    same = scored([0, 1, 1, 0], [0.1, 0.2, 0.9, 0.8], [0.1, 0.2, 0.9, 0.8], SPEC)
    found = swaps.swaps(same)
    assert [s.rows for s in found] == [3, 0, 0, 1]
    assert math.isnan(found[1].mean.estimate)
    svg = swaps.drawn(same, found).svg
    assert ">both<" in svg
    assert ">challenger only<" not in svg


def test_without_a_cut_off_there_is_no_swap_set() -> None:
    assert swaps.swaps(simulated()) == []


# means and calibration


def test_an_event_rate_has_wilsons_interval() -> None:
    found = scored([1] * 2 + [0] * 8, [0.5] * 10, None, a_spec())
    mean = rates.mean(found, np.arange(10))
    z, n, p = 1.959964, 10, 0.2
    centre, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert mean.values == pytest.approx(
        (p, (centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)), rel=1e-5
    )


def test_a_mean_heeds_weights_and_clusters() -> None:
    plain = simulated(n=200)
    weights, clusters = np.where(plain.y == 1, 3.0, 1.0), np.arange(200) // 20
    weighted = rates.mean(plain.model_copy(update={"weights": weights}), np.arange(200))
    assert weighted.estimate == pytest.approx(np.average(plain.y, weights=weights))
    sorted_y = plain.model_copy(update={"y": np.sort(plain.y)})
    clustered = rates.mean(sorted_y.model_copy(update={"clusters": clusters}), np.arange(200))
    alone = rates.mean(sorted_y, np.arange(200))
    assert clustered.upper - clustered.lower > 2 * (alone.upper - alone.lower)


def test_calibration_compares_means_of_ten_bins_of_equal_size() -> None:
    p = np.linspace(0.05, 0.95, 400)
    found = scored([0.0, 1.0] * 200, p.tolist(), None, a_spec())
    bins = calibration.binned(found, p)
    np.testing.assert_allclose([b.predicted for b in bins], p.reshape(10, 40).mean(axis=1))
    assert [b.observed.estimate for b in bins] == [0.5] * 10
    assert all(b.observed.lower < 0.5 < b.observed.upper for b in bins)


def test_few_rows_have_fewer_bins() -> None:
    assert [len(b) for b in rates.bins(np.arange(50.0))] == [25, 25]
    assert [len(b) for b in rates.bins(np.arange(3.0))] == [3]


def test_calibration_in_numbers_of_a_regression_has_no_intercept() -> None:
    found = simulated(a_regression())
    both = calibration.summaries(found, models(found, verdict_on(found), 4))
    assert [s.model for s in both] == ["challenger, version 4", "champion, version 3"]
    assert both[0].intercept is None
    assert both[0].slope.lower < 1 < both[0].slope.upper
    assert both[1].slope.upper < 1


@pytest.mark.parametrize("spec", [a_spec(), a_regression()], ids=["classification", "regression"])
def test_pictures_survive_scores_that_are_all_alike(spec: ModelSpec) -> None:
    found = simulated(spec, n=60, challenger=np.full(60, 0.5), champion=np.full(60, 0.5))
    both = models(found, verdict_on(found), 4)
    drawn = [calibration.drawn(found, both), spread.agreement(found, both)]
    drawn += [spread.scores_by_outcome(found, both)] if spec.task == "classification" else spread.residuals(found, both)
    assert all(one.svg.startswith("<svg") for one in drawn)
    assert "correlation" not in drawn[1].caption


# looks, windows, checks, thresholds


def test_each_step_is_what_the_looks_so_far_show() -> None:
    verdict = verdict_on(simulated(n=60), looks=looks(4))
    steps = told.steps(verdict)
    assert [s.so_far for s in steps] == [
        accumulate(looks(4)[:n], minimum_gain=0.0, confidence=0.95) for n in range(1, 5)
    ]
    assert steps[-1].so_far == verdict.accumulated()
    assert steps[2].gain.values == pytest.approx((0.02, 0.02 - 1.959964 * 0.02, 0.02 + 1.959964 * 0.02), rel=1e-5)


def test_looks_by_another_metric_are_left_out() -> None:
    old = looks(2)[0].model_copy(update={"metric": "gini"})
    verdict = verdict_on(simulated(n=60), looks=(old, *looks(2)[1:]))
    assert [s.look.as_of for s in told.steps(verdict)] == [looks(2)[1].as_of]
    assert told.counted(verdict) == "1 look"


def test_early_bounds_that_lie_below_the_picture_are_told() -> None:
    first = looks(6)[0].model_copy(update={"error": 0.5, "gain": 0.0})
    near = verdict_on(simulated(n=60), looks=looks(1))
    assert "below the picture" not in told.drawn(near, told.steps(near)).caption
    far = verdict_on(simulated(n=60), looks=(first, *looks(6)[1:]))
    assert "1 lower bound lies below the picture." in told.drawn(far, told.steps(far)).caption


def test_windows_are_the_spans_and_what_was_judged() -> None:
    found = timeline.windows(facts(), a_verdict(holdout_start=date(2023, 11, 1)))
    assert [(w.name, w.said) for w in found] == [
        ("Champion's training", "all before 2023-09-01"),
        ("Challenger's training", "2022-10-01 to before 2023-10-01"),
        ("Judged rows", "2023-11-01 to before 2024-01-01"),
        ("Outcomes mature", "2024-01-01 to before 2024-07-01"),
    ]


def test_training_on_everything_begins_nowhere() -> None:
    spec = a_spec(windows__train="all")
    found = timeline.windows(facts(spec), a_verdict(champion=None))
    assert [w.name for w in found] == ["Challenger's training", "Judged rows", "Outcomes mature"]
    assert found[0].said == "all before 2023-10-01"
    assert timeline.drawn(facts(spec), a_verdict(champion=None)).svg.startswith("<svg")


def test_checks_are_grouped_by_outcome_in_the_order_of_concern() -> None:
    results = (
        result("TH101"),
        result("TH102", "not_applicable"),
        result("TH103", "fail", "warn"),
        result("TH104", "fail"),
        result("TH105", "pass", "warn"),
        result("TH106", "fail", "warn"),
    )
    assert [(t.word, [r.code for r in t.results]) for t in grouped(results)] == [
        ("fail", ["TH104"]),
        ("warning", ["TH103", "TH106"]),
        ("pass", ["TH101", "TH105"]),
        ("not applicable", ["TH102"]),
    ]
    assert counted(results) == "1 failed, 2 warnings, 2 passed, 1 not applicable"
    assert counted(()) == "none"


def test_every_key_of_the_judgement_part_is_told() -> None:
    judgement = a_spec(judgement__checks={"drift": {"severity": "off", "psi": 0.1}}).judgement
    assert {key for key, _ in thresholds.settings(judgement)} == set(Judgement.model_fields) - {"checks"}
    held = {one.key: one for one in thresholds.held_to(judgement)}
    assert set(held) == set(Checks.model_fields)
    assert (held["drift"].severity, held["drift"].thresholds) == ("off", "psi: 0.1, bins: 10")
    assert all(one.meaning.endswith(".") for one in held.values())


# how things are written and drawn


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.71234, "0.7123"),
        (-0.00004, f"{MINUS}0.000040"),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (123.456, "123.46"),
        (12345.678, "12,346"),
        (None, NOTHING),
        (math.nan, NOTHING),
        (-math.inf, f"{MINUS}∞"),
    ],
)
def test_numbers_have_the_places_that_their_size_needs(value: float | None, written: str) -> None:
    assert formatting.number(value) == written


def test_numbers_of_one_column_share_their_places() -> None:
    assert formatting.number(0.00004, like=0.5) == "0.0000"
    assert formatting.signed(3.14159, like=250.0) == "+3.14"
    assert formatting.between(-0.1, 0.2, 0.2, "+") == f"{MINUS}0.1000 to +0.2000"
    assert formatting.between(-math.inf, math.inf) == NOTHING
    assert formatting.scale([None, -3.0, math.inf, 2.0]) == 3.0


@pytest.mark.parametrize(("logarithm", "written"), [(0.0, "1"), (3.0, "20.1"), (8.0, "2,981"), (2000.0, "10^868.6")])
def test_evidence_is_readable_whatever_its_size(logarithm: float, written: str) -> None:
    assert formatting.evidence(logarithm) == written


def test_a_moment_is_told_in_utc_wherever_the_machine_is() -> None:
    summer = timezone(timedelta(hours=2))
    assert formatting.stamp(datetime(2026, 7, 1, 1, 30, tzinfo=summer)) == "2026-06-30 23:30 UTC"
    assert formatting.stamp(datetime(2026, 7, 1, 1, 30)) == "2026-07-01 01:30 UTC"
    assert formatting.stamp(None) == ""


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        (date(2024, 6, 1), date(2026, 3, 1), [date(2024, 7, 1), date(2025, 1, 1), date(2025, 7, 1), date(2026, 1, 1)]),
        (date(2026, 1, 15), date(2026, 3, 2), [date(2026, 2, 1), date(2026, 3, 1)]),
        (date(2026, 1, 2), date(2026, 1, 9), []),
    ],
)
def test_a_time_axis_has_a_few_even_marks(start: date, end: date, months: list[date]) -> None:
    assert timeline._months(start, end) == months


def test_a_label_in_a_picture_is_one_short_line() -> None:
    assert formatting.short("a\n b\x07c") == "a b c"
    assert len(formatting.short("x" * 99)) == formatting.LONGEST


def test_a_picture_is_a_part_of_a_page_that_depends_on_its_input_alone() -> None:
    def draw(figure: object) -> None:
        axes = figure.add_subplot()  # type: ignore[attr-defined]
        axes.plot([0.123456, 1], [0, 1], "o", label="a <b> $c$ & 0.123456")
        axes.legend()

    first, again, other = (picture(name, 'say "x"', "", draw).svg for name in ("one", "one", "two"))
    assert first == again
    assert "one-" in first
    assert "one-" not in other
    assert "a &lt;b&gt; $c$ &amp; 0.123456" in first
    assert 'aria-label="say &#34;x&#34;"' in first
    for alien in ("http", "<metadata", "DOCTYPE", "font-family", "xlink"):
        assert alien not in first


def test_endless_bounds_have_no_whisker() -> None:
    def draw(figure: object) -> None:
        axes = figure.add_subplot()  # type: ignore[attr-defined]
        whiskers(axes, [0, 1], [Interval(1.0, -math.inf, math.inf), Interval(2.0, 1.5, 2.5)])
        ends = axes.collections[0].get_segments()
        np.testing.assert_allclose([[p[1] for p in segment] for segment in ends], [[1, 1], [1.5, 2.5]])

    picture("whiskers", "", "", draw)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    x, y = thin(np.arange(5000.0), np.arange(5000.0) ** 2)
    assert len(x) == 300
    assert (x[0], x[-1]) == (0, 4999)
    np.testing.assert_array_equal(y, x**2)
    assert len(thin(np.arange(7.0))[0]) == 7
