"""Which places of a model's files are marked to be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from titleholder.workflow.scaffold.marks import lines, standing


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("# CHECK: a\n\n  # CHECK what counts\na: 1  # CHECK: no line of its own\n", [1, 3]),
        ("-- CHECK the outcome: b\r\n    -- CHECK: c\r\n-- Look at every CHECK.\nselect check\n", [1, 2]),
        ("# CHECKED\n# Look at each CHECK\n", []),
    ],
)
def test_a_comment_that_begins_with_the_mark_is_a_place(tmp_path: Path, text: str, places: list[int]) -> None:
    (file := tmp_path / "my.yaml").write_text(text)
    assert lines(file) == {"my.yaml": places}


def test_files_without_a_mark_are_not_named(tmp_path: Path) -> None:
    spec, query = tmp_path / "my.yaml", tmp_path / "my.sql"
    spec.write_text("a: 1\n# CHECK: a\n# CHECK: b\n")
    query.write_text("select 1\n")
    assert standing(spec, "my.sql") == "2 places are still marked CHECK (my.yaml, lines 2, 3)."
    query.write_text("-- CHECK: c\n")
    assert standing(spec, "my.sql") == "3 places are still marked CHECK (my.yaml, lines 2, 3; my.sql, line 1)."
    spec.write_text("")
    assert standing(spec, "my.sql") == "1 place is still marked CHECK (my.sql, line 1)."
    query.unlink()
    assert standing(spec, "my.sql") == ""
