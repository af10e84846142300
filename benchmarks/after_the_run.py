"""What is asked of a lane after its runs, in processor seconds: `backtest`, `audit` and `reproduce`, beyond imports.

    python benchmarks/after_the_run.py lending_club_default --lane b1

On the running stack (`make up`), in a lane with decisions. The yardstick, from the same run: every challenger of the
lane judged once from stored scores. Each is done twice: the first time may have to compute scores, the second counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from measurement import Row, Used, used_by, used_by_command

from titleholder.cli.local_stack import use_addresses
from titleholder.data.scores import ScoreStore
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.model import ModelSpec
from titleholder.workflow.audit import audit
from titleholder.workflow.backtest import periods, run
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.backtest.what_if import replay
from titleholder.workflow.reproduce import reproduce
from titleholder.workflow.scorer import Scorer

if TYPE_CHECKING:
    from bench import Case


def twice(work: Callable[[], object]) -> Used:
    """What the second of two times uses."""
    work()
    return used_by(work)


def judged_once(decided: list[Decision], settings: Settings) -> None:
    """The yardstick: a replay under the spec's own values only."""
    own = Setting.of(ModelSpec.restore(decided[-1].spec).judgement)
    replay(decided, [own], Scorer(Registry(settings.tracking_uri), ScoreStore(settings.snapshots)))


def measured(model: str, lane: str) -> Iterator[tuple[str, Used]]:
    """What each command uses; the yardstick first."""
    settings = Settings.from_environment()
    decided = periods.decisions(store.read(settings.ledger_url, model, lane), lane)
    request = run.Request(model, lane)
    yield f"each of {len(decided)} challengers once", twice(lambda: judged_once(decided, settings))
    yield "backtest", twice(lambda: run.backtest(request, url=connection_url, actor="bench", settings=settings))
    yield "audit", twice(lambda: audit([model], settings=settings))
    yield "reproduce the newest", twice(lambda: reproduce(decided[-1].id, settings=settings))


def rows(case: Case) -> Iterator[Row]:
    """For `make bench`: of the months that `plain_script.rows` decided, which are decided here if it was not asked."""
    months, settings = case.months(12), Settings.from_environment()
    if not store.read(settings.ledger_url, case.model, "bench"):
        command = [sys.executable, "-m", "titleholder.cli.main", "run", case.model, "--lane", "bench"]
        used_by_command([*command, "--as-of", str(months[0]), "--until", str(months[-1])])
    (yardstick, once), *others = measured(case.model, "bench")
    for name, used in others:
        yield Row(name, used.processor, "cpu s", yardstick, once.processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--lane", default="backtest")
    asked = parser.parse_args()
    use_addresses()
    print(f"{'what':<30} {'processor s':>12} {'seconds':>9} {'ratio':>7}")
    yardstick = 0.0
    for name, (processor, clock) in measured(asked.model, asked.lane):
        yardstick = yardstick or processor
        print(f"{name:<30} {processor:>12.2f} {clock:>9.2f} {processor / yardstick:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
