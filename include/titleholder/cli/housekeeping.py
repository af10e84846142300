"""The commands that keep a house in order: `lanes` and `retire`."""

from __future__ import annotations

from typing import Annotated

import typer

from titleholder.cli.console import AsJson, Model, err, out, print_json, print_table, user
from titleholder.errors import UsageError


def lanes(model: Model, as_json: AsJson = False) -> None:
    """List a model's lanes: live first, then the one written to last."""
    from titleholder.ledger import queries
    from titleholder.settings import Settings

    require_model(model)
    found = queries.lanes(Settings.from_environment().ledger_url, model)
    if as_json:
        print_json([lane._asdict() for lane in found])
        return
    if not found:
        err.print(f"{model} has no decisions in any lane.")
    rows = [
        {
            "lane": lane.lane,
            "decisions": lane.decisions,
            "versions": lane.versions,
            "first as of": lane.first,
            "last as of": lane.last,
            "last written": f"{lane.written:%Y-%m-%d %H:%M}",
        }
        for lane in found
    ]
    print_table(f"{model}: lanes", rows)


def retire(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger with your name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a model out of use, whose spec may be gone: its live lane has no champion any more, MLflow no alias.

    Nothing is deleted. Live runs are refused until a rollback makes a version champion again.
    """
    from titleholder.settings import Settings
    from titleholder.workflow import steps

    require_model(model)
    if not yes:
        typer.confirm(f"Leave {model} without a champion?", abort=True, err=True)
    done = steps.retire(model, reason, f"cli:{user()}", settings=Settings.from_environment())
    if as_json:
        print_json(done.model_dump(mode="json", exclude={"spec"}))
    else:
        out.print(f"Decision {done.id}: {model}: {done.reason}", highlight=False, markup=False, soft_wrap=True)


def require_model(model: str) -> None:
    """Raise a UsageError for a name that has neither a spec nor decisions: a deleted spec does not hide its history."""
    from titleholder.ledger import store
    from titleholder.settings import Settings
    from titleholder.spec.loader import require_known

    try:
        require_known(model)
    except UsageError:
        if model not in store.models(Settings.from_environment().ledger_url):
            raise
