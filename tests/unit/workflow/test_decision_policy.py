"""What is done about a verdict, branch by branch."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.factories import REIGN, a_recall_of, a_spec, a_verdict, an_outlook, result
from titleholder.ledger.decision import Answer
from titleholder.validation.evidence import UnfitCandidate
from titleholder.validation.metrics import Gain
from titleholder.validation.outlook import Outlook
from titleholder.validation.verdict import Reign, Verdict
from titleholder.workflow.decision_policy import Ruling, answered, approvers, rule

AS_OF = date(2024, 7, 1)
BETTER = "Better on this holdout, and shown to lose no more than is tolerated"
ASKING: dict[str, Any] = {"promotion__approval": {"by": ["risk-lead", "cfo"], "within": "3 days"}}


def ruled(verdict: Verdict, *, lane: str = "live", newest: date | None = None, **spec: Any) -> Ruling:
    return rule(a_spec(**spec), verdict, as_of=AS_OF, lane=lane, newest=newest)


def better() -> Verdict:
    return a_verdict(result("TH101"), result("TH201"), result("TH301"))


def not_better() -> Verdict:
    return a_verdict(result("TH101"), result("TH301", "fail"), gain=Gain(-0.001, -0.01, 0.008, "DeLong", 0.0046, 40.0))


def useless() -> Verdict:
    return a_verdict(result("TH101", "fail"), result("TH201", "fail"), result("TH301", "fail"))


def first() -> Verdict:
    return a_verdict(result("TH101"), result("TH301", "not_applicable"), champion=None)


LANES = pytest.mark.parametrize("lane", ["live", "backtest"])


@LANES
def test_a_better_challenger_is_promoted(lane: str) -> None:
    assert ruled(better(), lane=lane)[:2] == ("promote", f"{BETTER}. TH301 said.")


@LANES
def test_the_first_one_to_pass_the_absolute_checks_is_promoted(lane: str) -> None:
    found = ruled(first(), lane=lane)
    assert found[:2] == ("promote", "The first champion: the challenger by itself failed no check that blocks.")


@LANES
def test_one_that_does_not_win_by_the_rule_leaves_the_champion(lane: str) -> None:
    assert ruled(not_better(), lane=lane)[:2] == ("keep", "Not better on this holdout. TH301 said.")
    unsure = a_verdict(result("TH301", "fail"), gain=Gain(0.01, -0.03, 0.05, "DeLong", 0.02, 40.0))
    assert ruled(unsure, lane=lane)[:2] == ("keep", "Not shown to lose no more than is tolerated. TH301 said.")


@pytest.mark.parametrize(("passes", "reason"), [(True, "Shown to be better"), (False, "Not shown to be better")])
def test_the_rule_sequential_has_words_of_its_own(passes: bool, reason: str) -> None:
    verdict = a_verdict(result("TH301", "pass" if passes else "fail"), rule="sequential")
    assert ruled(verdict).reason == f"{reason}. TH301 said."


@pytest.mark.parametrize(
    ("gain", "outlook", "reason"),
    [
        (0.01, an_outlook(), "Better on this holdout, and on the record of all versions expected to do better in use"),
        (-0.01, an_outlook(), "Not better on this holdout"),
        (
            0.01,
            an_outlook(gain=0.0009),
            "Better on this holdout, but on the record of all versions not expected to gain more in use than 0.001 (a "
            "tenth of the default tolerated loss). TH301 said.",
        ),
        (
            0.01,
            an_outlook(gain=0.0009, minimum_gain=0.002),
            "Better on this holdout, but on the record of all versions not expected to gain more in use than 0.003 "
            "(minimum_gain 0.002 and a tenth of the default tolerated loss). TH301 said.",
        ),
        (
            0.01,
            an_outlook(gain=0.00009, unit=0.001),
            "Better on this holdout, but on the record of all versions not expected to gain more in use than 0.0001 (a "
            "hundredth of the gain's error). TH301 said.",
        ),
        (
            0.01,
            an_outlook(risk=0.06),
            "Expected to do better in use, but a loss beyond what is tolerated is not excluded",
        ),
        (0.01, None, "No cohort has enough outcomes yet to compare it with the champion"),
    ],
)
def test_the_rule_record_says_what_is_expected_in_use(gain: float, outlook: Outlook | None, reason: str) -> None:
    passes = gain > 0 and outlook is not None and outlook.passed
    found = Gain(gain, gain - 0.02, gain + 0.02, "DeLong", 0.01, 40.0)
    verdict = a_verdict(result("TH301", "pass" if passes else "fail"), rule="record", gain=found, outlook=outlook)
    assert ruled(verdict).reason.startswith(reason)
    assert ruled(verdict).kind == ("promote" if passes else "keep")


@LANES
@pytest.mark.parametrize("champion", [True, False])
def test_one_that_fails_an_absolute_check_is_rejected_with_every_such_reason(lane: str, champion: bool) -> None:
    verdict = useless() if champion else a_verdict(result("TH101", "fail"), result("TH201", "fail"), champion=None)
    assert ruled(verdict, lane=lane)[:2] == ("reject", "TH101 said. TH201 said.")


def test_the_reason_says_what_to_do_about_each_check_that_failed() -> None:
    failed = [result(code, "fail").model_copy(update={"remedy": f"Mend {code}."}) for code in ("TH101", "TH203")]
    assert ruled(a_verdict(*failed, champion=None)).reason == "TH101 said. Mend TH101. TH203 said. Mend TH203."


def test_one_that_fails_a_warning_only_is_promoted() -> None:
    assert ruled(a_verdict(result("TH900", "fail", "warn"), result("TH301"))).kind == "promote"


def below_floor(*more: Any) -> Verdict:
    return a_verdict(result("TH101"), result("TH205", "fail", "warn"), *more)


@LANES
def test_a_model_is_to_be_retired_when_neither_champion_nor_challenger_rises_above_its_floors(lane: str) -> None:
    verdict = below_floor(result("TH201", "fail"), result("TH301", "fail"))
    assert ruled(verdict, lane=lane)[:2] == (
        "retire", "Neither model is good enough. TH205 said. The challenger: TH201 said."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (below_floor(result("TH201"), result("TH301")), "promote"),
        (below_floor(result("TH201"), result("TH301", "fail")), "keep"),
        (below_floor(result("TH203", "fail"), result("TH301")), "reject"),
        (a_verdict(result("TH205"), result("TH201", "fail"), result("TH301", "fail")), "reject"),
    ],
    ids=["the challenger is shown better", "it is above the floors", "it lacks something else", "the champion stands"],
)
def test_it_is_not_retired_otherwise(verdict: Verdict, kind: str) -> None:
    assert ruled(verdict).kind == kind


def test_one_that_is_better_and_does_harm_elsewhere_leaves_the_champion() -> None:
    verdict = a_verdict(result("TH101"), result("TH301"), result("TH302", "fail"))
    assert ruled(verdict)[:2] == ("keep", "Not fit to replace the champion. TH302 said.")
    both = a_verdict(result("TH301", "fail"), result("TH302", "fail"))
    assert ruled(both)[:2] == ("keep", "Not shown to lose no more than is tolerated. TH301 said. TH302 said.")


@pytest.mark.parametrize("code", ["TH304", "TH402", "TH702"])
def test_what_compares_with_the_champion_keeps_and_does_not_reject(code: str) -> None:
    assert ruled(a_verdict(result("TH301"), result(code, "fail"))).kind == "keep"


def test_a_champion_below_its_floors_never_blocks_its_replacement() -> None:
    assert ruled(a_verdict(result("TH205", "fail", "block"), result("TH301"))).kind == "promote"


def test_with_a_negative_minimum_nothing_is_called_better() -> None:
    margin = a_verdict(result("TH301"), minimum_gain=-0.005)
    assert ruled(margin).reason.startswith("Not worse by more than 0.005 on this holdout, and shown to lose no more")
    together = a_verdict(result("TH301"), minimum_gain=-0.005, rule="sequential")
    assert ruled(together).reason == "Shown not to be worse by more than 0.005. TH301 said."
    resting = ruled(together, promotion__cooldown="2 months").reason
    assert resting.startswith("Shown not to be worse by more than 0.005, but the champion")


@LANES
@pytest.mark.parametrize(("cooldown", "kind"), [("1 month", "promote"), ("2 months", "keep"), (None, "promote")])
def test_a_champion_is_not_replaced_within_its_cooldown(cooldown: str | None, kind: str, lane: str) -> None:
    """It was promoted as of 2024-06-01; this is 2024-07-01."""
    found = ruled(better(), lane=lane, promotion__cooldown=cooldown)
    assert found.kind == kind
    if kind == "keep":
        assert found.reason == (
            f"{BETTER}, but the champion of 2024-06-01 may not be replaced before 2024-08-01 (cooldown 2 months)."
        )


def test_a_cooldown_does_not_hold_up_the_first_champion() -> None:
    assert ruled(first(), promotion__cooldown="1 year").kind == "promote"


OLDER = date(2024, 7, 2)


def test_in_the_live_lane_an_older_date_is_never_promoted() -> None:
    found = ruled(better(), newest=OLDER)
    assert found[:2] == ("keep", "Older than the newest live decision, of 2024-07-02: recorded, never promoted.")
    assert ruled(first(), newest=OLDER).kind == "keep"
    assert ruled(better(), newest=OLDER, **ASKING).kind == "keep"
    assert ruled(useless(), newest=OLDER) == found, "what it lacks no longer matters"


@pytest.mark.parametrize("newest", [AS_OF, date(2024, 6, 30), None])
def test_the_same_date_or_a_newer_one_may_be_promoted(newest: date | None) -> None:
    assert ruled(better(), newest=newest).kind == "promote"


def test_elsewhere_a_late_month_may_be_promoted() -> None:
    assert ruled(better(), lane="backtest", newest=OLDER).kind == "promote"


@pytest.mark.parametrize("verdict", [better(), first()], ids=["better", "first"])
def test_where_a_person_must_approve_one_is_asked_in_the_live_lane_only(verdict: Verdict) -> None:
    asked = ruled(verdict, **ASKING)
    assert asked.kind == "ask"
    assert asked.reason.endswith("risk-lead, cfo must approve.")
    assert asked.reason.startswith(ruled(verdict).reason)
    assert ruled(verdict, lane="backtest", **ASKING) == ruled(verdict, lane="backtest")


@pytest.mark.parametrize("verdict", [not_better(), useless()], ids=["not better", "useless"])
def test_no_approval_is_asked_for_a_challenger_that_lost(verdict: Verdict) -> None:
    assert ruled(verdict, **ASKING) == ruled(verdict)


DOUBT = "but this is not plausible: look for a leak. TH503 said."


def implausible(*more: Any, champion: Reign | None = REIGN) -> Verdict:
    gain = result("TH301", "pass" if champion else "not_applicable")
    return a_verdict(gain, result("TH503", "fail"), *more, champion=champion)


@LANES
@pytest.mark.parametrize("champion", [REIGN, None], ids=["a champion", "no champion yet"])
def test_an_implausible_winner_is_kept_back_where_nobody_may_be_asked(lane: str, champion: Reign | None) -> None:
    won = ruled(better()).reason.removesuffix(". TH301 said.") if champion else "It would be the first champion"
    assert ruled(implausible(champion=champion), lane=lane)[:2] == (
        "keep", f"{won}, {DOUBT} Not promoted, because no person is asked to approve it."
    )  # fmt: skip


@pytest.mark.parametrize("champion", [REIGN, None], ids=["a champion", "no champion yet"])
def test_an_implausible_winner_is_for_people_to_judge(champion: Reign | None) -> None:
    asked = ruled(implausible(champion=champion), **ASKING)
    assert asked.kind == "ask"
    assert asked.reason.endswith(f"{DOUBT} risk-lead, cfo must approve.")
    assert answered(asked, said("approve")).kind == "promote"
    assert answered(asked, said("none")).kind == "keep"
    assert ruled(implausible(champion=champion), lane="backtest", **ASKING).kind == "keep"


def test_an_implausible_loser_is_judged_by_what_it_lost_by() -> None:
    assert ruled(implausible(result("TH203", "fail")), **ASKING)[:2] == ("reject", "TH203 said.")
    assert ruled(implausible(result("TH302", "fail")), **ASKING).kind == "keep"
    assert ruled(a_verdict(result("TH301", "fail"), result("TH503", "fail")), **ASKING).kind == "keep"


def test_an_implausible_result_that_only_warns_promotes() -> None:
    assert ruled(a_verdict(result("TH301"), result("TH503", "fail", "warn"))).kind == "promote"


def test_it_does_not_matter_which_version_is_champion() -> None:
    other = Reign(version=1, as_of=date(2019, 1, 1), trained_through=date(2018, 1, 1))
    assert ruled(better().model_copy(update={"champion": other})) == ruled(better())


ASKED = Ruling("ask", "Shown to be better. risk-lead, cfo must approve.")


def said(answer: str, by: str = "risk-lead", **more: Any) -> Answer:
    return Answer(asked=("risk-lead", "cfo"), answer=answer, by=by if answer != "none" else "", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "meanwhile", "kind", "begins"),
    [
        (said("approve"), "", "promote", "risk-lead approved. Shown to be better."),
        (said("approve", comment="fine"), "", "promote", 'risk-lead approved ("fine"). Shown'),
        (said("reject", comment="too new"), "", "keep", 'risk-lead said no ("too new"). Shown'),
        (said("none"), "", "keep", "There was no answer in time, which means no."),
        (said("approve", by="intern"), "", "keep", "intern approved, but was not asked."),
        (said("approve"), "version 9 was decided since", "keep", "risk-lead approved, but too late: version 9 was"),
        (Answer(asked=(), answer="none"), "", "keep", "No person may approve: the only approvers started the run"),
        (None, "", "keep", "No person could be asked. Shown to be better."),
    ],
)
def test_only_a_timely_yes_of_somebody_who_was_asked_promotes(
    answer: Answer | None, meanwhile: str, kind: str, begins: str
) -> None:
    ruling = answered(ASKED, answer, meanwhile)
    assert ruling.kind == kind
    assert ruling.reason.startswith(begins)


def test_people_do_not_approve_their_own_runs_unless_the_spec_allows_it() -> None:
    by: list[Any] = ["risk-lead", {"id": "3", "name": "cfo"}]
    approval = a_spec(promotion__approval={"by": by, "within": "12 hours"}).promotion.approval
    assert approval != "automatic"
    assert [p.name for p in approvers(approval, "airflow:scheduled")] == ["risk-lead", "cfo"]
    assert [p.id for p in approvers(approval, "risk-lead")] == ["3"]
    assert [p.id for p in approvers(approval, "cfo")] == ["risk-lead"]
    assert [p.id for p in approvers(approval, "airflow:asset_triggered", ["cfo"])] == ["risk-lead"]
    assert approvers(approval, "airflow:asset_triggered", None) == (), "it may have been any of them"
    own = approval.model_copy(update={"own_runs": True})
    assert len(approvers(own, "cfo")) == len(approvers(own, "airflow:asset_triggered", None)) == 2


def test_a_run_that_anybody_may_have_asked_for_says_what_to_do() -> None:
    ruling = answered(ASKED, Answer(asked=(), answer="none"), by_anybody=True)
    assert ruling.kind == "keep"
    assert ruling.reason.startswith("No person may approve: it is not known who requested this run")
    assert "Trigger the DAG by hand, or set own_runs in the spec's approval. Shown" in ruling.reason


def test_a_better_challenger_that_is_barred_is_kept_back() -> None:
    ruling = rule(a_spec(), better(), as_of=AS_OF, lane="live", newest=None, barred="it saw nothing newer")
    assert ruling == Ruling("keep", f"{BETTER}, but it saw nothing newer.")
    worse = rule(a_spec(), not_better(), as_of=AS_OF, lane="live", newest=None, barred="it saw nothing newer")
    assert worse.reason.startswith("Not better on this holdout")


RECALLED = (
    "On the record of all versions, version 1 is expected to do better in use than the champion by 0.0061 (probability "
    "of a loss of more than 0.01: 1.2%)."
)
UNFIT = "The challenger is unfit for use: "


def recalling(verdict: Verdict, *failed: Any) -> Verdict:
    """The verdict with a former version, January's, that the record speaks for."""
    return verdict.model_copy(update={"recall": a_recall_of(1, *failed)})


RETIRING = below_floor(result("TH201", "fail"))


@LANES
@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (better(), RECALLED),
        (not_better(), RECALLED),
        (a_verdict(result("TH201", "fail")), f"{RECALLED} {UNFIT}TH201 said."),
        (RETIRING, f"{RECALLED} {UNFIT}Neither model is good enough. TH205 said. The challenger: TH201 said."),
        (a_verdict(result("TH503", "fail")), RECALLED),
        (a_verdict(result("TH302", "fail")), RECALLED),
    ],
    ids=["better", "not better", "unfit", "nothing is good enough", "implausible", "harm elsewhere"],
)
def test_a_former_version_that_the_record_speaks_for_is_recalled_whatever_the_challenger_is(
    lane: str, verdict: Verdict, reason: str
) -> None:
    assert ruled(recalling(verdict), lane=lane)[:2] == ("recall", reason)


@LANES
@pytest.mark.parametrize("verdict", [better(), not_better(), RETIRING, a_verdict(result("TH201", "fail"))])
@pytest.mark.parametrize(
    ("obstacle", "why"),
    [
        ({"failed": (result("TH203", "fail"), result("TH201", "fail"))}, "is not fit for use now (TH203, TH201): TH203 said. TH201 said."),
        ({"recall_barred": "it was rolled back on 2024-05-01"}, "was rolled back on 2024-05-01."),
        ({"cooldown": "2 months"}, "the champion of 2024-06-01 may not be replaced before 2024-08-01 (cooldown 2 months)."),
    ],
    ids=["unfit", "barred", "cooldown"],
)  # fmt: skip
def test_without_a_recall_the_ruling_is_as_it_would_be_and_names_the_former_version(
    lane: str, verdict: Verdict, obstacle: dict[str, Any], why: str
) -> None:
    spec = a_spec(promotion__cooldown=obstacle.get("cooldown"))
    known: dict[str, Any] = {"as_of": AS_OF, "lane": lane, "newest": None}
    without = rule(spec, verdict, **known)
    barred = obstacle.get("recall_barred", "")
    found = rule(spec, recalling(verdict, *obstacle.get("failed", ())), **known, recall_barred=barred)
    subject = "" if why.startswith("the champion") else "it "
    assert found == without._replace(reason=f"{without.reason} Version 1 would be recalled, but {subject}{why}")


def test_a_recall_says_how_long_the_record_is() -> None:
    verdict = recalling(not_better()).model_copy(update={"outlook": an_outlook(versions=14, cohorts=20)})
    assert ruled(verdict).reason == RECALLED.replace("all versions", "14 versions over 20 cohorts")


def test_too_few_outcomes_recall_nothing() -> None:
    found = ruled(recalling(useless()))
    assert found.kind == "reject"
    assert found.reason.endswith("Version 1 would be recalled, but there are too few outcomes (TH101).")


def test_the_cooldown_of_a_recalled_champion_begins_with_its_recall() -> None:
    """It was trained for 2023-01-01 and recalled as of 2024-06-01; this is 2024-07-01."""
    reign = REIGN.model_copy(update={"as_of": date(2023, 1, 1), "recalled": date(2024, 6, 1)})
    verdict = better().model_copy(update={"champion": reign})
    assert ruled(verdict, promotion__cooldown="1 month").kind == "promote"
    found = ruled(verdict, promotion__cooldown="2 months")
    assert found.kind == "keep"
    assert (
        "the champion of 2023-01-01, recalled as of 2024-06-01, may not be replaced before 2024-08-01" in found.reason
    )


def test_neither_without_a_champion_nor_to_the_champion_itself_is_there_a_recall() -> None:
    assert ruled(recalling(first())) == ruled(first())
    itself = better().model_copy(update={"recall": a_recall_of(REIGN.version)})
    assert ruled(itself) == ruled(better())


def test_an_older_run_recalls_nothing() -> None:
    assert ruled(recalling(better()), newest=OLDER) == ruled(better(), newest=OLDER)


@pytest.mark.parametrize(
    ("verdict", "refused"),
    [(better(), "keep"), (not_better(), "keep"), (a_verdict(result("TH201", "fail")), "reject"), (RETIRING, "retire")],
)
def test_where_a_person_must_approve_one_is_asked_about_the_recall(verdict: Verdict, refused: str) -> None:
    asked = ruled(recalling(verdict), **ASKING)
    assert (asked.kind, asked.if_approved) == ("ask", "recall")
    assert asked.reason.startswith(RECALLED)
    assert asked.reason.endswith("risk-lead, cfo must approve.")
    assert answered(asked, said("approve")).kind == "recall"
    for no in (said("reject"), said("none"), None):
        assert answered(asked, no).kind == refused
    assert answered(asked, said("approve"), "version 9 was decided since").kind == refused
    assert ruled(recalling(verdict), lane="backtest", **ASKING).kind == "recall"


def test_an_answer_changes_nothing_about_a_ruling_that_is_no_longer_a_question() -> None:
    older = Ruling("keep", "Older than the newest live decision.")
    assert answered(older, said("approve")) == Ruling(
        "keep", "risk-lead approved. Older than the newest live decision."
    )
    assert answered(older, said("approve"), "version 9 was decided since").reason.startswith(
        "risk-lead approved, but too"
    )
    assert answered(Ruling("reject", "It fails."), said("none")).kind == "reject"


def test_the_reason_names_the_candidates_that_were_judged_before() -> None:
    unfit = tuple(UnfitCandidate(name=name, version=n, failed=("TH203",)) for n, name in ((4, "trees"), (5, "line")))
    for verdict in (better(), not_better(), useless()):
        ruling = ruled(verdict.model_copy(update={"unfit": unfit}))
        both = "trees (version 4) and line (version 5)"
        assert ruling.reason == f"{ruled(verdict).reason} Judged after {both}, unfit on the same rows."
        assert ruling.kind == ruled(verdict).kind


OFF = result("TH203", "fail", explanation="Observed over expected 1.93.")


@pytest.mark.parametrize("checks", [(result("TH301", "fail"),), (result("TH301"),), (result("TH101", "fail"),)])
def test_the_reason_says_what_the_champion_fails_by_itself(checks: tuple[Any, ...]) -> None:
    """For good, whatever was decided about the challenger."""
    plain, told = (ruled(a_verdict(*checks, champion_failed=failed)) for failed in ((), (OFF,)))
    assert told[0] == plain[0]
    assert told.reason == (
        f"{plain.reason} The champion of that time, version 3, itself fails TH203 (TH203): Observed over expected 1.93."
    )


def test_what_the_reason_says_already_of_the_champion_is_not_said_twice() -> None:
    found = ruled(a_verdict(result("TH201", "fail"), result("TH205", "fail", "warn"), champion_failed=(OFF,)))
    assert found.kind == "retire"
    assert found.reason.count("TH205 said.") == 1
    assert found.reason.endswith("itself fails TH203 (TH203): Observed over expected 1.93.")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (18, "<0.1%; thin record, 14 cohorts with a median of 18 events: surer than it should be)."),
        (60, "<0.1%)."),
    ],
)
def test_a_probability_on_a_thin_record_says_so_and_is_never_zero(events: int, said: str) -> None:
    """`probability of a loss of more than 0.01: 0.0%` stood flatly over cohorts of 10 to 28 events."""
    verdict = a_verdict(recall=a_recall_of(1, risk=0.00004), outlook=an_outlook(events=events))
    assert ruled(verdict).reason.endswith(f"(probability of a loss of more than 0.01: {said}")
