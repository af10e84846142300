"""Many challengers from few trainings, and processes that promote them: at once, or until they are killed.

Drawing a card costs seconds and decides nothing, so the processes leave it out. All else is as in production.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from titleholder.data.snapshots import Origin
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry
from titleholder.settings import Settings, connection_url
from titleholder.workflow import cards, steps
from titleholder.workflow.payloads import Challenger, Ruled

MODELS = Path(__file__).parent / "models"
AS_OF = date(2024, 3, 1)
FOLK = multiprocessing.get_context("forkserver")
FOLK.set_forkserver_preload(["titleholder.workflow.steps"])


def write_model(folder: Path, name: str, *, judgement: str = "", promotion: str = "") -> None:
    """A copy of the model `tiny` under another name; the parts given take the place of its own."""
    text = (MODELS / "tiny.yaml").read_text().replace("name: tiny", f"name: {name}")
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
            origin = Origin(actor="tester")
            snapshot = steps.extract(
                self.model, as_of, "live", url=connection_url("warehouse"), origin=origin, settings=self.settings
            )
            self.fits[as_of] = [steps.train(snapshot, n, settings=self.settings) for n in snapshot.candidates]
        trained = self.fits[as_of][self.made % 2]
        self.made += 1
        registry = Registry(self.settings.tracking_uri)
        key = f"{self.model}-{self.made}"
        version = registry.register(self.model, key, trained.model_uri, trained.run_id, {}, "made by a test")
        snapshot = trained.snapshot
        return Challenger(
            snapshot=snapshot, name=trained.name, run_id=trained.run_id, version=version,
            trained_through=snapshot.spans.holdout_start,
        )  # fmt: skip

    def ruled(self, as_of: date = AS_OF) -> Ruled:
        """A new challenger, judged against whoever reigns now."""
        return steps.decide(steps.validate(self.challenger(as_of), settings=self.settings), settings=self.settings)

    def decide(self, as_of: date = AS_OF) -> Decision:
        """A new challenger's decision, without a card."""
        return promote(self.ruled(as_of), self.settings)

    def rows(self) -> list[Decision]:
        return store.read(self.settings.ledger_url, self.model, "live")

    def champion(self) -> int | None:
        """Whom the registry's alias names."""
        return Registry(self.settings.tracking_uri).champion(self.model)


def promote(ruled: Ruled, settings: Settings) -> Decision:
    with without_cards():
        return steps.promote(ruled, settings=settings)


@contextmanager
def without_cards() -> Iterator[None]:
    drawn, cards.draw = cards.draw, lambda *_: ""  # type: ignore[assignment]
    try:
        yield
    finally:
        cards.draw = drawn


def race(rounds: Sequence[Sequence[Ruled]], settings: Settings) -> Iterator[list[tuple[int, str]]]:
    """Promote each round's challengers at once, each in a process of its own; gives (id, kind) of their decisions."""
    start = FOLK.Barrier(len(rounds[0]))
    pipes, runners = [], []
    for _ in rounds[0]:
        ours, theirs = FOLK.Pipe()
        runner = FOLK.Process(target=_run, args=(theirs, start, settings_of(settings), dict(os.environ)), daemon=True)
        runner.start()
        pipes.append(ours)
        runners.append(runner)
    try:
        for one in rounds:
            for pipe, ruled in zip(pipes, one, strict=True):
                pipe.send(ruled.model_dump_json())
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
        ruled = Ruled.model_validate_json(pipe.recv())
        start.wait(120)
        try:
            decision = promote(ruled, settings)
            pipe.send((decision.id, decision.kind))
        except Exception as error:
            pipe.send((0, repr(error)))


class Trace:
    """Wraps everything by which a promotion touches the world; may kill its own process before or after one touch."""

    POINTS = (
        (Registry, "work_on"), (Registry, "champion"), (Registry, "load"), (Registry, "crown"), (Registry, "tag_version"),
        (Registry, "attach"), (Registry, "annotate"), (Registry, "finish"), (store.Line, "append"),
    )  # fmt: skip

    def __init__(self, die_at: int = 0) -> None:
        self.die_at, self.touched = die_at, []  # type: tuple[int, list[str]]
        for owner, name in self.POINTS:
            setattr(owner, name, self._watched(f"{owner.__name__}.{name}", getattr(owner, name)))
        store.line = self._line(store.line)

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

    def _line(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def watched(*args: Any) -> Iterator[Any]:
            self.touch("before the lock")
            with opened(*args) as line:
                self.touch("under the lock")
                yield line
                self.touch("before the commit")
            self.touch("after the commit")

        return watched


def trace(ruled: Ruled, settings: Settings, die_at: int = 0) -> tuple[int | None, list[str]]:
    """Promote in a process of its own that is killed at its n-th touch; returns its exit code and what it touched."""
    ours, theirs = FOLK.Pipe()
    args = (theirs, ruled.model_dump_json(), settings_of(settings), dict(os.environ), die_at)
    runner = FOLK.Process(target=_traced, args=args)
    runner.start()
    theirs.close()
    try:
        touched = ours.recv()
    except EOFError:
        touched = []
    runner.join(60)
    return runner.exitcode, touched


def _traced(pipe: Connection, ruled: str, where: tuple[str, str, str], env: dict[str, str], die_at: int) -> None:
    os.environ.update(env)
    watch = Trace(die_at)
    promote(Ruled.model_validate_json(ruled), Settings(*where))
    pipe.send(watch.touched)
