"""The command `step`: one step of a retrain, wherever there is room for it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from titleholder.cli.console import print_json, progress
from titleholder.errors import UsageError

STDIN = "-"
VARIABLE = "env:"
"""What the name of an environment variable with a packed payload stands after; see `titleholder.workflow.remote`."""


def step(
    verb: Annotated[str, typer.Argument(help="extract, train, nominate, validate, promote or report.")],
    payload: Annotated[
        str, typer.Argument(help="A JSON file with what the step takes, - for standard input, or env:NAME.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Where its result goes, as JSON, when all is done; default: standard output.")
    ] = None,
) -> None:
    """Run one step of a retrain from its payload, with nothing but this package and the environment.

    For containers and batch jobs: what one step writes, the next one reads. The steps are those of the DAG, and are as
    safe to repeat. docs/run-a-step-anywhere.md has an example.
    """
    from titleholder.settings import Settings
    from titleholder.workflow import verbs

    text = _read(payload)
    with progress() as shown:
        bar = shown.add_task(verb, total=None, step="")
        done = verbs.perform(
            verb,
            text,
            settings=Settings.from_environment(),
            on_trial=lambda n, total: shown.update(bar, completed=n, total=total + 1, step=f"trial {n}/{total}"),
        )
        shown.update(bar, total=1, completed=1)
    if output is None:
        print_json(done)
        return
    # whoever waits for the file finds it whole; the draft is a new file, never one that lies there or a link
    with tempfile.NamedTemporaryFile("w", dir=output.parent, prefix=f".{output.name}.", delete=False) as draft:
        draft.write(json.dumps(done))
    Path(draft.name).replace(output)


def _read(payload: str) -> bytes:
    if payload == STDIN:
        return sys.stdin.buffer.read()
    if payload.startswith(VARIABLE):
        return _of_environment(payload.removeprefix(VARIABLE))
    try:
        return Path(payload).read_bytes()
    except OSError as error:
        raise UsageError(f"the payload {payload} cannot be read: {error.strerror}") from error


def _of_environment(name: str) -> bytes:
    from titleholder.workflow import remote

    if name not in os.environ:
        raise UsageError(f"the payload cannot be read: the environment variable {name} is not set")
    return remote.unpacked(os.environ[name])
