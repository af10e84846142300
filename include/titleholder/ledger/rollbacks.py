"""Which versions were rolled back, and where a rollback leads (pure; imports nothing, so that a form can afford it)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

CROWNINGS = ("promote", "recall")
"""Kinds of decision by which the judgement makes another version champion."""


class Row(Protocol):
    """What is needed of a decision: its kind, and the champion before and after it."""

    @property
    def kind(self) -> Any: ...
    @property
    def champion_before(self) -> int | None: ...
    @property
    def champion_after(self) -> int | None: ...


class Change(NamedTuple):
    """A change of champion."""

    kind: str
    champion_before: int | None
    champion_after: int


R = TypeVar("R", bound=Row)


def barred(rows: Sequence[R]) -> dict[int, R]:
    """The versions that were rolled back and have not been reinstated, each with the rollback that did it.

    A rollback that goes forward again bars none: to a version that was promoted or recalled later, and either was
    rolled back itself or was no champion before.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    found: dict[int, R] = {}
    for n, row in enumerate(rows):
        before, after = row.champion_before, row.champion_after
        if row.kind in CROWNINGS and after is not None:
            last[after] = n
            first.setdefault(after, n)
        elif row.kind == "rollback" and after is not None and before is None:
            found.pop(after, None)  # reinstated after the model was retired
        elif row.kind == "rollback" and before is not None and after is not None:
            left = last.get(before, -1)
            forward = last.get(after, -1) > left and (after in found or first[after] > left)
            found.pop(after, None)
            if not forward:
                found[before] = row
    return found


def predecessor(rows: Sequence[Row], version: int) -> int | None:
    """The champion when `version` was promoted or recalled last; where that one may not return, the one before it.

    A version that was rolled back may not return.
    """
    gone, before, end = {*barred(rows), version}, version, len(rows)
    while before in gone:
        crownings = (n for n in reversed(range(end)) if rows[n].kind in CROWNINGS and rows[n].champion_after == before)
        if (end := next(crownings, -1)) < 0 or (champion := rows[end].champion_before) is None:
            return None
        before = champion
    return before
