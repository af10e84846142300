"""What each step of one retrain asks of its services (ledger statements and rows, snapshot reads, models) and takes.

The last two columns are processor seconds of this process, which a busy machine disturbs less, and seconds.

    python benchmarks/one_run.py lending_club_default 2012-12-01 --lane cli30

On the running stack (`make up`), in a lane that has decisions already: the counts of a step should not grow with them.
The run goes to that lane; a month that was decided before is found again, so take one that was not, or a lane of its
own. The yardstick is the count of the step itself: one ledger query, one snapshot read.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Engine, event

from titleholder.cli.local_stack import use_addresses
from titleholder.data import snapshots
from titleholder.registry.models import Models
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.workflow import steps
from titleholder.workflow.payloads import Origin

COUNTS = ("ledger statements", "ledger rows", "snapshots hashed", "models loaded")


class Counts:
    """Counts what happens while a step runs."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        event.listen(Engine, "after_cursor_execute", self._statement)
        snapshots.opened = self._counted("snapshots hashed", snapshots.opened)
        snapshots.write = self._counted("snapshots hashed", snapshots.write)
        Models._file = self._counted("models loaded", Models._file)  # type: ignore[method-assign]

    def _statement(self, _: Any, cursor: Any, statement: str, *__: Any) -> None:
        if "titleholder.decisions" in statement:
            self.now["ledger statements"] += 1
            self.now["ledger rows"] += max(cursor.rowcount, 0)

    def _counted(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.now[what] += 1
            return function(*args, **options)

        return counted

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Run a step and print its line."""
        self.now.clear()
        began, used = time.monotonic(), time.process_time()
        result = function()
        seconds, processor = time.monotonic() - began, time.process_time() - used
        print(
            f"{name:<24} " + " ".join(f"{self.now[c]:>18}" for c in COUNTS) + f" {processor:>9.2f} {seconds:>8.2f}",
            flush=True,
        )
        return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("as_of", type=date.fromisoformat)
    parser.add_argument("--lane", default="bench-one-run")
    asked = parser.parse_args()
    use_addresses()
    settings, spec, origin = (
        Settings.from_environment(),
        load_specs(only=asked.model)[asked.model],
        Origin(actor="bench"),
    )
    url, counts = connection_url(spec.source.connection), Counts()
    print(f"{'step':<24} " + " ".join(f"{c:>18}" for c in COUNTS) + f" {'processor':>9} {'seconds':>8}")
    snapshot = counts.step(
        "extract", lambda: steps.extract(spec, asked.as_of, asked.lane, url=url, origin=origin, settings=settings)
    )
    trained = [
        counts.step(f"train {name}", lambda name=name: steps.train(snapshot, name, settings=settings))  # type: ignore[misc]
        for name in snapshot.candidates
    ]
    challenger = counts.step("nominate", lambda: steps.nominate(trained, settings=settings))
    validated = counts.step("validate", lambda: steps.validate(challenger, settings=settings))
    proposed = counts.step("decide", lambda: steps.decide(validated, settings=settings))
    decision = counts.step("promote", lambda: steps.promote(proposed, settings=settings))
    counts.step("report", lambda: steps.report(decision.id, origin=origin, settings=settings))
    print(f"Decision {decision.id}: {decision.kind}. {decision.reason}")


if __name__ == "__main__":
    main()
