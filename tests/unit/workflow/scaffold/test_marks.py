"""Which places of a model's files are marked to be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from titleholder.workflow.scaffold.marks import count, sentence


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("# CHECK: a\n  # CHECK what counts\na: 1  # CHECK: no line of its own\n", 2),
        ("-- CHECK the outcome: b\n    -- CHECK: c\n-- Look at every CHECK.\nselect check\n", 2),
        ("# CHECKED\n# Look at each CHECK\n", 0),
    ],
)
def test_a_comment_that_begins_with_the_mark_is_a_place(tmp_path: Path, text: str, places: int) -> None:
    (file := tmp_path / "my.yaml").write_text(text)
    assert count(file) == {"my.yaml": places}


def test_files_without_a_mark_are_not_named(tmp_path: Path) -> None:
    spec, query = tmp_path / "my.yaml", tmp_path / "my.sql"
    spec.write_text("# CHECK: a\n# CHECK: b\n")
    query.write_text("select 1\n")
    assert sentence(spec, query) == "2 places are still marked CHECK (my.yaml: 2)."
    query.write_text("-- CHECK: c\n")
    assert sentence(query) == "1 place is still marked CHECK (my.sql: 1)."
    spec.write_text("")
    assert sentence(spec) == ""
