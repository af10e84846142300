"""TH702, signature compatible: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.model_contract import asks_for_no_more

BEFORE = {"debt": "double", "purpose": "string"}


def check(inputs: dict[str, str], before: dict[str, str] | None = BEFORE, severity: str = "block") -> Result:
    spec = a_spec(judgement__checks={"signature": {"severity": severity}})
    return asks_for_no_more(evidence(spec, champion=np.full(50, 0.5), inputs=inputs, champion_inputs=before))


@pytest.mark.parametrize(
    ("inputs", "named", "counts"),
    [
        ({**BEFORE, "tenure": "double"}, "tenure (double)", (1, 0)),
        ({"debt": "string"}, "debt (string, was double)", (0, 1)),
        ({"purpose": "double", "term": "string"}, "term (string), purpose (double, was string)", (1, 1)),
    ],
)
def test_fires_when_it_asks_for_more_or_otherwise(inputs: dict[str, str], named: str, counts: tuple[int, int]) -> None:
    found = check(inputs)
    assert (found.code, found.status, found.severity) == ("TH702", "fail", "block")
    assert found.explanation == (
        f"The challenger asks its consumers for what the champion did not: {named}; once they send it, set "
        "judgement.checks.signature.severity: warn."
    )
    assert (found.numbers["new"], found.numbers["of_another_type"]) == counts


@pytest.mark.parametrize("inputs", [BEFORE, {"purpose": "string"}, dict(reversed(BEFORE.items()))])
def test_stays_quiet_when_it_asks_for_the_same_or_less(inputs: dict[str, str]) -> None:
    assert check(inputs).status == "pass"


def test_the_way_out_leaves_a_warning() -> None:
    found = check({"tenure": "double"}, severity="warn")
    assert (found.status, found.severity) == ("fail", "warn")


def test_does_not_apply_where_nobody_reigns_or_what_it_asks_for_is_not_known() -> None:
    unopposed = asks_for_no_more(evidence(inputs=BEFORE, champion_inputs=None))
    assert (unopposed.status, unopposed.explanation) == ("not_applicable", "No champion yet.")
    unknown = check(BEFORE, None)
    assert (unknown.status, unknown.explanation) == ("not_applicable", "What the champion asks for is not known.")
