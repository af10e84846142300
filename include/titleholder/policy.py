"""What to do about a verdict: promote, keep, reject or ask a person (pure)."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from titleholder.checks import gain
from titleholder.spec import ModelSpec
from titleholder.verdict import Verdict

Kind = Literal["promote", "keep", "reject", "ask"]


class Ruling(NamedTuple):
    """What was ruled and why, in one sentence."""

    kind: Kind
    reason: str


def rule(spec: ModelSpec, verdict: Verdict, *, as_of: date, lane: str, newest: date | None) -> Ruling:
    """Rule on a challenger of `as_of`.

    `newest` is the as-of date of the lane's newest decision; only the live lane cares: there the past is settled.
    """
    if lane == "live" and newest is not None and as_of < newest:
        return Ruling("keep", f"Older than the newest live decision, of {newest}: recorded, never promoted.")
    failed = verdict.failed()
    absolute = [c for c in failed if c.code != gain.CODE]
    if absolute:
        return Ruling("reject", " ".join(c.explanation for c in absolute))
    if failed:
        return Ruling("keep", f"Not shown to be better. {failed[0].explanation}")
    if verdict.champion is None:
        why = "The first champion: nobody reigned and every absolute check passed."
    else:
        why = "Shown to be better. " + next(c.explanation for c in verdict.checks if c.code == gain.CODE)
    if spec.promotion.approval != "automatic" and lane == "live":
        return Ruling("ask", f"{why} {', '.join(spec.promotion.approval.by)} must approve.")
    return Ruling("promote", why)
