"""Work in a process of its own, which may be killed before or after whatever it touches."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import event

from support.forks import FORKS
from titleholder.ledger import database
from titleholder.settings import Settings


def settings_of(settings: Settings) -> tuple[str, str, str]:
    return settings.ledger_url, settings.tracking_uri, settings.snapshots


class Touches:
    """What this process has touched, in order; it is killed at the n-th touch."""

    def __init__(self, die_at: int = 0) -> None:
        self.die_at, self.names = die_at, []  # type: tuple[int, list[str]]

    def touch(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, owner: Any, name: str) -> None:
        """Touch before and after each call of a function of a class or module."""
        function, called = getattr(owner, name), f"{owner.__name__.rpartition('.')[2]}.{name}"

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.touch(f"before {called}")
            found = function(*args, **kwargs)
            self.touch(f"after {called}")
            return found

        setattr(owner, name, watched)

    def watch_ledger(self, url: str, part: str, called: str) -> None:
        """Touch before and after each statement with this text, and before each commit."""
        engine = database.engine(url)

        def statement(when: str, text: str) -> None:
            if part in text:
                self.touch(f"{when} {called}")

        event.listen(engine, "before_cursor_execute", lambda *call: statement("before", call[2]))
        event.listen(engine, "after_cursor_execute", lambda *call: statement("after", call[2]))
        event.listen(engine, "commit", lambda _: self.touch("before the commit"))


Work = Callable[[Touches, Settings, str], None]


def traced(work: Work, told: str, settings: Settings, die_at: int = 0) -> tuple[int | None, list[str]]:
    """Do the work in a process of its own that is killed at its n-th touch; its exit code and what it touched."""
    ours, theirs = FORKS.Pipe()
    runner = FORKS.Process(target=_run, args=(theirs, work, told, settings_of(settings), dict(os.environ), die_at))
    runner.start()
    theirs.close()
    try:
        touched = ours.recv()
    except EOFError:
        touched = []
    runner.join(60)
    return runner.exitcode, touched


def _run(
    pipe: Connection, work: Work, told: str, where: tuple[str, str, str], env: dict[str, str], die_at: int
) -> None:
    os.environ.update(env)
    touches = Touches(die_at)
    work(touches, Settings(*where), told)
    pipe.send(touches.names)
