"""TH702, signature compatible: fires, stays quiet, does not apply."""

from __future__ import annotations

import numpy as np
import pytest

from support.factories import a_spec, evidence
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.model_contract import input_signature

BEFORE = {"debt": "double", "purpose": "string"}


def check(inputs: dict[str, str], before: dict[str, str] | None = BEFORE, severity: str = "block") -> Result:
    spec = a_spec(judgement__checks={"signature": {"severity": severity}})
    return input_signature(evidence(spec, champion=np.full(50, 0.5), inputs=inputs, champion_inputs=before))


@pytest.mark.parametrize(
    ("inputs", "named", "counts"),
    [
        ({**BEFORE, "tenure": "double"}, "tenure (double)", (1, 0)),
        ({"debt": "string"}, "debt (string, was double)", (0, 1)),
        ({"purpose": "double", "term": "string"}, "term (string), purpose (double, was string)", (1, 1)),
    ],
)
def test_fires_when_it_needs_more_or_other_inputs(inputs: dict[str, str], named: str, counts: tuple[int, int]) -> None:
    found = check(inputs)
    assert (found.code, found.status, found.severity) == ("TH702", "fail", "block")
    assert found.explanation == f"The challenger needs inputs that the champion did not: {named}."
    assert found.remedy == "Once consumers send them, set judgement.checks.signature.severity: warn."
    assert (found.numbers["new"], found.numbers["of_another_type"]) == counts


@pytest.mark.parametrize("inputs", [BEFORE, {"purpose": "string"}, dict(reversed(BEFORE.items()))])
def test_stays_quiet_when_it_needs_the_same_or_less(inputs: dict[str, str]) -> None:
    assert check(inputs).status == "pass"


def test_the_way_out_leaves_a_warning() -> None:
    found = check({"tenure": "double"}, severity="warn")
    assert (found.status, found.severity) == ("fail", "warn")


def test_does_not_apply_without_a_champion_or_its_inputs() -> None:
    unopposed = input_signature(evidence(inputs=BEFORE, champion_inputs=None))
    assert (unopposed.status, unopposed.explanation) == ("not_applicable", "No champion yet.")
    unknown = check(BEFORE, None)
    assert (unknown.status, unknown.explanation) == ("not_applicable", "The inputs of the champion are not known.")
