"""Tables in Markdown, and the shares in their cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats


def table(title: str, head: list[str], lines: Iterable[list[object]]) -> None:
    """Print a table line by line, as its lines are made."""
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for line in lines:
        print(f"| {' | '.join(map(str, line))} |", flush=True)


def share(hits: list[bool]) -> str:
    """A share with its standard error; where there is no hit, with the upper bound of Clopper and Pearson at 95 %."""
    mean, count = np.mean(hits), len(hits)
    if not mean:
        return f"0.0%, at most {stats.binomtest(0, count, alternative='less').proportion_ci(0.95).high:.1%}"
    return f"{mean:.1%} ± {100 * np.sqrt(mean * (1 - mean) / count):.1f}"


def between_worlds(hits: pd.Series) -> str:
    """A share with the standard error between worlds, whose months are not independent."""
    means = hits.groupby(level=0).mean()
    error = f" ± {100 * means.std() / np.sqrt(len(means)):.1f}" if len(means) > 1 else ""
    return f"{hits.mean():.1%}{error}"
