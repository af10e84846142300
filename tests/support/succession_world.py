"""Many challengers from few trainings, and processes that promote them: at once, or until they are killed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from support import retraining
from support.forks import FORKS
from support.killing import Touches, settings_of
from titleholder.ledger import store
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


POINTS = (
    (Runs, "running"), (Runs, "finish"), (Models, "champion"), (Models, "read"), (Models, "set_champion"),
    (store, "read_lane"), (store, "append"),
)  # fmt: skip
"""Everything by which a promotion touches the world."""


def promote(touches: Touches, settings: Settings, proposed: str) -> None:
    """The work of a process that may be killed."""
    for owner, name in POINTS:
        touches.watch(owner, name)
    touches.watch_ledger(settings.ledger_url, "titleholder.append", "the insert")
    steps.promote(ProposedDecision.model_validate_json(proposed), settings=settings)
