"""What is refused before the warehouse is asked for anything."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from support.factories import a_spec
from support.training_cases import LINEAR
from titleholder.errors import ServiceError, SpecError
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.payloads import Origin

NOWHERE = "postgresql://reader:secret@127.0.0.1:1/warehouse"
UNFIT = {"estimator": "sklearn.svm.LinearSVC"}


def extract(candidates: dict[str, Any], *chosen: str) -> None:
    steps.extract(
        a_spec(training__candidates=candidates),
        date(2024, 7, 1),
        "dev",
        url=NOWHERE,
        origin=Origin(actor="ann"),
        settings=Settings("postgresql://x", "http://x", "/s"),
        candidates=chosen,
    )


@pytest.mark.parametrize(("candidates", "chosen"), [({"a": UNFIT}, ()), ({"a": UNFIT, "b": LINEAR}, ("a",))])
def test_a_run_whose_candidates_cannot_be_made_extracts_nothing(
    candidates: dict[str, Any], chosen: tuple[str, ...]
) -> None:
    with pytest.raises(
        SpecError, match=r"nothing was extracted: training.candidates.a: .*LinearSVC has no predict_proba"
    ):
        extract(candidates, *chosen)


def test_one_that_can_be_made_is_enough() -> None:
    with pytest.raises(ServiceError, match="does not answer"):
        extract({"a": UNFIT, "b": LINEAR})
