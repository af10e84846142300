"""CSV files: the whole file decides on the types, and bytes that are no text are named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from localstack.loading import open_file
from titleholder.data import csv_file
from titleholder.data.csv_file import Written
from titleholder.errors import DataError, UsageError


def read(folder: Path, content: bytes, name: str = "file.csv", **how: str) -> pa.Table:
    path = folder / name
    path.write_bytes(content)
    opened = open_file(path, Written(**how), lambda *_: None)
    table = opened.rows.read_all()
    assert opened.total == len(table)
    return table


@pytest.mark.parametrize(
    ("many", "last", "kind"),
    [
        ("1", "2", "int64"),
        ("1", "1.5", "double"),
        ("1", "oops", "string"),
        ("", "5", "int64"),
        ("", "2024-01-02", "date32[day]"),
        ("", "", "string"),
        ("true", "maybe", "string"),
        ("2024-01-01", "2024-01-02 10:00:01.25", "timestamp[ns]"),
        ("2024-01-01 10:00:01", "2024-01-02 10:00:01.25", "timestamp[ns]"),
        ("2024-01-01T10:00:01Z", "2024-01-02T10:00:01.25Z", "timestamp[ns, tz=UTC]"),
        ("10:00:01", "late", "string"),
        ("1", "007", "string"),
        ("1", "-01", "string"),
        ("0", "0", "int64"),
        ("0.5", "00.5", "double"),
        ("0.5", "-0.25", "double"),
        ("1.5", "042", "string"),
        ("1234567890123456", "2", "int64"),
        ("1", "12345678901234567890", "string"),
    ],
)
def test_the_type_fits_the_last_row_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: str, last: str, kind: str
) -> None:
    monkeypatch.setattr(csv_file, "BLOCK", 1024)
    lines = ["value,n", *[f"{many},1"] * 1000, f"{last},2"]
    table = read(tmp_path, "\n".join(lines).encode())
    assert [str(field.type) for field in table.schema] == [kind, "int64"]


@pytest.mark.parametrize(
    ("content", "how", "kind", "message"),
    [
        (
            "a,b\n1,2\nmüller,3\n".encode("latin-1"),
            {},
            DataError,
            "row 2 of column 'a' has b'm\\xfcller', which is not UTF-8",
        ),
        ("ä,b\n1,2\n".encode("latin-1"), {}, DataError, "its header is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), {}, UsageError, "The file is UTF-16: use --encoding utf-16"),
        (b"a,b\n1,2\n", {"encoding": "utf-61"}, UsageError, "--encoding 'utf-61' is not known; use utf-8, latin-1"),
        (b"a;b\n1;2\n", {}, UsageError, "has one column, 'a;b': use --delimiter ';'"),
        (b"a;b\n1,5;2\n", {}, UsageError, "Its header has ';' between the names: use --delimiter ';'"),
        (b"a\tb\n1,5\t2\n", {}, UsageError, "use --delimiter '\\t'"),
        (b"a,b\n1,2\n", {"delimiter": ";;"}, UsageError, "--delimiter ';;': one character"),
        (b"a,b\n1,2,3\n", {}, UsageError, "Expected 2 columns, got 3"),
        (b"", {}, UsageError, "Empty CSV file"),
        (b"a,b\n", {}, UsageError, "has a header and no rows"),
        (b"a,b,a\n1,2,3\n", {}, UsageError, "its header has 'a' twice; rename one"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, how: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        read(tmp_path, content, **how)
    assert message in str(caught.value)


def test_bad_bytes_late_in_the_file_are_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK", 1024)
    content = b"a,b\n" + b"good,2\n" * 1000 + b"\xff\xfe,3\n"
    with pytest.raises(DataError, match=r"row 1,001 of column 'a'"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "how", "name"),
    [
        ("name\tn\nmüller\t1\n".encode("latin-1"), {"encoding": "latin-1", "delimiter": "\\t"}, "f.csv"),
        ("name,n\nmüller,1\n".encode("utf-16"), {"encoding": "utf-16"}, "F.CSV"),
        ("name,n\nmüller,1\n".encode("utf-8-sig"), {}, "f.csv"),
        (gzip.compress("name,n\nmüller,1\n".encode()), {}, "f.csv.gz"),
    ],
)
def test_encodings_delimiters_and_gzip(tmp_path: Path, content: bytes, how: dict[str, str], name: str) -> None:
    assert read(tmp_path, content, name, **how).to_pylist() == [{"name": "müller", "n": 1}]


def test_a_cell_may_have_lines_wherever_a_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK", 1024)
    content = "n,note\n" + "".join(f'{n},"line one\nline two"\n' for n in range(1000))
    assert read(tmp_path, content.encode())["note"].to_pylist() == ["line one\nline two"] * 1000


def test_a_code_keeps_its_zeros_and_digits(tmp_path: Path) -> None:
    table = read(tmp_path, b"serial,account,amount\n00000011,12345678901234567890,1\n00000048,12345678901234567891,2\n")
    assert table.to_pylist() == [
        {"serial": "00000011", "account": "12345678901234567890", "amount": 1},
        {"serial": "00000048", "account": "12345678901234567891", "amount": 2},
    ]


def test_an_empty_cell_is_null_in_a_column_of_text_too(tmp_path: Path) -> None:
    table = read(tmp_path, b'code,number,nothing\nE-1,1,\n,,\n"",2,\nNA,3,\n')
    assert table.to_pydict() == {"code": ["E-1", None, None, "NA"], "number": [1, None, 2, 3], "nothing": [None] * 4}


GERMAN = (
    "alter;preis;km;kg;plz;am;leer\n"
    + '22;28.947,78;35.000;1,579;01067;03.01.2022;\n34;"-7,5";6.000;0,823;20095;04.01.2022;\n;;850;;;;\n'
)


def test_decimal_commas_are_read_as_they_are_meant_once_they_are_said(tmp_path: Path) -> None:
    """35.000 km became 35.0, and nothing said so."""
    table = read(tmp_path, GERMAN.encode(), delimiter=";", decimal=",")
    assert table.to_pydict() == {
        "alter": [22, 34, None],
        "preis": [28947.78, -7.5, None],
        "km": [35000.0, 6000.0, 850.0],
        "kg": [1.579, 0.823, None],
        "plz": ["01067", "20095", None],
        "am": ["03.01.2022", "04.01.2022", None],
        "leer": [None] * 3,
    }


def test_a_sign_that_every_value_has_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(
        "rate;price;mixed;other\n8,47 %;€ 1.200,50;8,47 %;5 %\n-12%;-€3;0,0847;5 €\n;\u20ac\u00a07;;\n7,5\u00a0%;€1;;\n",
        encoding="utf-8",
    )
    opened = open_file(path, Written(delimiter=";", decimal=","), lambda *_: None)
    assert opened.rows.read_all().to_pydict() == {
        "rate": [8.47, -12, None, 7.5],
        "price": [1200.5, -3, 7, 1],
        "mixed": ["8,47 %", "0,0847", None, None],
        "other": ["5 %", "5 €", None, None],
    }
    assert opened.warnings == (
        "rate has % in each value, which was left out",
        "price has € in each value, which was left out",
    )
    (said,) = open_file(path, Written(delimiter=";"), lambda *_: None).warnings
    assert said.startswith("rate, price came as text, with decimal commas")


def test_a_decimal_point_that_is_said_has_commas_between_thousands(tmp_path: Path) -> None:
    content = b'price,n,code\n"1,234.50",1,a\n12,"2,000",b\n'
    assert read(tmp_path, content, decimal=".").to_pydict() == {
        "price": [1234.5, 12.0],
        "n": [1, 2000],
        "code": ["a", "b"],
    }
    assert read(tmp_path, content).to_pydict()["price"] == ["1,234.50", "12"], "as it is written, unless it is said"


def test_a_point_that_may_group_thousands_is_a_question_where_commas_are_decimal(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, GERMAN.encode(), delimiter=";")
    assert "'preis' has decimal commas, such as '28.947,78', and 'km' has '35.000'" in str(caught.value)
    assert "--decimal ',' or --decimal '.'. Nothing was loaded" in str(caught.value)
    mixed = read(tmp_path, GERMAN.encode(), delimiter=";", decimal=".")
    assert mixed["km"].to_pylist() == [35.0, 6.0, 850.0]


def test_decimal_commas_without_a_question_are_named(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a;b;c;d\n1,5;2.25;1,234;x\n2,5;3;2,5;y\n")
    (said,) = open_file(path, Written(delimiter=";"), lambda *_: None).warnings
    assert said == "a, c came as text, with decimal commas: load the file again with --replace --decimal ','"
    path.write_text("a\n1.125\n2.250\n")
    assert open_file(path, Written(), lambda *_: None).warnings == (), "a file without a comma has decimal points"


@pytest.mark.parametrize(("decimal", "message"), [("x", "',' or '.'"), (",", "it is the delimiter as well")])
def test_no_other_decimal_mark(tmp_path: Path, decimal: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, b"a,b\n1,2\n", decimal=decimal)


def test_a_comma_may_be_both_marks_where_both_are_said(tmp_path: Path) -> None:
    table = read(tmp_path, b'a,b\n1,"1,5"\n', delimiter=",", decimal=",")
    assert table.to_pylist() == [{"a": 1, "b": 1.5}]


def test_how_a_file_is_written_is_no_question_for_parquet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are for CSV files"):
        read(tmp_path, b"", "f.parquet", encoding="latin-1")
