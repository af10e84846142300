"""What is asked of a lane after its runs, in processor seconds: `backtest`, `audit` and `reproduce`, beyond imports.

    python benchmarks/after_the_run.py lending_club_default --lane b1

On the running stack (`make up`), in a lane with decisions. The yardstick, from the same run: every challenger of the
lane judged once from stored scores. Each is done twice: the first time may have to compute scores, the second counts.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

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
from titleholder.workflow.scoring import Scorer


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Processor seconds of this process, and seconds by the clock, of the second of two times."""
    work()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, time.monotonic() - began


def judged_once(decided: list[Decision], settings: Settings) -> None:
    """The yardstick: a replay under the spec's own values only."""
    own = Setting.of(ModelSpec.restore(decided[-1].spec).judgement)
    replay(decided, [own], Scorer(Registry(settings.tracking_uri), ScoreStore(settings.snapshots)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--lane", default="backtest")
    asked = parser.parse_args()
    use_addresses()
    settings = Settings.from_environment()
    decided = periods.decisions(store.read(settings.ledger_url, asked.model, asked.lane), asked.lane)
    request = run.Request(asked.model, asked.lane)
    work: dict[str, Callable[[], object]] = {
        "each challenger once": lambda: judged_once(decided, settings),
        "backtest": lambda: run.backtest(request, url=connection_url, actor="bench", settings=settings),
        "audit": lambda: audit([asked.model], settings=settings),
        "reproduce the newest": lambda: reproduce(decided[-1].id, settings=settings),
    }
    print(f"{asked.model}, lane {asked.lane}: {len(decided)} decisions")
    print(f"{'what':<24} {'processor s':>12} {'seconds':>9} {'ratio':>7}")
    yardstick = 0.0
    for name, function in work.items():
        processor, clock = seconds(function)
        yardstick = yardstick or processor
        print(f"{name:<24} {processor:>12.2f} {clock:>9.2f} {processor / yardstick:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
