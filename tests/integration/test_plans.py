"""How decisions are planned: nothing under the lane's lock but rows, plans made again, and what each step asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, event

from support.retraining import TESTER, challenge, in_force, in_lane, retrain, settle
from titleholder.data import snapshots
from titleholder.errors import ServiceError
from titleholder.ledger import database, store
from titleholder.ledger.decision import Decision
from titleholder.registry import model_files
from titleholder.registry.models import Models
from titleholder.registry.runs import Runs
from titleholder.settings import Settings
from titleholder.workflow import promotion, scoring, steps
from titleholder.workflow.payloads import Challenger

pytestmark = pytest.mark.slow
MONTHS = [date(2024, m, 1) for m in (1, 2, 3)]


@pytest.fixture(scope="module")
def made() -> dict[date, Challenger]:
    return {}


@pytest.fixture
def challengers(settings: Settings, made: dict[date, Challenger]) -> list[Challenger]:
    """One for each month, trained once and judged in many lanes."""
    for month in MONTHS:
        made.setdefault(month, challenge("tiny", month, "planned", settings))
    return list(made.values())


class LaneLock:
    """Whether this process holds a lane's lock: from PostgreSQL's answer until the end of the transaction."""

    def __init__(self, settings: Settings) -> None:
        self.held, self.commits = False, 0
        engine = database.engine(settings.ledger_url)
        self._listeners: tuple[tuple[Engine, str, Callable[..., None]], ...] = (
            (engine, "after_cursor_execute", self._executed),
            (engine, "commit", self._committed),
            (engine, "rollback", self._ended),
        )

    def __enter__(self) -> LaneLock:
        for listener in self._listeners:
            event.listen(*listener)
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            event.remove(*listener)

    def _executed(self, *call: Any) -> None:
        locks = "titleholder.append" in call[2]
        self.held = self.held or locks

    def _committed(self, _: object) -> None:
        self.commits += self.held
        self.held = False

    def _ended(self, _: object) -> None:
        self.held = False


def test_no_model_is_loaded_or_asked_and_mlflow_is_not_called_under_the_lock(
    settings: Settings, challengers: list[Challenger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a lane whose later months are re-judged."""
    used: Counter[str] = Counter()
    lock = LaneLock(settings)

    def watch(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            assert not lock.held, f"{name} under the lock"
            used[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for owner in (Models, Runs):
        for name in [n for n, value in vars(owner).items() if callable(value) and not n.startswith("_")]:
            watch(owner, name)
    for module, name in ((scoring, "predict"), (promotion, "measure"), (snapshots, "opened")):
        watch(module, name)
    with lock:
        for challenger in reversed(challengers):
            settle(in_lane(challenger, "unlocked"), settings)
    assert lock.commits == 3, "each decision was written under the lock"
    assert used["finish"] == 3
    assert used["measure"] > 0
    assert used["opened"] > 0
    assert [bool(r.caused_by) for r in in_force("tiny", "unlocked", settings)] == [False, True, True]


@contextmanager
def overtaken_by(challengers: list[Challenger], settings: Settings) -> Iterator[list[list[Any]]]:
    """Before each plan is written, another run writes the next of these; gives the entries of every plan."""
    append, waiting, planned = store.append, list(challengers), list[list[Any]]()

    def late(url: str, entries: list[Any], *, after: int) -> list[Decision] | None:
        planned.append(entries)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "append", append)
            if waiting:
                settle(waiting.pop(0), settings)
        return append(url, entries, after=after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "append", late)
        patch.setattr(store, "TURN", 0)  # the others come in the turn of the one that they overtake
        yield planned


def test_a_plan_that_is_overtaken_is_made_again_and_ends_as_if_it_had_come_last(
    settings: Settings, challengers: list[Challenger]
) -> None:
    first, second, third = (in_lane(challenger, "overtaken") for challenger in challengers)
    with overtaken_by([third, first], settings) as plans:
        decision = settle(second, settings)
    assert [len(plan) for plan in plans] == [1, 2, 2], "alone; before the third month; after the first as well"
    rows = in_force("tiny", "overtaken", settings)
    assert rows[1] == decision
    for challenger in challengers:
        settle(in_lane(challenger, "in-order"), settings)
    alone = in_force("tiny", "in-order", settings)
    assert [(r.kind, r.champion_after, r.judged) for r in rows] == [(r.kind, r.champion_after, r.judged) for r in alone]


def test_a_lane_that_is_always_overtaken_is_given_up_with_a_message(
    settings: Settings, challengers: list[Challenger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 2)
    first, second, third = (in_lane(challenger, "crowded") for challenger in challengers)
    with (
        overtaken_by([second, third], settings) as plans,
        pytest.raises(ServiceError, match="tiny, lane crowded: other runs kept writing for 2 attempts"),
    ):
        settle(first, settings)
    assert len(plans) == 2
    assert [r.challenger_version for r in in_force("tiny", "crowded", settings)] == [second.version, third.version]
    settle(first, settings)
    assert len(in_force("tiny", "crowded", settings)) == 3


class Asked:
    """Counts what a step asks of the ledger, the snapshots and the models."""

    def __init__(self, settings: Settings, patch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.engine = database.engine(settings.ledger_url)
        patch.setattr(snapshots, "opened", self._counted("snapshots", snapshots.opened))
        patch.setattr(model_files, "read", self._counted("models", model_files.read))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.counts[name] += 1
            return function(*args, **kwargs)

        return call

    def _statement(self, *call: Any) -> None:
        if "titleholder.append" in call[2]:
            self.counts["append"] += 1
        elif "titleholder.decisions" in call[2]:
            self.counts[call[2].split()[0]] += 1

    def by(self, step: Callable[[], Any]) -> tuple[Any, Counter[str]]:
        """What a step returns, and what it asked for."""
        self.counts.clear()
        event.listen(self.engine, "before_cursor_execute", self._statement)
        try:
            return step(), Counter(self.counts)
        finally:
            event.remove(self.engine, "before_cursor_execute", self._statement)


def test_each_step_reads_each_thing_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a live month with a champion. Under the lock the database reads the head again."""
    retrain("tiny_fed", MONTHS[0], "live", settings)
    asked = Asked(settings, monkeypatch)
    challenger, by_training = asked.by(lambda: challenge("tiny_fed", MONTHS[1], "live", settings))
    assert by_training == {"SELECT": 2, "snapshots": 1}, "whether the model was retired, and the month decided before"
    validated, by_validate = asked.by(lambda: steps.validate(challenger, settings=settings))
    assert validated.verdict.champion is not None
    assert by_validate == {"SELECT": 1, "snapshots": 1, "models": 1}, "the champion was read in its own month"
    proposed, by_decide = asked.by(lambda: steps.decide(validated, settings=settings))
    assert by_decide == {"SELECT": 1}
    decision, by_promote = asked.by(lambda: steps.promote(proposed, settings=settings))
    assert by_promote == {"SELECT": 2, "append": 1}, "the lane; the head for the alias"
    _, by_report = asked.by(lambda: steps.report(decision.id, origin=TESTER, settings=settings))
    assert by_report["snapshots"] == 3, "the judged rows, and the rows on which each of both models was developed"
    assert by_report["append"] == 0


def test_re_judging_a_month_whose_scores_are_stored_loads_no_model(
    settings: Settings, challengers: list[Challenger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of versions and months was scored in the first lane; in the second, months come in reverse."""
    for challenger in challengers:
        settle(in_lane(challenger, "scored"), settings)
    for challenger in reversed(challengers):
        settle(in_lane(challenger, "scored-reversed"), settings)
    asked = Asked(settings, monkeypatch)
    lane = [in_lane(challenger, "scored-again") for challenger in challengers]
    for challenger in lane[1:]:
        settle(challenger, settings)
    validated = steps.validate(lane[0], settings=settings)
    proposed = steps.decide(validated, settings=settings)
    _, by_promote = asked.by(lambda: steps.promote(proposed, settings=settings))
    rows = in_force("tiny", "scored-again", settings)
    rejudged = [r for r in rows if r.caused_by]
    assert rejudged
    assert by_promote["models"] == 0
    assert by_promote["append"] == 1, "one call for all of them"
    assert by_promote["snapshots"] <= len(rejudged)
