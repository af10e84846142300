"""The development stack, where it is installed: its commands, and its addresses for the environment."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import typer

from titleholder.cli.console import interruptible


def installed() -> bool:
    """Whether the top-level package `localstack` of this project can be imported (another one has no `stack`)."""
    return find_spec("localstack") is not None and find_spec("localstack.stack") is not None


def register(app: typer.Typer) -> None:
    """Add `titleholder stack …` and `titleholder load` where the stack is installed."""
    if installed():
        from localstack import cli

        app.add_typer(cli.app, name="stack")
        app.command()(interruptible(cli.load, "the table is as it was."))


def psql() -> str | None:
    """The program psql: the one in PATH, else that of the embedded PostgreSQL; None where there is neither."""
    from titleholder.errors import ServiceError

    if found := shutil.which("psql"):
        return found
    if installed():
        from localstack.postgres import binaries

        try:
            return shutil.which("psql", path=str(binaries()))
        except ServiceError:
            return None
    return None


def use_addresses() -> None:
    """Where a local stack exists, set each variable that the environment does not set to the stack's address."""
    if not installed():
        return
    from localstack.settings import addresses
    from localstack.state import State
    from titleholder.errors import ServiceError

    try:
        found = addresses(State.locate())
    except ServiceError:
        return  # no local stack: the environment alone says where the services are
    for name, value in found.items():
        os.environ.setdefault(name, value)
