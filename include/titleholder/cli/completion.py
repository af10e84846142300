"""What a shell offers for a word: the names of models and of lanes. Fast, and silent where something is wrong."""

from __future__ import annotations

import typer

from titleholder.errors import TitleholderError

LANES = ("live", "backtest", "dev")
"""Offered where the ledger does not answer, or the model has no decisions yet."""


def models(incomplete: str) -> list[str]:
    """The models whose names begin like this, by their files: no spec is read."""
    from titleholder.spec.loader import models_folder, spec_files

    try:
        found, _ = spec_files(models_folder())
    except (TitleholderError, OSError):
        return []
    return [name for name in found if name.startswith(incomplete)]


def lanes(ctx: typer.Context, incomplete: str) -> list[str]:
    """The lanes that begin like this: those in which the command's model has decisions, and the usual ones."""
    found = dict.fromkeys((*_with_decisions(ctx.params.get("model")), *LANES))
    return [lane for lane in found if lane.startswith(incomplete)]


def _with_decisions(model: str | None) -> list[str]:
    from titleholder.ledger.queries import lanes
    from titleholder.settings import need

    try:
        return (
            [found.lane for found in lanes(need("TITLEHOLDER_LEDGER_URL"), model) if not found.state] if model else []
        )
    except TitleholderError:
        return []
