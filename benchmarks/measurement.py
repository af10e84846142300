"""What a benchmark reports: figures against yardsticks of the same run; and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "mlflow-skinny", "apache-airflow", "optuna")

WIDTH = 140


class Row(NamedTuple):
    """One figure and that of its yardstick, both in `unit`; `goal` is the largest ratio that is wanted, if one is.

    >>> row = Row("titleholder, 2,000,000 rows", 2.6, "s", "COPY", 2.0, goal=1.3)
    >>> row.ratio, row.met
    (1.3, True)
    """

    name: str
    figure: float
    unit: str
    yardstick: str
    against: float
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """The figure, in yardsticks."""
        return self.figure / self.against

    @property
    def met(self) -> bool | None:
        """Whether the goal is; None without a goal."""
        return None if self.goal is None else self.ratio <= self.goal

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "ratio": self.ratio, "met": self.met}


def show(title: str, rows: Iterable[Row]) -> None:
    """Print the rows for people."""
    heads = ("what", "figure", "", "yardstick", "its figure", "ratio", "goal")
    shown = Table(*heads, title=title, title_justify="left", box=box.SIMPLE)
    for column in (1, 4, 5, 6):
        shown.columns[column].justify = "right"
    for row in rows:
        goal = "" if row.goal is None else f"{'≤' if row.met else '[red]≤'} {row.goal:g}"
        numbers = (_number(row.figure), row.unit, row.yardstick, _number(row.against), f"{row.ratio:.2f}")
        shown.add_row(row.name, *numbers, goal)
    Console(width=max(Console().width, WIDTH)).print(shown)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Cores, memory, processor, versions, and the load of the last minute: a busy machine disturbs a measurement."""
    model = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory[0] / 2**20, 1) if memory else None,
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


class Used(NamedTuple):
    """Seconds of the processor, and by the clock."""

    processor: float
    clock: float


def used_by(work: Callable[[], object]) -> Used:
    """What this process uses for `work`."""
    processor, clock = time.process_time(), time.perf_counter()
    work()
    return Used(time.process_time() - processor, time.perf_counter() - clock)


def used_by_command(command: Sequence[str], **environment: str) -> Used:
    """What a command and its children use, which has to succeed; its output is shown only if it fails."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return Used(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds)


def memory(what: str) -> float:
    """This process's resident set (VmRSS) or its peak (VmHWM), in MB; `ru_maxrss` would begin with the parent's."""
    return next(int(line.split()[1]) / 1024 for line in _lines("/proc/self/status") if line.startswith(what))


def forget_peak() -> None:
    """The peak of this process's resident set begins anew."""
    Path("/proc/self/clear_refs").write_text("5")
