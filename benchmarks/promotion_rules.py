"""What each promotion rule costs over 60 months in use, in worlds whose models are refitted and whose truth is known.

    python benchmarks/promotion_rules.py             the default: some ten minutes on one core
    python benchmarks/promotion_rules.py --quick     one minute
    python benchmarks/promotion_rules.py --json      one JSON document instead of tables

Every rule sees the same portfolios. The seed of a portfolio is (seed, rows a month, repetition): worlds share theirs.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from promotion.play import HARM, Outcome, Summary, play, summarise
from promotion.record import record, record_forward
from promotion.rules import BASIC, Rule
from promotion.worlds import FURTHER, MONTHS, WORLDS, World, simulate
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

REPETITIONS = {300: 100, 1_000: 100, 5_000: 15}
QUICK = {300: 10, 1_000: 10, 5_000: 2}
RECORD: dict[str, Rule] = {
    "record": record,
    "record, no recall": record_forward,
}
RULES = BASIC | RECORD


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    worlds = [world.name for world in (*WORLDS, *FURTHER)]
    parser.add_argument("--rows", type=int, nargs="+", default=list(REPETITIONS), help="rows a month")
    parser.add_argument("--repetitions", type=int, help=f"portfolios of each world; default by rows: {REPETITIONS}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", nargs="+", choices=worlds, default=worlds[: len(WORLDS)], metavar="WORLD")
    parser.add_argument("--further", action="store_true", help=f"also {', '.join(worlds[len(WORLDS) :])}")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(BASIC), metavar="RULE")
    parser.add_argument("--record", action="store_true", help="also the rules built on the record of all versions")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def repetitions(given: argparse.Namespace, rows: int) -> int:
    """How many portfolios of each world are simulated at these rows a month."""
    return given.repetitions or (QUICK if given.quick else REPETITIONS).get(rows, 8)


def run(given: argparse.Namespace) -> list[Summary]:
    """Every world under every rule, a progress bar on stderr."""
    chosen = [w for w in (*WORLDS, *FURTHER) if w.name in given.worlds or (given.further and w in FURTHER)]
    jobs = [
        (rows, world, repetition)
        for rows in given.rows
        for repetition in range(repetitions(given, rows))
        for world in chosen
    ]
    rules = [*given.rules, *(RECORD if given.record else ())]
    found: dict[tuple[int, World, str], list[Outcome]] = defaultdict(list)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("portfolios", total=sum(rows for rows, _, _ in jobs))
        for rows, world, repetition in jobs:
            history = simulate(world, rows, np.random.default_rng([given.seed, rows, repetition]))
            for rule in rules:
                found[rows, world, rule].append(play(history, RULES[rule]))
            progress.advance(task, rows)
    order = {(rows, world): None for rows in given.rows for world in chosen}
    return [summarise(rows, world.name, rule, found[rows, world, rule]) for rows, world in order for rule in rules]


def show(found: Sequence[Summary], seed: int) -> None:
    """Markdown tables, those of each number of rows under one heading."""
    for rows in dict.fromkeys(s.rows for s in found):
        chosen = [s for s in found if s.rows == rows]
        print(f"\n### {rows:,} rows a month, {chosen[0].repetitions} portfolios of each world, seed {seed}")
        _table("Regret in 1e-4 ROC AUC ± standard error", chosen, lambda s: f"{s.regret:.0f} ± {s.regret_error:.0f}")
        _table(
            f"Changes of champion in {MONTHS} months; the share of them to a version worse in use by more than {HARM}",
            chosen,
            lambda s: f"{s.changes:.1f}; {s.harm:.1%}",
        )
        _table(
            f"Portfolios that ever crowned a version worse by more than {HARM}: in use; on the holdout's months",
            chosen,
            lambda s: f"{s.ever_harmed:.0%}; {s.ever_misjudged:.0%}",
        )
        if broken := [s for s in chosen if "broken" in s.world]:
            _table("Portfolios in which a broken challenger was crowned", broken, lambda s: f"{s.broken_crowned:.0%}")
        if shocks := [s for s in chosen if "shock" in s.world]:
            _table("Months from the shock until a version that knows it is in use, median", shocks, _wait)


def _wait(found: Summary) -> str:
    return "never" if found.months_to_act is None else f"{found.months_to_act:.0f}"


def _table(title: str, found: Sequence[Summary], cell: Callable[[Summary], str]) -> None:
    cells = {(s.world, s.rule): cell(s) for s in found}
    rules = list(dict.fromkeys(s.rule for s in found))
    print(f"\n**{title}**\n\n| world | {' | '.join(rules)} |\n|---|{'---:|' * len(rules)}")
    for world in dict.fromkeys(s.world for s in found):
        print(f"| {world} | {' | '.join(cells[world, rule] for rule in rules)} |", flush=True)


if __name__ == "__main__":
    given = arguments()
    with threadpool_limits(1):
        found = run(given)
    if given.json:
        print(json.dumps({"seed": given.seed, "found": [asdict(s) for s in found]}, indent=1))
    else:
        show(found, given.seed)
