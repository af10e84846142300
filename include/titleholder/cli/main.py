"""The `titleholder` command. Its exit codes are in docs/exit-codes.md."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from titleholder.call_stack import with_room
from titleholder.cli import (
    advise,
    backtest,
    champion,
    decisions,
    doctor,
    first_steps,
    garbage,
    housekeeping,
    local_stack,
    monitor,
    score,
    skew,
    sql,
    step,
    verify,
)
from titleholder.cli.console import (
    AsJson,
    LogFormat,
    err,
    interruptible,
    out,
    print_crash,
    print_error,
    print_json,
    print_table,
)
from titleholder.errors import SpecError, TitleholderError

app = typer.Typer(
    no_args_is_help=True,
    help="Retrain models on a schedule; a new one takes over only after it has beaten the champion, fairly.",
)


def main() -> None:
    """Run the command; an error of this package ends it with its message and exit code, without a traceback.
    Any other ends it with a traceback without secrets, and 1.

    Of the libraries' warnings people see none: `python -W default -m titleholder.cli.main` shows them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    log = logging.StreamHandler()
    log.setFormatter(LogFormat("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[log], level=logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each try that failed: the error of the last one says it
    local_stack.use_addresses()
    try:
        with_room(app)
    except TitleholderError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        print_crash(error)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        from titleholder.settings import code_version

        sys.stdout.write(f"titleholder {code_version()}\n")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version of the code, and end."
        ),
    ] = False,
) -> None:
    """Read what is before a command."""


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the valid models, and the errors of the specs that cannot be read or whose candidates cannot be made.

    Estimators are imported for it, but nothing is trained.
    """
    from titleholder.spec.loader import SUFFIXES, load_specs
    from titleholder.training import estimators

    specs = load_specs()
    unfit = {name: estimators.faults(spec) for name, spec in specs.models.items()}
    errors = {
        **specs.errors,
        **{name: SpecError("\n  ".join([f"{name}.yaml:", *found])) for name, found in unfit.items() if found},
    }
    rows = [
        {
            "model": s.name,
            "task": s.task,
            "owner": s.owner,
            "schedule": s.schedule,
            "metric": s.judgement.metric,
            "candidates": list(s.training.candidates),
            "description": s.description,
        }
        for s in specs.models.values()
        if s.name not in errors
    ]
    if as_json:
        shown = {name: str(e) for name, e in errors.items()}
        print_json({"models": rows, "errors": shown, "not_read": [str(path) for path in specs.not_read]})
    else:
        print_table("Models", [{k: v for k, v in row.items() if k != "description"} for row in rows], ["candidates"])
        for error in errors.values():
            print_error(error)
        for path in specs.not_read:
            said = f"Not read: {path}. The name of a spec's file ends in {' or '.join(SUFFIXES)}."
            err.print(said, soft_wrap=True)
    if errors:
        raise typer.Exit(2)


@app.command()
def migrate(
    app_role: Annotated[str, typer.Option(help="The role that may read and append, and nothing else.")] = "ledger",
    reader_role: Annotated[str, typer.Option(help="The role that may only read.")] = "ledger_reader",
) -> None:
    """Bring the ledger's schema up to date (as its owner: TITLEHOLDER_LEDGER_OWNER_URL)."""
    from titleholder.ledger import migrations
    from titleholder.ledger.rights import Roles
    from titleholder.settings import need

    migrations.migrate(need("TITLEHOLDER_LEDGER_OWNER_URL"), Roles(app_role, reader_role))
    out.print("The ledger's schema is up to date.")


for command in (
    first_steps.new,
    first_steps.check,
    first_steps.schema,
    decisions.run,
    step.step,
    decisions.history,
    champion.champion,
    score.score,
    score.scores,
    monitor.monitor,
    decisions.rollback,
    housekeeping.retire,
    housekeeping.lanes,
    garbage.gc,
    doctor.doctor,
    verify.audit,
    verify.reproduce,
    verify.leaktest,
    backtest.backtest,
    advise.advise,
    skew.skew,
    sql.sql,
):
    app.command()(interruptible(command))
app.add_typer(housekeeping.lane_commands, name="lane")
local_stack.register(app)


if __name__ == "__main__":
    main()
