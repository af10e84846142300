"""Rows to score from files: gaps, codes, true and false, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec
from titleholder.data import rows_to_score
from titleholder.data.csv_file import Written
from titleholder.errors import ContractError, DataError, UsageError

HEADER = "loan_id,income,debt,purpose\n"


def read(folder: Path, content: str | bytes, name: str = "rows.csv", **how: str) -> pd.DataFrame:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return pd.concat(rows_to_score.batches(str(path), a_spec(), "", Written(**how)))


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
        (HEADER.replace(",", ";") + "1;2;3;x\n", "has one column, 'loan_id;income;debt;purpose': use --delimiter ';'"),
        (HEADER.replace(",", ";") + "1;2,5;3;x\n", "Its header has ';' between the names: use --delimiter ';'"),
        ("loan_id,income,debt,income,purpose\n1,2,3,4,x\n", "its header has 'income' twice"),
        (HEADER.encode("utf-16"), "The file is UTF-16: use --encoding utf-16"),
        ("", "Empty CSV file"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    assert why in str(caught.value)


@pytest.mark.parametrize("content", [HEADER + "1,2,3,Köln\n", HEADER.replace("debt", "größe")])
def test_text_in_another_encoding_is_refused_until_that_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"is not UTF-8\. Say how the file is written, such as --encoding latin-1"):
        read(tmp_path, content.encode("latin-1"))
    found = read(tmp_path, (HEADER + "1,2,3,Köln\n").encode("latin-1"), encoding="latin-1")
    assert found["purpose"].tolist() == ["Köln"]


GERMAN = HEADER.replace(",", ";") + "1;28.947,78;35.000;x\n2;NA;true;y\n3;-7,5;;1,5\n"


def test_decimal_commas_are_read_as_load_reads_them(tmp_path: Path) -> None:
    found = read(tmp_path, GERMAN, delimiter=";", decimal=",")
    assert found["income"].fillna(0).tolist() == [28947.78, 0, -7.5]
    assert found["debt"].fillna(0).tolist() == [35000, 1, 0]
    assert found["purpose"].tolist() == ["x", "y", "1,5"]
    assert found["loan_id"].tolist() == ["1", "2", "3"]


def test_decimal_commas_are_told_how_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, GERMAN, delimiter=";")
    assert "income: 2 values are no number, such as '28.947,78' in row 1; --decimal ',' reads it as a number" in str(
        caught.value
    )


def test_a_point_is_no_decimal_mark_where_the_comma_is(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, HEADER.replace(",", ";") + "1;1.5;1e3;x\n", delimiter=";", decimal=",")
    assert str(caught.value).endswith("income: 1 value is no number, such as '1.5' in row 1")


def test_how_a_file_is_written_is_no_question_for_others(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are for CSV files"):
        read(tmp_path, b"", "rows.parquet", decimal=",")


@pytest.mark.parametrize("rows", ["", "1,x,y\n"])
def test_all_that_is_wrong_with_the_columns_is_one_error(tmp_path: Path, rows: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, "loan_id,incme,dept\n" + rows)
    assert str(caught.value).count("the column is missing") == 3


def test_what_is_no_number_is_counted_and_shown_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        read(tmp_path, HEADER + '1,1,2,x\n2,"1,5",$4,x\n3,7,$5,x\n')
    assert "income: 1 value is no number, such as '1,5' in row 2; --decimal ',' reads it as a number\n" in str(
        caught.value
    )
    assert str(caught.value).endswith("debt: 2 values are no number, such as '$4' in row 2")


def test_what_is_infinite_is_refused_in_a_file_of_any_kind(tmp_path: Path) -> None:
    said = "income: 1 value is infinite, such as 'inf' in row 2"
    with pytest.raises(ContractError, match=said):
        read(tmp_path, HEADER + "1,1,2,x\n2,inf,2,x\n")
    rows = pd.DataFrame({"income": [1.0, np.inf], "debt": [None, 1.0], "purpose": ["x", "y"]})
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match=said):
        list(rows_to_score.batches(str(tmp_path / "rows.parquet"), a_spec(), ""))
