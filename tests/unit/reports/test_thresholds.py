"""The judgement section of the spec as tables."""

from __future__ import annotations

from support.factories import a_spec
from titleholder.reports import thresholds
from titleholder.spec.check_rules import Checks
from titleholder.spec.criteria import Judgement


def test_every_key_of_the_judgement_is_listed() -> None:
    judgement = a_spec(judgement__checks={"drift": {"severity": "off", "psi": 0.1}}).judgement
    assert {key for key, _ in thresholds.settings(judgement)} == set(Judgement.model_fields) - {"checks"}
    held = {one.key: one for one in thresholds.check_settings(judgement)}
    assert set(held) == set(Checks.model_fields)
    assert (held["drift"].severity, held["drift"].thresholds) == ("off", "psi: 0.1, bins: 10")
    assert all(one.meaning.endswith(".") for one in held.values())
