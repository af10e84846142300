"""The deciding metric at development, when the champion was promoted, and now."""

from __future__ import annotations

from support.factories import a_verdict
from support.report_cases import Page, facts, simulated, verdict_on
from titleholder.formatting import NOTHING
from titleholder.reports import MetricHistory, card
from titleholder.reports.history import occasions
from titleholder.validation.metrics import Interval

OWN, OTHER, THEN = Interval(0.72, 0.70, 0.74), Interval(0.71, 0.68, 0.74), Interval(0.70, 0.66, 0.73)
NOW = a_verdict(challenger_interval=Interval(0.71, 0.6, 0.8), champion_interval=Interval(0.7, 0.6, 0.8))
CROWNED = a_verdict(champion=None, challenger_interval=THEN, champion_interval=None)


def test_each_occasion_has_what_is_known_of_both_models() -> None:
    developed, crowned, now = occasions(MetricHistory(OWN, OTHER, CROWNED), NOW)
    assert (developed.name, developed.challenger, developed.champion) == ("Development", OWN, OTHER)
    assert (crowned.name, crowned.challenger) == ("When the champion was promoted, as of 2024-06-01", None)
    assert (crowned.champion, crowned.rows) == (THEN, "judged rows, 2023-10-01 to before 2024-01-01")
    assert (now.challenger, now.champion) == (NOW.challenger_interval, NOW.champion_interval)


def test_a_metric_that_did_not_decide_then_is_left_out() -> None:
    other = CROWNED.model_copy(update={"metric": "brier"})
    assert occasions(MetricHistory(OWN, OTHER, other), NOW)[1].champion is None


def test_without_a_champion_there_is_no_last_validation() -> None:
    first = a_verdict(champion=None, challenger_interval=THEN)
    assert [one.name for one in occasions(MetricHistory(OWN), first)] == ["Development", "Now"]
    assert [one.champion for one in occasions(MetricHistory(OWN), first)] == [None, None]


def test_the_card_has_them_in_one_table() -> None:
    found = simulated(n=300)
    said = Page(card(facts(), verdict_on(found), found, MetricHistory(OWN, OTHER, CROWNED))).said("metrics")
    assert "ROC AUC at development, at the last validation and now" in said
    assert "training rows of each, in folds 0.7200 0.7000 to 0.7400 0.7100 0.6800 to 0.7400" in said
    assert (
        f"as of 2024-06-01 judged rows, 2023-10-01 to before 2024-01-01 {NOTHING} {NOTHING} 0.7000 0.6600 to 0.7300"
        in said
    )
