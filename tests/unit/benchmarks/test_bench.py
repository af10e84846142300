"""What `make bench` runs and reports."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import bench
import pytest
from growth import slope
from measurement import Row


def test_a_ratio_is_of_the_figure_to_its_yardstick_and_meets_a_goal_up_to_it() -> None:
    row = Row("ours", 2.6, "s", "theirs", 2.0, goal=1.3)
    assert (row.ratio, row.met) == (1.3, True)
    assert row._replace(goal=1.29).met is False
    assert row._replace(goal=None).met is None


def test_long_benchmarks_run_only_when_named_or_with_all() -> None:
    quick, everything = bench.chosen([], False), bench.chosen([], True)
    assert "backfill" not in quick
    assert "extraction" in quick
    assert everything == bench.BENCHMARKS
    assert list(bench.chosen(["backfill"], False)) == ["backfill"]
    with pytest.raises(SystemExit, match="no benchmark extractions; there are .*extraction"):
        bench.chosen(["extractions"], False)


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_each_benchmark_can_be_imported_and_gives_rows(name: str) -> None:
    benchmark = bench.BENCHMARKS[name]
    assert callable(getattr(importlib.import_module(benchmark.module), benchmark.function))


def test_the_figures_are_written_for_programs(tmp_path: Path) -> None:
    about = {"machine": {"cores": 2, "memory_gib": 24, "processor": "x", "load": 0.1}, "load_after": 0.2}
    bench.write(tmp_path / "made" / "results.json", about, {"extraction": [Row("ours", 2.0, "s", "COPY", 4.0, 1.3)]})
    (row,) = json.loads((tmp_path / "made" / "results.json").read_text())["rows"]
    assert row == {
        "benchmark": "extraction", "name": "ours", "figure": 2.0, "unit": "s", "yardstick": "COPY", "against": 4.0,
        "goal": 1.3, "ratio": 0.5, "met": True,
    }  # fmt: skip


def test_the_exponent_of_a_power_law_is_found() -> None:
    assert slope([1, 10, 100], [3, 3 * 10**0.4, 3 * 100**0.4]) == pytest.approx(0.4)
