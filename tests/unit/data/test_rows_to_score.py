"""Rows to score from files: gaps, codes, true and false, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec
from titleholder.data import rows_to_score
from titleholder.errors import ContractError, UsageError

HEADER = "loan_id,income,debt,purpose\n"


def read(folder: Path, content: str | bytes, name: str = "rows.csv") -> pd.DataFrame:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return pd.concat(rows_to_score.batches(str(path), a_spec(), ""))


def test_an_empty_cell_is_a_gap_and_a_text_is_what_it_is(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + "01,NA,null,NA\n,,1,\n=1,n/a,2,None\n")
    assert found["income"].isna().all()
    assert found["debt"].tolist()[1:] == [1, 2]
    assert found["purpose"].fillna("(gap)").tolist() == ["NA", "(gap)", "None"]
    assert found["loan_id"].fillna("(gap)").tolist() == ["01", "(gap)", "=1"]


def test_true_and_false_are_numbers_however_they_are_written(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + "1,true,t,x\n2,False,f,x\n")
    assert found[["income", "debt"]].to_numpy().tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (HEADER + '1,2,3,"two\nlines, one cell"\n', "rows.csv"),
        ("\ufeff" + HEADER + '1,2,3,"two\nlines, one cell"\n', "rows.csv"),
        (HEADER.replace(",", "\t") + '1\t2\t3\t"two\nlines, one cell"\n', "rows.tsv"),
        (gzip.compress((HEADER + '1,2,3,"two\nlines, one cell"\n').encode()), "rows.csv.gz"),
        ('region,purpose,debt,income,loan_id\nx,"two\nlines, one cell",3,2,1\n', "rows.csv"),
    ],
)
def test_a_file_may_be_written_in_many_ways(tmp_path: Path, content: str | bytes, name: str) -> None:
    (row,) = read(tmp_path, content, name).to_dict("records")
    assert row == {"loan_id": "1", "income": 2.0, "debt": 3.0, "purpose": "two\nlines, one cell"}


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER)
    assert list(found) == ["loan_id", "income", "debt", "purpose"]
    assert found["income"].dtype == np.float64
    pd.DataFrame({"income": [1.0], "debt": [1.0], "purpose": ["x"]}).head(0).to_parquet(tmp_path / "none.parquet")
    (none,) = rows_to_score.batches(str(tmp_path / "none.parquet"), a_spec(), "")
    assert (len(none), list(none)) == (0, ["income", "debt", "purpose"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEADER + "1,2,3,seal, pump\n", "Expected 4 columns, got 5: 1,2,3,seal, pump"),
        (HEADER + "1,2,3\n", "Expected 4 columns, got 3: 1,2,3"),
        (HEADER.replace(",", ";") + "1;2;3;x\n", "has one column, 'loan_id;income;debt;purpose': put commas between"),
        ("loan_id,income,debt,income,purpose\n1,2,3,4,x\n", "the header has income twice"),
        ((HEADER + "1,2,3,Köln\n").encode("latin-1"), "it is not UTF-8"),
        ("", "Empty CSV file"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    assert why in str(caught.value)


@pytest.mark.parametrize("rows", ["", "1,x,y\n"])
def test_all_that_is_wrong_with_the_columns_is_one_error(tmp_path: Path, rows: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, "loan_id,incme,dept\n" + rows)
    assert str(caught.value).count("the column is missing") == 3


def test_what_is_no_number_is_counted_and_shown_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, HEADER + '1,1,2,x\n2,"1,5",$4,x\n3,7,$5,x\n')
    assert "income: 1 value is no number, such as '1,5' in row 2" in str(caught.value)
    assert "debt: 2 values are no number, such as '$4' in row 2" in str(caught.value)


def test_what_is_infinite_is_refused_in_a_file_of_any_kind(tmp_path: Path) -> None:
    said = "income: 1 value is infinite, such as 'inf' in row 2"
    with pytest.raises(ContractError, match=said):
        read(tmp_path, HEADER + "1,1,2,x\n2,inf,2,x\n")
    rows = pd.DataFrame({"income": [1.0, np.inf], "debt": [None, 1.0], "purpose": ["x", "y"]})
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match=said):
        list(rows_to_score.batches(str(tmp_path / "rows.parquet"), a_spec(), ""))
