"""The card: its structure, its safety, and every odd case."""

from __future__ import annotations

import base64
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from support.factories import a_recall_of, a_regression, a_spec, an_outlook, result, rows
from support.report_cases import FULL, HOSTILE, Page, checks, facts, full, looks, regression, simulated, verdict_on
from titleholder.formatting import MINUS, NOTHING
from titleholder.reports import card, markdown
from titleholder.validation.checks.base import Result
from titleholder.validation.evidence import BenchmarkScores, Evidence, TrainingSample, UnobservedRows
from titleholder.validation.metrics import Gain
from titleholder.validation.verdict import Verdict

SECTIONS = ["numbers", "checks", "evidence", "curves", "grades", "groups", "swap_set", "accepted"]
SECTIONS += ["importance", "missing", "stability"]
SECTIONS += ["benchmark", "metrics", "windows", "lineage", "environment", "rules"]


def drawn(found: Evidence, verdict: Verdict | None = None, **changes: Any) -> Page:
    return Page(card(facts(found.spec, **changes), verdict or verdict_on(found), found))


def test_it_begins_with_the_decision_and_its_reason() -> None:
    page = Page(full())
    assert page.heading == "small as of 2024-07-01 (lane\N{NO-BREAK SPACE}live): version 4 promoted over version 3"
    assert page.why == "Shown to be better."


@pytest.mark.parametrize(
    ("schedule", "noun", "cohort"),
    [("@daily", "week", "2023-W4"), ("0 6 * * 1", "week", "2023-W4"), ("@monthly", "month", "2023-11")],
)
def test_cohorts_are_called_what_the_schedule_makes_them(schedule: str, noun: str, cohort: str) -> None:
    """600 rows in three months are too few for days; weeks of a daily model have enough."""
    spec = a_spec(schedule=schedule, judgement__checks={"cohorts": {"minimum_events": 10}})
    said = drawn(simulated(spec)).said("groups")
    assert f"By calendar {noun}" in said
    assert cohort in said


def test_of_a_refit_it_says_what_was_judged_and_what_is_in_use() -> None:
    found = simulated()
    known = facts(found.spec, refitted=True)
    assert known.refit_note in card(known, verdict_on(found), found).replace("&#39;", "'")
    assert "twin" not in full()


def test_it_says_how_long_scoring_must_wait_for_features_that_are_known_later() -> None:
    found = simulated()
    known = facts(found.spec, known_after={"visits": "3 days", "calls": "12 hours"}, scoring_delay="3 days")
    assert "Scoring must wait 3 days after the event" in known.delay_note
    assert known.delay_note in card(known, verdict_on(found), found)
    assert known.delay_note in markdown(known, verdict_on(found))
    assert "Known later" not in full()


def test_it_says_where_the_history_is_shorter_than_the_window_and_what_nothing_could_test() -> None:
    found = simulated()
    remarks = ("The rows begin late.", "Not tested for leaks: loans.")
    page = card(facts(found.spec, remarks=remarks), verdict_on(found), found)
    assert all(remark in page for remark in remarks)


def test_its_sections_stand_in_order_and_the_contents_name_them_all() -> None:
    page = Page(full())
    assert list(page.sections) == ["", *SECTIONS]
    assert [href for href in page.values("href") if href[1:] in SECTIONS] == [f"#{s}" for s in SECTIONS]


def test_its_tags_are_in_balance_and_its_identifiers_are_unique_and_known() -> None:
    page = Page(full())
    assert page.open == []
    identifiers = page.values("id")
    assert len(set(identifiers)) == len(identifiers)
    pointed = {href[1:] for href in page.values("href") if href.startswith("#")}
    assert pointed <= set(identifiers)


def test_every_check_has_its_sentence_and_numbers_the_failed_first() -> None:
    said = Page(full()).said("checks")
    for check in checks():
        assert f"{check.title} {check.code} {check.explained}" in said
    for number in ("events 60", f"gain {MINUS}0.0125", "looks 3", "Decide whether the model is still used."):
        assert number in said
    assert said.startswith("Checks 4 checks: 1 failed, 1 warning, 1 passed, 1 not applicable.")
    order = [said.index(check.explanation) for check in (checks()[i] for i in (2, 1, 0, 3))]
    assert order == sorted(order)


def test_an_outcome_is_shown_by_a_word_and_not_by_colour_alone() -> None:
    said = Page(full()).said("checks")
    for words in (
        "✕ fail blocks",
        "! warning does not block",
        "✓ pass blocks if failed",
        "not applicable blocks if failed",
    ):
        assert words in said


def test_key_numbers_have_intervals() -> None:
    said = Page(full()).said("numbers")
    assert "+0.0123 shown to be above +0.0029 (one-sided); a loss of 0.0100 is tolerated" in said
    assert "95% interval +0.0011 to +0.0235 (DeLong)" in said
    assert "2023-10-01 to before 2024-01-01" in said
    assert "600 with" in said


@pytest.mark.parametrize(("failed", "said"), [((), ""), ((result("TH203", "fail"),), "; not fit for use now (TH203)")])
def test_a_former_version_that_the_record_speaks_for_is_named(failed: tuple[Result, ...], said: str) -> None:
    found = simulated(FULL)
    html = card(facts(FULL, kind="recall", recalled=1), verdict_on(found, recall=a_recall_of(1, *failed)), found)
    page = Page(html)
    assert page.heading.endswith(
        "version 1, trained earlier, became champion in place of version 3; the new version 4 did not"
    )
    assert '<header class="tone-good">' in html
    numbers = " ".join(page.sections["numbers"].split())
    assert "Expected gain in use of version 1, of 2024-01-01" in numbers
    assert f"probability of a loss of more than 0.01: 1.2%{said}" in numbers


def test_the_card_of_a_recall_shows_what_was_measured_of_the_version_that_became_champion() -> None:
    """A validator saw the metrics and checks of the new version, which did not become champion, and no others."""
    found = simulated(FULL)
    here = {
        "metrics_here": {"roc_auc": 0.7654, "brier": 0.1234},
        "gain_here": Gain(0.0321, 0.01, 0.05, "DeLong", 0.01, 40.0),
    }
    recalled = a_recall_of(1, result("TH203", explanation="Level as it should be."), **here)
    page = Page(card(facts(FULL, kind="recall", recalled=1), verdict_on(found, recall=recalled), found))
    assert "Became champion version 1, as of 2024-01-01. Pictures, grades and checks are of the challenger" in page.text
    assert "on the judged rows +0.0321 over the champion" in page.said("numbers")
    checked = page.said("checks")
    assert checked.index("The challenger, version 4") < checked.index("Version 1, on the same rows")
    assert checked.index("Version 1, on the same rows") < checked.index("Level as it should be.")
    measured = page.said("metrics")
    assert "Challenger Champion Version 1 Challenger" in measured
    assert "0.7654" in measured
    assert "0.1234" in measured
    assert "All three models" in measured
    assert "| metric | challenger | champion | version 1 | better is |" in markdown(
        facts(), verdict_on(found, recall=recalled)
    )


def test_what_the_champion_fails_by_itself_stands_above_the_checks() -> None:
    found = simulated(FULL)
    off = result("TH203", "fail", explanation="Observed over expected 1.93.")
    said = Page(card(facts(FULL), verdict_on(found, champion_failed=(off,)), found)).said("checks")
    assert "The champion of that time, version 3, itself fails TH203 (TH203): Observed over expected 1.93." in said


def test_the_rule_record_says_what_the_record_is_how_sure_and_what_follows() -> None:
    found = simulated(FULL)
    verdict = verdict_on(found, rule="record", outlook=an_outlook(former=2, former_expectation=(0.0061, 0.011)))
    page = Page(card(facts(FULL), verdict, found))
    assert "+0.0041 expected in use" in page.said("numbers")
    said = page.said("evidence").replace(" ,", ",").replace(" .", ".")
    assert "The record has 9 versions and 14 cohorts; on it, a year of fresher training is worth +0.0123" in said
    assert "expected to gain +0.0041 over the champion; the probability that it loses more than 0.0100 is 2.1%" in said
    assert "most is expected of version 2: +0.0061, with a probability of 1.1%" in said
    assert "more than 0.0010 is expected of it, and that probability is at most 5.0%" in said
    assert "thin record" not in said
    thin = verdict_on(found, rule="record", outlook=an_outlook(events=18))
    said = Page(card(facts(FULL), thin, found)).said("evidence")
    assert "These probabilities rest on a thin record, 14 cohorts with a median of 18 events" in said
    without = Page(card(facts(FULL), verdict_on(found, rule="record"), found)).said("evidence")
    assert "No cohort has enough outcomes yet" in without


def test_every_figure_has_an_alternative_text_and_a_caption() -> None:
    page = Page(full())
    figures = sum(tag == "figure" for tag, _ in page.tags)
    pictures = [a for tag, a in page.tags if tag == "img"]
    captions = sum(tag == "figcaption" for tag, _ in page.tags)
    assert figures == len(pictures) == captions == 14
    assert all(len(a["alt"] or "") > 20 for a in pictures)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    html, page = full(), Page(full())
    assert {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    assert "default-src 'none'" in page.values("content")[0]
    outside = [href for href in page.values("href") if not href.startswith("#")]
    assert outside == ["http://mlflow.example/#/runs/c0a8", "https://mlflow.example/v/4"]
    assert all(src.startswith("data:image/svg+xml;base64,") for src in page.values("src"))
    assert "@import" not in html
    assert "url(" not in html
    assert re.findall(r"https?://(?!mlflow\.example)", html) == []
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def with_features() -> Evidence:
    """Debt was lower in training, and income is now missing in half of the rows; the benchmark sees nothing."""
    found, before = simulated(FULL), rows(FULL, n=4000, seed=3)
    income = found.frame["income"].mask(found.frame.index < 300)
    seen = TrainingSample(frame=before.assign(debt=before["debt"] - 2), y=np.zeros(4000), scores=np.zeros(4000))
    scores = np.random.default_rng(0).uniform(0.2, 0.3, 600)
    return found.model_copy(
        update={
            "frame": found.frame.assign(income=income),
            "training": seen,
            "benchmark": BenchmarkScores(scores=scores),
        }
    )


def test_the_stability_of_each_feature_is_shown_the_worst_first() -> None:
    said = drawn(with_features()).said("stability")
    assert (
        "Too much income 4.5066 4.0558 to 4.9449 missing: 0.0% to 50.0% 0.0% 50.0% 45.1% to 54.9% PSI, missing debt"
        in said
    )
    assert "\N{MINUS SIGN}0.1% to 0.9% PSI purpose 0.0110 " in said
    assert drawn(simulated()).said("stability").endswith("There are no training rows to compare with.")


def test_what_each_missing_feature_costs_is_shown_the_worst_first() -> None:
    blind = with_features()
    given = blind.model_copy(update={"predict": lambda rows: blind.predict(rows.fillna({"debt": 0.0}))})  # type: ignore[misc]
    said = drawn(given).said("missing")
    assert "on 600 judged rows, 0." in said
    assert re.search(r"Too much debt 0\.5000 \+0\.\d{4} \+0\.\d{4} to \+0\.\d{4} yes income ", said)
    assert re.search(r"income 0\.\d{4} \+0\.0000 \+0\.0000 to \+0\.0000 purpose", said)


def test_a_model_that_cannot_score_without_a_feature_is_named_with_the_reason() -> None:
    said = drawn(with_features()).said("missing")
    assert "Too much debt no score: ValueError: 600 of 600 scores are not finite numbers" in said


def test_the_benchmark_is_shown_with_the_gain_over_it() -> None:
    said = drawn(with_features()).said("benchmark")
    assert "A plain scorecard (LogisticRegression on" in said
    assert re.search(r"The benchmark.s 0\.\d{4} 0\.\d{4} to 0\.\d{4} The challenger.s gain over it \+0\.", said)
    assert "The challenger is shown to be better" in said
    reversed_ = with_features().model_copy(update={"challenger": 1 - with_features().challenger})
    assert "shown to be worse by more than 0.00" in drawn(reversed_).said("benchmark")
    assert "No benchmark was fitted." in drawn(simulated()).said("benchmark")
    failed = simulated(benchmark=BenchmarkScores(scores=None, problem="It does not fit."))
    assert drawn(failed).said("benchmark").endswith("It does not fit.")


def test_where_only_accepted_rows_were_seen_the_card_says_so_and_what_it_could_change() -> None:
    assert "every row of the query is taken to have an outcome" in Page(full()).said("accepted")
    others = {"challenger": np.full(200, 0.05), "champion": np.full(200, 0.9)}
    said = drawn(simulated(FULL, unobserved=UnobservedRows(**others))).said("accepted")
    assert "Outcomes were seen of accepted rows only" in said
    assert "200 of 800 rows of the judged period (25.0%) were not accepted" in said
    assert re.search(r"challenger only \d+ 160 \d", said) or re.search(r"challenger only \d+ \d+ \d+\.\d% ", said)
    assert re.search(r"every other row had an event 800 0\.\d{4} 0\.\d{4} \W0\.\d{4}", said)
    none = UnobservedRows(challenger=np.empty(0))
    assert "The query returns no other rows" in drawn(simulated(FULL, unobserved=none)).said("accepted")


def test_only_http_becomes_a_link() -> None:
    found = simulated(n=0)
    page = drawn(
        found, links={"Bad": "javascript:alert(1)", "File": "file:///etc/passwd", "Good": "https://a.example/x"}
    )
    assert [href for href in page.values("href") if not href.startswith("#")] == ["https://a.example/x"]
    assert "javascript" not in page.text


def test_names_from_people_and_data_are_text_and_nothing_else() -> None:
    spec = a_spec(
        columns__numeric=["income", "debt", "<b>$"],
        columns__segments=["<i>|"],
        judgement__checks={"segments": {"minimum_events": 2}},
    )
    found = simulated(a_spec())
    values = pd.Series(np.where(np.arange(600) % 2, HOSTILE, "fine"))
    frame = found.frame.assign(**{"<i>|": values, "<b>$": 1.0})
    heavy, pairs = np.where(found.y == 1, 3.0, 1.0), np.arange(600) // 2
    found = found.model_copy(update={"spec": spec, "frame": frame, "weights": heavy, "clusters": pairs})
    hostile = {"title": HOSTILE, "explanation": HOSTILE, "numbers": {HOSTILE: 1.0}}
    results: list[Result] = [check.model_copy(update=hostile) for check in checks()]
    texts = dict.fromkeys(("model", "description", "owner", "lane", "reason", "actor", "asked_because"), HOSTILE)
    maps = {
        "lineage": {HOSTILE: HOSTILE},
        "environment": {HOSTILE: HOSTILE},
        "links": {HOSTILE: f"https://a.example/{HOSTILE}"},
    }
    html = card(facts(spec, **texts, **maps), verdict_on(found, *results, candidate=HOSTILE, note=HOSTILE), found)
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in Page(full()).tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.why == HOSTILE
    assert page.text.count(" ".join(HOSTILE.split())) > 10
    assert "<i>|" in page.said("groups")
    assert f"event rate, {np.average(found.y, weights=heavy):.1%}" in page.said("curves")


def test_every_picture_is_an_svg_file_without_a_script() -> None:
    for src in Page(full()).values("src"):
        svg = base64.b64decode(src.partition(",")[2])
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"<script" not in svg


def test_codes_of_checks_lead_to_the_documentation_where_its_address_is_known() -> None:
    found = simulated(n=0)
    base = "https://docs.example/docs"
    linked = [href for href in drawn(found, docs_base=base).values("href") if href.startswith(base)]
    codes = [re.search(r"checks\.md#(th\d+)-", href)[1] for href in linked]  # type: ignore[index]
    assert codes == ["th301", "th205", "th101", "th302"]
    assert "checks.md" not in " ".join(drawn(found).values("href"))


def test_equal_input_gives_an_equal_card() -> None:
    found = simulated(FULL)
    assert card(facts(FULL), verdict_on(found, looks=looks()), found) == full()


def test_it_is_small() -> None:
    assert len(full().encode()) < 400_000


def test_the_first_champion_is_not_compared() -> None:
    cut_off = {"accept": "above", "score": 0.2}
    spec = a_spec(judgement__cut_off=cut_off, columns__segments=["postcode"], columns__protected=[])
    found = simulated(spec, champion=None)
    page = drawn(found.model_copy(update={"frame": found.frame.assign(postcode=np.arange(600) % 300)}))
    assert page.heading.endswith("version 4 promoted, the first champion")
    assert "There was no champion to compare with." in page.said("numbers")
    assert "There was no champion, so there is no evidence of a reign." in page.said("evidence")
    assert "since there was no champion" in page.said("groups")
    assert "None of 300 groups has the 30 rows of the rarer class needed for a measurement." in page.said("groups")
    assert "Each model accepts scores of at least 0.2." in page.said("swap_set")
    assert "declined" in page.said("swap_set")
    assert "champion, version" not in page.text


@pytest.mark.parametrize(("n", "why"), [(60, "outcomes of one class only"), (0, "there are no judged rows")])
def test_a_holdout_without_information_is_reported_as_such(n: int, why: str) -> None:
    found = simulated(n=n)
    found = found.model_copy(update={"y": np.zeros(n)})
    page = drawn(found, kind="reject", reason="Too few outcomes.")
    assert page.heading.endswith("version 4 rejected, version 3 stays champion")
    assert why in page.said("curves")
    assert "Nothing can be measured" in page.said("groups")
    assert "Nothing can be measured" in page.said("importance")
    assert "No metric could be computed" in page.said("metrics")
    assert "Could not be computed." in page.said("numbers")


def test_a_regression_has_residuals_and_no_events() -> None:
    page = Page(regression())
    assert page.heading.endswith("version 3 kept, version 4 not promoted")
    alternatives = " ".join(page.values("alt"))
    assert "observed minus predicted" in alternatives
    assert "ROC" not in alternatives
    assert "The rule of this spec is fresh :" in page.said("evidence")
    assert "This reign has no look yet" in page.said("evidence")
    assert "Events" not in page.text


def test_a_quantile_is_calibrated_by_its_coverage() -> None:
    spec = a_regression(
        judgement__metric="pinball",
        judgement__quantile=0.9,
        training__candidates={"line": {"estimator": "sklearn.linear_model.QuantileRegressor"}},
    )
    found = simulated(spec)
    page = drawn(found.model_copy(update={"challenger": found.challenger + 1.2816}))
    said = page.said("curves")
    assert "Model Outcomes at or below challenger, version 4 0.9" in said
    assert "Perfectly calibrated predictions have the share 0.9 of outcomes at or below them." in said
    assert "Slope" not in said
    assert "intervals of the observed shares" in said


def test_grades_have_their_rates_and_where_rows_moved() -> None:
    said = Page(full()).said("grades")
    assert "in grades of equally many rows; a grade of fewer than 100 rows is joined with the next" in said
    assert "two-sided, with its tolerance of 10 %, by Holm for 6 grades" in said
    assert "of the judged rows stay in their grade" in said
    assert "A regression has no grades." in Page(regression()).said("grades")
    assert "There was no champion, so no row moves" in drawn(simulated(champion=None)).said("grades")


def test_without_predictions_there_is_no_importance() -> None:
    page = drawn(simulated(n=0, predict=None))
    assert "made no further predictions" in page.said("importance")


def test_of_many_segments_twenty_are_shown() -> None:
    spec = a_spec(
        columns__segments=["postcode"], columns__protected=[], judgement__checks={"segments": {"minimum_events": 2}}
    )
    found = simulated(spec, n=300, predict=None)
    said = drawn(found.model_copy(update={"frame": found.frame.assign(postcode=np.arange(300) % 25)})).said("groups")
    assert "5 more groups are not shown: at most 20 are, those with the most rows of the rarer class." in said


def test_the_rules_of_judgement_include_their_defaults() -> None:
    said = Page(full()).said("rules")
    assert "minimum_new_events 20" in said
    assert f"accept: below, score: {NOTHING}, share: 0.8" in said
    assert "segments blocks tolerance: 0.02, minimum_events: 10 No segment with enough events" in said
