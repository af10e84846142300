"""Many challengers from few trainings, and processes that promote them: at once, or until they are killed."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import event

from support import retraining
from support.forks import FORKS
from titleholder.ledger import database, store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.registry.models import Models
from titleholder.registry.runs import Runs
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.payloads import Challenger, ProposedDecision

MODELS = Path(__file__).parent / "models"
AS_OF = date(2024, 3, 1)


def write_model(
    folder: Path, name: str, *, judgement: str = "", promotion: str = "", schedule: str = "@monthly"
) -> None:
    """A copy of the model `tiny` under another name; the parts given take the place of its own."""
    text = (MODELS / "tiny.yaml").read_text().replace("name: tiny", f"name: {name}")
    text = text.replace("@monthly", schedule)
    if judgement:
        text = text[: text.index("judgement:")] + judgement + "\n"
    (folder / f"{name}.yaml").write_text(f"{text}{promotion}\n")
    (folder / "tiny.sql").write_text((MODELS / "tiny.sql").read_text())


@dataclass
class World:
    """One model with as many challengers as one likes: the same two fits, registered again and again."""

    model: str
    settings: Settings
    made: int = 0
    fits: dict[date, list[Any]] = field(default_factory=dict)

    def challenger(self, as_of: date = AS_OF) -> Challenger:
        """A new version of the next fit, by turns."""
        if as_of not in self.fits:
            snapshot = retraining.extract(self.model, as_of, "live", self.settings)
            self.fits[as_of] = [steps.train(snapshot, n, settings=self.settings) for n in snapshot.candidates]
        trained = self.fits[as_of][self.made % 2]
        self.made += 1
        models, key = Registry(self.settings.tracking_uri).models, f"{self.model}-{self.made}"
        version = models.register(
            self.model, key, trained.nominee.model.uri, trained.nominee.run_id, {}, "made by a test"
        )
        snapshot = trained.snapshot
        return Challenger(
            snapshot=snapshot, name=trained.name, version=version, ranking=(trained.nominee,),
            trained_through=snapshot.spans.holdout_start,
        )  # fmt: skip

    def proposed(self, as_of: date = AS_OF) -> ProposedDecision:
        """A new challenger, judged against the champion there is now."""
        return steps.propose(self.challenger(as_of), settings=self.settings)

    def decide(self, as_of: date = AS_OF) -> Decision:
        """A new challenger's decision."""
        return steps.promote(self.proposed(as_of), settings=self.settings)

    def rows(self) -> list[Decision]:
        return store.read(self.settings.ledger_url, self.model, "live")

    def champion(self) -> int | None:
        """The version that the registry's alias points at."""
        return Registry(self.settings.tracking_uri).models.champion(self.model)


def race(rounds: Sequence[Sequence[ProposedDecision]], settings: Settings) -> Iterator[list[tuple[int, str]]]:
    """Promote each round's challengers at once, each in a process of its own; gives (id, kind) of their decisions."""
    start = FORKS.Barrier(len(rounds[0]))
    pipes, runners = [], []
    for _ in rounds[0]:
        ours, theirs = FORKS.Pipe()
        runner = FORKS.Process(target=_run, args=(theirs, start, settings_of(settings), dict(os.environ)), daemon=True)
        runner.start()
        pipes.append(ours)
        runners.append(runner)
    try:
        for one in rounds:
            for pipe, proposed in zip(pipes, one, strict=True):
                pipe.send(proposed.model_dump_json())
            yield [pipe.recv() for pipe in pipes]
    finally:
        for runner in runners:
            runner.terminate()


def settings_of(settings: Settings) -> tuple[str, str, str]:
    return settings.ledger_url, settings.tracking_uri, settings.snapshots


def _run(pipe: Connection, start: Any, where: tuple[str, str, str], env: dict[str, str]) -> None:
    os.environ.update(env)
    settings = Settings(*where)
    while True:
        proposed = ProposedDecision.model_validate_json(pipe.recv())
        start.wait(120)
        try:
            decision = steps.promote(proposed, settings=settings)
            pipe.send((decision.id, decision.kind))
        except Exception as error:
            pipe.send((0, repr(error)))


class Trace:
    """Wraps everything by which a promotion touches the world; may kill its own process before or after one touch."""

    POINTS = (
        (Runs, "running"), (Runs, "finish"), (Models, "champion"), (Models, "read"), (Models, "set_champion"),
        (store, "read_lane"), (store, "append"),
    )  # fmt: skip

    def __init__(self, ledger_url: str, die_at: int = 0) -> None:
        self.die_at, self.touched = die_at, []  # type: tuple[int, list[str]]
        for owner, name in self.POINTS:
            setattr(owner, name, self._watched(f"{owner.__name__.rpartition('.')[2]}.{name}", getattr(owner, name)))
        engine = database.engine(ledger_url)
        event.listen(engine, "before_cursor_execute", lambda *call: self._statement("before", call[2]))
        event.listen(engine, "after_cursor_execute", lambda *call: self._statement("after", call[2]))
        event.listen(engine, "commit", lambda _: self.touch("before the commit"))

    def _statement(self, when: str, statement: str) -> None:
        if "titleholder.append" in statement:
            self.touch(f"{when} the insert")

    def touch(self, name: str) -> None:
        self.touched.append(name)
        if len(self.touched) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.touch(f"before {name}")
            found = function(*args, **kwargs)
            self.touch(f"after {name}")
            return found

        return watched


def trace(proposed: ProposedDecision, settings: Settings, die_at: int = 0) -> tuple[int | None, list[str]]:
    """Promote in a process of its own that is killed at its n-th touch; returns its exit code and what it touched."""
    ours, theirs = FORKS.Pipe()
    args = (theirs, proposed.model_dump_json(), settings_of(settings), dict(os.environ), die_at)
    runner = FORKS.Process(target=_traced, args=args)
    runner.start()
    theirs.close()
    try:
        touched = ours.recv()
    except EOFError:
        touched = []
    runner.join(60)
    return runner.exitcode, touched


def _traced(pipe: Connection, proposed: str, where: tuple[str, str, str], env: dict[str, str], die_at: int) -> None:
    os.environ.update(env)
    watch = Trace(where[0], die_at)
    steps.promote(ProposedDecision.model_validate_json(proposed), settings=Settings(*where))
    pipe.send(watch.touched)
