"""Scores as a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from titleholder.data import score_files

FORMULAS = ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"]
PLAIN = ["-5", "+49 is no number", "-1.5e-3", "+1,234.5", "A-7", "", "'=1", "7"]


def written(path: Path, entities: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame({"id": pd.Series(entities, dtype=object), "score": -0.5})
    assert score_files.write(path, iter([frame.head(2), frame.tail(-2)])) == len(frame)
    read = pd.read_csv if path.suffix == ".csv" else pd.read_parquet
    return read(path, **({"dtype": {"id": str}, "keep_default_na": False} if path.suffix == ".csv" else {}))


def test_a_spreadsheet_finds_no_formula_in_a_csv_file(tmp_path: Path) -> None:
    found = written(tmp_path / "scores.csv", [*FORMULAS, *PLAIN])
    assert found["id"].tolist() == [f"'{text}" for text in FORMULAS] + [
        f"'{text}" if text.startswith("+49") else text for text in PLAIN
    ]
    assert found["score"].tolist() == [-0.5] * len(found), "negative numbers are numbers"


def test_a_parquet_file_has_every_entity_as_it_is(tmp_path: Path) -> None:
    found = written(tmp_path / "scores.parquet", [*FORMULAS, *PLAIN])
    assert found["id"].tolist() == [*FORMULAS, *PLAIN]


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_a_link_that_lies_there_is_replaced_and_not_followed(tmp_path: Path, kind: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("kept")
    output = tmp_path / f"scores{kind}"
    output.symlink_to(theirs)
    (tmp_path / f".scores{kind}.part").symlink_to(theirs)
    written(output, ["a", "b"])
    assert theirs.read_text() == "kept"
    assert output.is_file()
    assert not output.is_symlink()
