"""The commands that keep a house in order: `lanes`, `lane archive`, `lane delete` and `retire`."""

from __future__ import annotations

from typing import Annotated

import typer

from titleholder.cli import completion
from titleholder.cli.console import AsJson, Model, err, out, print_json, print_table, user
from titleholder.errors import UsageError

lane_commands = typer.Typer(
    no_args_is_help=True, help="Archive or delete a lane other than live. Its decisions stay in the ledger."
)
LaneName = Annotated[str, typer.Argument(help="A lane other than live.", autocompletion=completion.lanes)]
Why = Annotated[str, typer.Option(help="Why; it is kept in the ledger with your name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def lanes(
    model: Model,
    everything: Annotated[bool, typer.Option("--all", help="Also lanes that were archived or deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a model's lanes: live first, then the one written to last."""
    from titleholder.ledger import queries
    from titleholder.settings import Settings

    require_model(model)
    every = queries.lanes(Settings.from_environment().ledger_url, model)
    found = [one for one in every if everything or not one.state]
    if as_json:
        print_json([one._asdict() for one in found])
        return
    rows = [
        {
            "lane": one.lane,
            "decisions": one.decisions,
            "versions": one.versions,
            "first as of": one.first,
            "last as of": one.last,
            "last written": f"{one.written:%Y-%m-%d %H:%M}",
            **({"state": one.state} if everything else {}),
        }
        for one in found
    ]
    print_table(f"{model}: lanes", rows)
    if len(found) < len(every):
        err.print(f"{len(every) - len(found)} archived or deleted: --all shows them.")


@lane_commands.command()
def archive(model: Model, lane: LaneName, reason: Why = "") -> None:
    """Hide a lane from lists, until something is decided in it again. Nothing is deleted."""
    from titleholder.settings import Settings
    from titleholder.workflow import lanes as keeping

    require_model(model)
    keeping.archive(model, lane, reason, f"cli:{user()}", settings=Settings.from_environment())
    out.print(f"{model}: lane {lane} is archived.")


@lane_commands.command()
def delete(model: Model, lane: LaneName, reason: Why = "", yes: Yes = False) -> None:
    """Delete a lane's model versions and runs from MLflow. The ledger keeps its decisions, and that it was deleted."""
    from titleholder.settings import Settings
    from titleholder.workflow import lanes as keeping

    require_model(model)
    if not yes:
        typer.confirm(
            f"Delete every model version and run of lane {lane} of {model} from MLflow?", abort=True, err=True
        )
    done = keeping.delete(model, lane, reason, f"cli:{user()}", settings=Settings.from_environment())
    gone = f"{done.versions} version{'s' * (done.versions != 1)} and {done.runs} run{'s' * (done.runs != 1)}"
    out.print(f"{model}: lane {lane} is deleted: {gone}.")
    if done.kept:
        err.print(f"Versions in use elsewhere stay: {', '.join(map(str, done.kept))}.")


def retire(
    model: Model,
    reason: Why,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a model out of use, whose spec may be gone: its live lane has no champion any more, MLflow no alias.

    Nothing is deleted. Live runs are refused until a rollback makes a version champion again.
    """
    from titleholder.cli.notices import notify
    from titleholder.settings import Settings
    from titleholder.workflow import interventions

    require_model(model)
    if not yes:
        typer.confirm(f"Leave {model} without a champion?", abort=True, err=True)
    done = interventions.retire(model, reason, f"cli:{user()}", settings=Settings.from_environment())
    if as_json:
        print_json(done.model_dump(mode="json", exclude={"spec"}))
    else:
        out.print(f"Decision {done.id}: {model}: {done.reason}", soft_wrap=True)
    notify(done)


def lane_to_show(model: str, asked: str, usual: str, *, as_json: bool) -> str:
    """The lane that was asked for; without one the usual, or where that has no decision the only other one that has.

    A line says so. Programs get the usual lane, decisions or not, and so does whatever changes a champion.
    """
    from titleholder.ledger import queries
    from titleholder.settings import Settings

    if asked or as_json:
        return asked or usual
    known = [lane.lane for lane in queries.lanes(Settings.from_environment().ledger_url, model) if not lane.state]
    if usual in known or len(known) != 1:
        return usual
    said = f"{model} has no decision in lane {usual}; this is lane {known[0]}, the only one that has."
    err.print(said, soft_wrap=True)
    return known[0]


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
