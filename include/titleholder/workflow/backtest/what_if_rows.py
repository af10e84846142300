"""The rows of the what-if table: values that led to the same champions share one (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from titleholder import formatting
from titleholder.workflow.backtest.summary import Setting, WhatIf

Values = tuple[str, ...]
Block = tuple[Values, ...]
"""Rules, tolerated losses, minimum gains and confidences of which every combination was tried."""


class WhatIfRow(NamedTuple):
    """Values of one rule whose combinations all led to the same champions, and what came of them.

    `own`: the spec's own values are among them. `repeated`: the row above has the same champions.
    """

    rule: str
    tolerated_losses: Values
    minimum_gains: Values
    confidences: Values
    own: bool
    result: WhatIf
    repeated: bool


def what_if_rows(trials: Sequence[WhatIf], metric: str) -> list[WhatIfRow]:
    """The rows in the order of their first setting, those with the same champions one below the other."""
    alike: dict[tuple[object, ...], list[WhatIf]] = {}
    for trial in trials:
        alike.setdefault((trial.first, trial.changed, trial.champions), []).append(trial)
    return [row for group in alike.values() for row in _rows(group, metric)]


def _rows(group: Sequence[WhatIf], metric: str) -> list[WhatIfRow]:
    blocks: list[Block] = [_values(trial.setting, metric) for trial in group]
    own = next((block for block, trial in zip(blocks, group, strict=True) if trial.own), None)
    for axis in (3, 2, 1):
        blocks = _merged(blocks, axis)
    return [
        WhatIfRow(rules[0], losses, gains, levels, _within(own, blocks[n]), group[0], repeated=n > 0)
        for n, (rules, losses, gains, levels) in enumerate(blocks)
    ]


def _values(setting: Setting, metric: str) -> Block:
    gain, confidence = formatting.exact(setting.minimum_gain), formatting.exact(setting.confidence)
    return (setting.rule,), (setting.tolerated(metric),), (gain,), (confidence,)


def _merged(blocks: Sequence[Block], axis: int) -> list[Block]:
    """Blocks that differ in the values of one axis only, as one block."""
    found: dict[Block, list[Values]] = {}
    for block in blocks:
        found.setdefault(block[:axis] + block[axis + 1 :], []).append(block[axis])
    return [(*rest[:axis], tuple(chain(*values)), *rest[axis:]) for rest, values in found.items()]


def _within(own: Block | None, block: Block) -> bool:
    return own is not None and all(set(mine) <= set(theirs) for mine, theirs in zip(own, block, strict=True))
