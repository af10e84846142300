"""The contract of a snapshot's rows, and the sentence that reports each violation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.engine_cases import stored
from support.factories import AS_OF, a_regression, a_spec, rows, spans_of
from titleholder.data import contract, enough_rows
from titleholder.data.snapshots import Extract
from titleholder.errors import ContractError
from titleholder.spec.model import ModelSpec

Bend = Callable[[pd.DataFrame], pd.DataFrame]


def found(frame: pd.DataFrame, spec: ModelSpec | None = None, as_of: date = AS_OF) -> list[str]:
    spec = spec or a_spec()
    return contract.violations(frame, spec, spans_of(spec, as_of), as_of)


def at(column: str, value: Any, row: int = 4) -> Bend:
    """Puts one value into one row."""

    def bend(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(object)
        values.iloc[row] = value
        return frame.assign(**{column: values.infer_objects()})

    return bend


def moment(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize("column", ["loan_id", "bad", "income", "purpose", "region", "issued_at"])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, np.array([1, 2])])
def test_arrays_and_json_are_of_the_wrong_type(column: str, value: Any) -> None:
    """An array as the entity ended in a TypeError of pandas."""
    values = pd.Series([value] * 120, dtype=object)
    said = f"{column}: has the wrong type; it must be one value, no array and no JSON"
    assert said in found(rows().assign(**{column: values}))


def test_valid_rows_have_no_violations() -> None:
    assert found(rows()) == []
    contract.enforce(rows(), a_spec(), spans_of(a_spec()), AS_OF)


@pytest.mark.parametrize(
    "bend",
    [
        lambda f: f.assign(bad=f["bad"].astype(bool)),
        lambda f: f.assign(bad=f["bad"].astype("float64")),
        lambda f: f.assign(bad=f["bad"].astype("Int64")),
        lambda f: f.assign(income=1, debt=True),
        lambda f: f.assign(income=f["income"].astype("float32"), debt=pd.array([1, None] * 60, dtype="Int64")),
        lambda f: f.assign(income=None),
        lambda f: f.assign(income=f["income"].where(f.index % 2 == 0)),
        lambda f: f.assign(purpose=7, region=True),
        lambda f: f.assign(purpose=pd.array(["a", None] * 60, dtype="str"), region=None),
        lambda f: f.assign(purpose=pd.array(["a", None] * 60, dtype="string")),
        lambda f: f.assign(purpose=pd.Series([True, None] * 60, dtype=object)),
        lambda f: f.assign(purpose=pd.Series([Decimal(1), Decimal(2)] * 60)),
        lambda f: f.assign(purpose=[1.0, np.nan] * 60, age_band=[3.0, np.nan] * 60),  # whole numbers with gaps
        lambda f: f.assign(loan_id="x" + f["loan_id"].astype(str)),
        lambda f: at("issued_at", moment("2022-10-01"))(f),  # the first instant of the window
        lambda f: at("issued_at", moment("2023-12-31 23:59:59.999999"))(f),  # and its last
        lambda f: at("known_at", moment("2024-07-01"))(f),  # known at as_of itself
        lambda f: f.assign(issued_at=f["issued_at"].dt.tz_convert("America/New_York")),
        lambda f: f[list(reversed(f.columns))],
    ],
)
def test_what_a_warehouse_may_well_return_passes(bend: Bend) -> None:
    assert found(bend(rows())) == []


@pytest.mark.parametrize(
    ("bend", "said"),
    [
        (at("bad", None), "bad: is missing (null) (1 row, e.g. nan, loan_id 4)"),
        (at("bad", 2), "bad: is neither 0 nor 1 (1 row, e.g. 2, loan_id 4)"),
        (at("bad", 0.5), "bad: is neither 0 nor 1 (1 row, e.g. 0.5, loan_id 4)"),
        (lambda f: f.assign(bad=f["bad"].astype("str")), "bad: has the wrong type; it must be a number"),
        (at("loan_id", 0), "loan_id: is not unique (2 rows, e.g. 0, loan_id 0)"),
        (at("loan_id", None), "loan_id: is missing (null) (1 row, e.g. nan, loan_id nan)"),
        (
            at("issued_at", moment("2022-09-30 23:59:59.999999")),
            "issued_at: is outside the window [2022-10-01, 2024-01-01) "
            "(1 row, e.g. 2022-09-30 23:59:59.999999+00:00, loan_id 4)",
        ),
        (
            at("issued_at", moment("2024-01-01")),
            "issued_at: is outside the window [2022-10-01, 2024-01-01) "
            "(1 row, e.g. 2024-01-01 00:00:00+00:00, loan_id 4)",
        ),
        (at("issued_at", pd.NaT), "issued_at: is missing (null) (1 row, e.g. NaT, loan_id 4)"),
        (
            at("known_at", moment("2024-07-01 00:00:00.000001")),
            "known_at: is after as_of 2024-07-01: the query returns rows that were not known yet "
            "(1 row, e.g. 2024-07-01 00:00:00.000001+00:00, loan_id 4)",
        ),
        (at("known_at", pd.NaT), "known_at: is missing (null) (1 row, e.g. NaT, loan_id 4)"),
        (
            lambda f: f.assign(issued_at="2023-01-01"),
            "issued_at: has the wrong type; it must be a date or timestamp, in UTC",
        ),
        (
            lambda f: f.assign(issued_at=f["issued_at"].dt.tz_localize(None)),
            "issued_at: has the wrong type; it must be a date or timestamp, in UTC",
        ),
        (
            lambda f: f.assign(known_at=f["known_at"].dt.tz_localize(None)),
            "known_at: has the wrong type; it must be a date or timestamp, in UTC",
        ),
        (lambda f: f.assign(income="much"), "income: has the wrong type; it must be a number"),
        (lambda f: f.assign(income=f["issued_at"]), "income: has the wrong type; it must be a number"),
        (
            lambda f: f.assign(purpose=0.5),
            "purpose: has the wrong type; it must be text, a whole number or true/false",
        ),
        (
            lambda f: f.assign(age_band=f["issued_at"]),
            "age_band: has the wrong type; it must be text, a whole number or true/false",
        ),
        (
            lambda f: f.drop(columns="income"),
            "columns differ from the spec (- missing, + unexpected):\n      - income",
        ),
        (
            lambda f: f.assign(extra=1),
            "columns differ from the spec (- missing, + unexpected):\n      + extra",
        ),
        (
            lambda f: f.rename(columns={"income": "incomes"}),
            "columns differ from the spec (- missing, + unexpected):\n"
            "      - income   (close to 'incomes')\n      + incomes   (close to 'income')",
        ),
        (
            lambda f: pd.concat([f, f[["income"]]], axis=1),
            "columns differ from the spec (- missing, + unexpected):\n      + income   (occurs twice)",
        ),
        (
            # the holdout's other class is no help
            lambda f: f.assign(bad=f["bad"].where(f["issued_at"] >= moment("2023-10-01"), 0)),
            "only one class (bad 0) to train on: every row in [2022-10-01, 2023-10-01) has it",
        ),
        (
            # nor that of the training rows
            lambda f: f.assign(bad=f["bad"].where(f["issued_at"] < moment("2023-10-01"), 1)),
            "only one class (bad 1) to judge by: every row in the holdout [2023-10-01, 2024-01-01) has it",
        ),
        (
            # holdout rows do not count
            lambda f: pd.concat([f.head(19), f.tail(20)]),
            "too few rows to train on: 19 in [2022-10-01, 2023-10-01), at least 20 are needed (training.minimum_rows)",
        ),
        (
            # nor do training rows in the holdout
            lambda f: f.head(97),
            "too few rows to judge by: 1 in the holdout [2023-10-01, 2024-01-01), at least 2 are needed",
        ),
    ],
)
def test_each_violation_is_one_sentence(bend: Bend, said: str) -> None:
    assert found(bend(rows())) == [said]


def test_a_column_of_one_value_is_neither_to_train_on_nor_to_judge_by() -> None:
    assert [line.partition(":")[0] for line in found(rows().assign(bad=0))] == [
        "only one class (bad 0) to train on",
        "only one class (bad 0) to judge by",
    ]


@pytest.mark.parametrize(
    "empty",
    [rows().head(0), pd.DataFrame(columns=list(rows())), rows().head(0).astype({"issued_at": object})],
    ids=["typed", "untyped", "untyped time"],
)
def test_no_rows_at_all_are_too_few(empty: pd.DataFrame) -> None:
    assert found(empty) == [
        "too few rows to train on: 0 in [2022-10-01, 2023-10-01), at least 20 are needed (training.minimum_rows)",
        "too few rows to judge by: 0 in the holdout [2023-10-01, 2024-01-01), at least 2 are needed",
    ]


def test_all_violations_are_reported_at_once_columns_first() -> None:
    frame = rows().rename(columns={"debt": "dept"})
    frame = frame.assign(
        bad=[2, *frame["bad"][1:]],
        loan_id=[7, *frame["loan_id"][1:]],
        purpose=0.5,
        known_at=frame["known_at"] + pd.Timedelta(days=900),
        issued_at=frame["issued_at"] - pd.Timedelta(days=1),
    )
    with pytest.raises(ContractError) as caught:
        contract.enforce(frame, a_spec(), spans_of(a_spec()), AS_OF)
    message = str(caught.value)
    assert message.startswith("small: the snapshot as of 2024-07-01 breaks its contract (6 violations)")
    assert "nothing was trained" in message
    assert message.endswith("Correct small.sql or the columns in small.yaml.")
    wanted = [
        "columns differ",
        "loan_id: is not unique",
        "issued_at: is outside",
        "bad: is neither",
        "known_at: is after",
    ]
    places = [message.index(part) for part in [*wanted, "purpose: has the wrong type"]]
    assert places == sorted(places)


def test_all_rows_that_break_a_rule_are_counted() -> None:
    frame = rows()
    frame["bad"] = 3
    assert "bad: is neither 0 nor 1 (120 rows, e.g. 3, loan_id 0)" in found(frame)


def test_rows_are_counted_without_naming_an_entity_that_is_not_there() -> None:
    message = found(at("bad", 2)(rows()).drop(columns="loan_id"))
    assert "bad: is neither 0 nor 1 (1 row, e.g. 2)" in message


@pytest.mark.parametrize(
    "reindex",
    [
        lambda f: f.iloc[::-1],
        lambda f: f.set_index(pd.RangeIndex(1000, 1000 + len(f))),
        lambda f: f.set_index(pd.Index([f"row {i}" for i in range(len(f))])),
        lambda f: f.set_index(pd.Index([0] * len(f))),
        lambda f: f.set_index(pd.DatetimeIndex(f["issued_at"].to_numpy(), name="when")),
    ],
    ids=["reversed", "offset", "text", "constant", "time"],
)
def test_the_example_is_the_offending_row_whatever_the_index(reindex: Bend) -> None:
    assert found(reindex(rows())) == []
    assert found(reindex(at("bad", 2)(rows()))) == ["bad: is neither 0 nor 1 (1 row, e.g. 2, loan_id 4)"]


def test_an_outcome_later_than_the_maturity_is_refused() -> None:
    spec = a_spec(columns__outcome_at="outcome_at")
    frame = rows().assign(outcome_at=lambda f: f["issued_at"] + pd.DateOffset(months=6))
    assert found(frame, spec) == []
    late = frame.assign(outcome_at=frame["outcome_at"] + pd.Timedelta(microseconds=1))
    (message,) = found(late, spec)
    first = frame.index[frame["bad"] == 1][0]
    assert message.startswith("outcome_at: is later than issued_at + label_maturity (6 months), so it does not count (")
    assert f"({frame['bad'].sum()} rows, e.g. {late['outcome_at'][first]}, loan_id {first})" in message
    never = late.assign(outcome_at=late["outcome_at"].where(late["bad"] == 0))
    assert found(never, spec) == [], "the date of a loan that did not go bad says nothing of its label"
    unknown = frame.assign(
        outcome_at=frame["outcome_at"].where(frame["bad"] == 1, pd.Timestamp("2099-01-01", tz="UTC"))
    )
    assert found(unknown, spec) == [], "nor does one later than as_of"
    amounts = a_regression(columns__outcome_at="outcome_at")
    (message,) = found(rows(amounts).assign(outcome_at=late["outcome_at"]), amounts)
    assert "(120 rows" in message


def test_without_known_at_the_column_is_not_expected() -> None:
    spec = a_spec(columns__known_at=None)
    assert found(rows().drop(columns="known_at"), spec) == []
    assert found(rows(), spec) == ["columns differ from the spec (- missing, + unexpected):\n      + known_at"]


def test_a_feature_must_be_finite() -> None:
    assert found(at("income", -np.inf)(rows()), a_spec()) == ["income: is infinite (1 row, e.g. -inf, loan_id 4)"]


def test_a_regression_needs_finite_outcomes_of_more_than_one_value() -> None:
    spec = a_regression()
    assert found(rows(spec), spec) == []
    assert found(at("bad", np.inf)(rows(spec)), spec) == ["bad: is infinite (1 row, e.g. inf, loan_id 4)"]
    assert found(at("bad", None)(rows(spec)), spec) == ["bad: is missing (null) (1 row, e.g. nan, loan_id 4)"]
    assert found(rows(spec).assign(bad=1.5), spec) == [
        "only one outcome (bad 1.5) to train on: every row in [2022-10-01, 2023-10-01) has it"
    ]


@pytest.mark.parametrize("gaps", [False, True])
def test_true_and_false_are_no_outcomes_of_a_regression(gaps: bool) -> None:
    spec = a_regression(**({"columns__accepted": "taken"} if gaps else {}))
    frame = rows(spec).assign(bad=rows()["bad"].astype(bool), taken=True)
    if gaps:
        frame = frame.assign(taken=frame.index > 5, bad=frame["bad"].astype(object).where(frame.index > 5))
    said = found(frame if gaps else frame.drop(columns="taken"), spec)
    assert said == ["bad: is true or false; a regression needs numbers: set `task: classification`, or return a number"]


def test_a_column_that_is_both_feature_and_segment_must_satisfy_the_rule_for_features() -> None:
    spec = a_spec(columns__segments=["debt", "region"])
    assert found(rows(), spec) == []


def test_the_frame_is_not_changed() -> None:
    frame = rows().iloc[::-1]
    before = frame.copy(deep=True)
    found(at("bad", 2)(frame))
    found(frame)
    pd.testing.assert_frame_equal(frame, before)


WEIGHTED = a_spec(columns__weight="exposure", columns__cluster="customer")


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (0.0, "exposure: is not a positive, finite weight (1 row, e.g. 0.0, loan_id 4)"),
        (-1.0, "exposure: is not a positive, finite weight (1 row, e.g. -1.0, loan_id 4)"),
        (np.inf, "exposure: is not a positive, finite weight (1 row, e.g. inf, loan_id 4)"),
        (np.nan, "exposure: is missing (null) (1 row, e.g. nan, loan_id 4)"),
    ],
)
def test_a_weight_is_positive_and_finite(weight: float, said: str) -> None:
    frame = rows(WEIGHTED).assign(exposure=2.0, customer="c")
    frame.loc[4, "exposure"] = weight
    assert found(frame, WEIGHTED) == [said]


def test_every_row_belongs_to_a_cluster() -> None:
    frame = rows(WEIGHTED).assign(exposure=2.0, customer="c")
    assert found(frame, WEIGHTED) == []
    frame.loc[4, "customer"] = None
    (said,) = found(frame, WEIGHTED)
    assert said.startswith("customer: is missing (null) (1 row")


ACCEPTED = a_spec(columns__accepted="accepted")


def applications(**bent: Any) -> pd.DataFrame:
    """Every third row was not accepted and has no outcome."""
    frame = rows(ACCEPTED)
    accepted = frame.index % 3 > 0
    return frame.assign(accepted=accepted, bad=frame["bad"].where(accepted)).assign(**bent)


def test_rows_that_were_not_accepted_have_no_outcome() -> None:
    assert found(applications(), ACCEPTED) == []
    as_bool = applications()["bad"].astype(object).map({0.0: False, 1.0: True}, na_action="ignore")
    assert found(applications(bad=as_bool), ACCEPTED) == []
    assert found(rows().assign(accepted=True), ACCEPTED) == []


def test_an_accepted_row_without_an_outcome_and_another_with_one_are_violations() -> None:
    frame = applications()
    frame.loc[4, "bad"], frame.loc[[3, 6], "bad"] = np.nan, 1.0
    assert found(frame, ACCEPTED) == [
        "bad: is missing (null) although the row was accepted (1 row, e.g. nan, loan_id 4)",
        "bad: is known although the row was not accepted; let the query return null (2 rows, e.g. 1.0, loan_id 3)",
    ]


def test_whether_a_row_was_accepted_is_always_known_and_true_or_false() -> None:
    gap = applications(accepted=applications()["accepted"].astype(object).mask(applications().index == 5, None))
    assert found(gap, ACCEPTED) == ["accepted: is missing (null) (1 row, e.g. None, loan_id 5)"]
    number = applications(accepted=applications()["accepted"].astype(int))
    assert found(number, ACCEPTED) == ["accepted: has the wrong type; it must be true/false"]


def test_only_accepted_rows_count_as_rows_to_train_on() -> None:
    """There are 96 training rows, of which 64 were accepted."""
    enough, more = (a_spec(columns__accepted="accepted", training__minimum_rows=n) for n in (64, 65))
    assert enough_rows.too_little(applications(), enough, spans_of(enough)) == []
    (few,) = enough_rows.too_little(applications(), more, spans_of(more))
    assert "too few rows to train on: 64 in" in few


def test_only_accepted_rows_count_as_rows_to_judge_by() -> None:
    frame = applications()
    later = frame["issued_at"] >= moment("2023-10-01")
    none = frame.assign(accepted=frame["accepted"] & ~later, bad=frame["bad"].where(~later))
    (few,) = enough_rows.too_little(none, ACCEPTED, spans_of(ACCEPTED))
    assert few.startswith("too few rows to judge by: 0 in the holdout")


def test_the_days_are_those_of_rows_with_an_outcome() -> None:
    first, second = sorted(applications()["issued_at"].dt.date)[:2]
    assert min(enough_rows.days(rows(), a_spec())) == first
    assert min(enough_rows.days(applications(), ACCEPTED)) == second, "the first row was not accepted"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"income": "a lot"},
        {"purpose": 0.5},
        {"purpose": [[1, 2]] * 120},
        {"region": pd.Timestamp("2024-01-01", tz="UTC"), "debt": "none", "bad": 3, "loan_id": 7},
        {"income": None, "purpose": None},
        {"more": 1},
    ],
)
def test_an_extract_is_held_to_the_same_contract_without_holding_its_features(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, frame = a_spec(), rows().assign(**change)
    monkeypatch.setattr(Extract.batches, "__defaults__", (50,))
    extract = stored(frame, tmp_path, monkeypatch, row_group=40)
    own, rest = contract.parts(extract, spec)
    found = contract.violations(own, spec, spans_of(spec), AS_OF, rest=rest)
    assert found == contract.violations(extract.read(), spec, spans_of(spec), AS_OF)
    assert bool(found) == (change not in ({}, {"income": None, "purpose": None}))
    assert ("income" in own) == ("more" in change)
