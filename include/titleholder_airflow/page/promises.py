"""Whether the champion in use, and former ones, kept what was promised: in a word and one sentence (pure)."""

from __future__ import annotations

from typing import NamedTuple

from titleholder.validation.monitoring.report import FormerReign, Promise, Review
from titleholder_airflow.page.health import HealthSign, Tone

FORMER = 24
"""Former reigns that are shown."""


class Former(NamedTuple):
    """A former reign: its promise first, then whether its promised gain came true."""

    reign: FormerReign
    promise: HealthSign
    review: HealthSign | None


def promise_sign(found: Promise) -> HealthSign:
    """Whether the promise of the champion in use holds."""
    if found.broken:
        return HealthSign("bad", "promise broken", "More is missing of the promise than is tolerated.")
    if not found.cohorts:
        return HealthSign("none", "no outcomes yet", "No cohort of this reign has final outcomes yet.")
    return HealthSign("good", "promise holds", "It is not shown that more is missing than is tolerated.")


def review_sign(found: Review) -> HealthSign:
    """Whether the gain came true for which a champion was promoted; the look has its sentence."""
    words: dict[str, tuple[Tone, str]] = {
        "yes": ("good", "gain came true"), "no": ("warn", "gain did not come true"), "open": ("none", "gain still open")
    }  # fmt: skip
    return HealthSign(*words[found.answer], found.sentence)


def former(found: FormerReign) -> Former:
    """What is shown of a former reign. A broken promise is no alarm there: nobody is scored by it any more."""
    if found.promise is None:
        sign = HealthSign("none", "nothing promised", "Nothing was promised that can be held against what came true.")
    else:
        sign = promise_sign(found.promise)
        sign = sign._replace(tone="warn") if sign.tone == "bad" else sign
    return Former(found, sign, review_sign(found.review) if found.review and found.cohorts else None)
