"""The queries of the leak test's benchmark, and what the documentation says of them."""

from __future__ import annotations

import re
from pathlib import Path

from leaky_queries import HONEST, LEAKY

DOCS = Path(__file__).parents[3] / "docs" / "point-in-time.md"


def test_the_documentation_has_a_line_for_each_query() -> None:
    """Of 15 honest queries, 14 could be counted."""
    lines = re.findall(r"^\| (.+?) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    listed = [shape.name for shape in (*LEAKY, *HONEST)]
    first = lines.index(listed[0])
    assert [line for line in lines[first:] if line in listed] == listed, "run benchmarks/leaktest.py again"
