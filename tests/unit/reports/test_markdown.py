"""The decision as Markdown."""

from __future__ import annotations

import re

import pytest

from support.factories import a_recall_of, an_outlook, result
from support.report_cases import HOSTILE, checks, facts, looks, simulated, verdict_on
from titleholder.plain_text import markdown as text
from titleholder.reports import markdown

FOUND = simulated(n=200)


def lines(**changes: object) -> list[str]:
    return markdown(facts(**changes), verdict_on(FOUND, looks=looks())).splitlines()


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def test_the_first_two_lines_are_the_decision_and_its_reason() -> None:
    assert lines()[0] == "## small as of 2024-07-01 (lane live): version 4 promoted over version 3"
    assert lines()[1] == "**Why:** Shown to be better."


def test_of_a_refit_it_says_what_was_judged_and_what_is_in_use() -> None:
    (said,) = [line for line in lines(refitted=True) if line.startswith("Judged before the refit")]
    assert "version 4 was refitted on all rows before 2024-01-01" in said
    assert "fitted on rows before 2023-10-01" in said
    assert not any("twin" in line for line in lines())


def test_it_says_where_the_history_is_shorter_than_the_window() -> None:
    assert "The rows begin late." in lines(remarks=("The rows begin late.",))


def test_it_names_the_tables_that_nothing_could_test() -> None:
    """People are asked with this text."""
    assert "Not tested for leaks: loans." in lines(kind="ask", remarks=("Not tested for leaks: loans.",))


def test_an_approval_request_is_worded_as_a_proposal() -> None:
    assert lines(kind="ask")[0].endswith(": approval requested to promote version 4 over version 3")
    assert lines(kind="proposed promote")[0].endswith(": proposed to promote version 4 over version 3")


def test_a_former_version_that_the_record_speaks_for_is_named() -> None:
    found = simulated()
    fit = verdict_on(found, recall=a_recall_of(1))
    assert "Expected gain in use of version 1, of 2024-01-01, over the champion: +0.0061." in markdown(facts(), fit)
    unfit = verdict_on(found, recall=a_recall_of(1, result("TH203", "fail")))
    assert "over the champion: +0.0061; not fit for use now (TH203)." in markdown(facts(), unfit)
    assert "Expected gain" not in markdown(facts(), verdict_on(found))


def test_what_the_record_expects_is_said() -> None:
    said = markdown(facts(), verdict_on(simulated(), rule="record", outlook=an_outlook()))
    assert "Expected gain in use, on the record of 9 versions and 14 cohorts: +0.0041; probability of losing" in said
    assert "thin record" not in said
    thin = verdict_on(simulated(), rule="record", outlook=an_outlook(events=18))
    assert "2.1% (thin record, 14 cohorts with a median of 18 events: surer than it should be)." in markdown(
        facts(), thin
    )


def test_every_check_has_a_row_the_failed_first() -> None:
    rows = [line for line in lines() if line.startswith(("| **", "| pass", "| not")) and "TH" in line]
    assert rows == [
        "| **FAIL** | TH301 TH301 | The gain is not shown. |",
        "| **WARNING** | TH205 TH205 | The champion lies below its floor. Decide whether the model is still used. |",
        "| pass | TH101 TH101 | There are enough outcomes. |",
        "| not applicable | TH302 TH302 | The spec names no segments. |",
    ]
    assert "### Checks: 1 failed, 1 warning, 1 passed, 1 not applicable" in lines()


def test_the_numbers_of_both_models_the_looks_the_windows_and_the_lineage_are_listed() -> None:
    page = lines()
    assert "Gain in roc_auc: +0.0123, 95% interval +0.0011 to +0.0235 (DeLong)." in page
    assert any(re.fullmatch(r"\| \*\*roc_auc\*\* \| 0\.\d{4} \| 0\.\d{4} \| more \|", line) for line in page)
    assert any(re.fullmatch(r"\| brier \| 0\.\d{4} \| 0\.\d{4} \| less \|", line) for line in page)
    assert not any("Evidence of the reign" in line for line in page), "only the rule `sequential` goes by it"
    by_looks = markdown(facts(), verdict_on(FOUND, looks=looks(), rule="sequential")).splitlines()
    assert sum(line.startswith("| 2023-") for line in by_looks) == 3
    assert "| Judged rows | 2023-10-01 to before 2024-01-01 |" in page
    assert "| Snapshot | `s3://snapshots/one.parquet` |" in page
    assert "- [Model version](https://mlflow.example/v/4)" in page


def test_every_row_of_a_table_has_as_many_cells_as_its_head_for_any_text() -> None:
    hostile = [check.model_copy(update={"title": HOSTILE, "explanation": HOSTILE}) for check in checks()]
    given = dict.fromkeys(("model", "owner", "lane", "reason", "actor", "asked_because"), HOSTILE)
    verdict = verdict_on(FOUND, *hostile, looks=looks(), note=HOSTILE)
    page = markdown(
        facts(**given, lineage={HOSTILE: HOSTILE}, links={HOSTILE: f"https://a.example/{HOSTILE}"}), verdict
    )
    table: list[int] = []
    for line in page.splitlines():
        table = [*table, cells(line)] if line.startswith("|") else []
        assert len(set(table)) <= 1
    assert "<script" not in page
    assert "<img" not in page
    assert "](http://evil.example)" not in page
    assert page.splitlines()[1].startswith("**Why:** &lt;script>")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a|b\nc", r"a\|b c"),
        ("roc_auc of _x_", r"roc_auc of \_x\_"),
        ("2*3*4 `c`", r"2\*3\*4 &#96;c&#96;"),
        ("[gain](url)", r"[gain]\(url)"),
        ("R&D <b>", "R&amp;D &lt;b>"),
        ("[0.1, 0.2] (DeLong)", "[0.1, 0.2] (DeLong)"),
    ],
)
def test_markup_is_escaped_and_plain_text_stays_plain(written: str, read: str) -> None:
    assert text(written) == read


def test_an_address_does_not_end_its_link_early() -> None:
    assert "- [it](https://a.example/x%29%5B%20y)" not in lines(links={"it": "https://a.example/x)"})
    assert "- [it](https://a.example/x%29%20y)" in lines(links={"it": "https://a.example/x) y"})


def test_without_a_champion_and_without_measurements() -> None:
    nothing = simulated(n=0, champion=None)
    page = markdown(facts(kind="reject", reason="Nothing."), verdict_on(nothing)).splitlines()
    assert page[0].endswith(": version 4 rejected, no champion yet")
    assert page[3] == "Judged on 0 rows (0 events) from 2023-10-01 to before 2024-01-01, without a champion."
    assert "Nothing could be measured." in page
    assert not [line for line in page if "Evidence" in line or line.startswith("Gain")]
