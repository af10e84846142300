"""What is guessed about the columns of a table, without a database: the answers about values are made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from titleholder.data.table_profile import NUMBER, ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader
from titleholder.errors import UsageError
from titleholder.workflow.scaffold.outcome import Choices
from titleholder.workflow.scaffold.roles import Roles, guess

ROWS = 1_000


class Answers(TableReader):
    """What the warehouse would say of the values."""

    rarer, at_least = "", 0

    def __init__(
        self, close: dict[str, float] | None = None, pairs: set[str] | None = None,
        alone: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.close, self.pairs, self.alone = close or {}, pairs or set(), alone or {}

    def correlations(self, target: str, expressions: dict[str, str]) -> dict[str, float]:
        return {name: self.close.get(sql, 0.1) for name, sql in expressions.items()}

    def strength(self, target: str, value: str, at_least: int, *, number: bool, binary: bool) -> float:
        return self.alone.get(value, 0.6)

    def purest(self, target: str, groups: Sequence[str], at_least: int) -> float:
        self.rarer, self.at_least = target, at_least
        return max(self.close.get(group, 0.1) for group in groups)

    def distinct(self, *columns: ColumnProfile) -> int:
        return ROWS if {c.name for c in columns} & self.pairs else 5


def column(name: str, kind: str = "number", **facts: Any) -> ColumnProfile:
    types = {"number": "double precision", "boolean": "boolean", "text": "text", "date": "date", "other": "jsonb"}
    known: dict[str, Any] = {"quoted": name, "sql_type": types[kind], "distinct": 400}
    if kind == "date":
        known |= {"first": datetime(2020, 1, 1, tzinfo=UTC), "last": datetime(2024, 1, 1, tzinfo=UTC)}
    if values := facts.get("values"):
        known |= {"distinct": len(values), "nulls": ROWS - sum(values.values())}
    return ColumnProfile(name=name, kind=kind, **{**known, **facts})  # type: ignore[arg-type]


ID = column("loan_id", sql_type="bigint", unique=True, distinct=ROWS)
APPLIED = column("applied_on", "date")
BAD = column("bad", "boolean", values={"false": 900, "true": 100})
AMOUNT = column("amount")


def guessed(
    *columns: ColumnProfile, close: dict[str, float] | None = None, alone: dict[str, float] | None = None,
    **choices: Any,
) -> Roles:  # fmt: skip
    table = TableProfile(name="public.t", is_view=False, rows=ROWS, total=ROWS, columns=columns)
    return guess(table, Choices(**choices), Answers(close, {"shop"}, alone))


def left_out(*columns: ColumnProfile, **more: Any) -> dict[str, str]:
    return dict(guessed(ID, APPLIED, BAD, AMOUNT, *columns, **more).left_out)


def test_the_roles_of_a_plain_table() -> None:
    roles = guessed(ID, APPLIED, BAD, AMOUNT)
    assert (roles.entity.alias, roles.event_time.alias, roles.target.alias) == ("loan_id", "applied_on", "bad")
    assert (roles.task, roles.target.sql, roles.events) == ("classification", "bad::int", 100)
    assert [item.alias for item in roles.numeric] == ["amount"]
    assert roles.known_at is None
    assert roles.left_out == roles.categorical == roles.protected == ()


def test_a_date_of_recording_is_not_denied() -> None:
    assert (
        guessed(ID, APPLIED, column("loaded_at", "date"), BAD, AMOUNT).event_time.why == "the only date but loaded_at"
    )
    assert guessed(ID, APPLIED, BAD, AMOUNT).event_time.why == "the only date"


@pytest.mark.parametrize(
    ("dates", "event", "known"),
    [
        (["recorded_at", "order_date"], "order_date", "recorded_at"),
        (["updated_at", "loaded_at", "day"], "day", "loaded_at"),
        (["closed_on", "opened_on"], "opened_on", None),
        (["updated_at"], "updated_at", None),
    ],
)
def test_dates_by_their_names(dates: list[str], event: str, known: str | None) -> None:
    roles = guessed(ID, BAD, AMOUNT, *(column(name, "date") for name in dates))
    assert roles.event_time.alias == event
    assert (roles.known_at and roles.known_at.alias) == known


def test_a_row_that_is_overwritten_says_what_is_lost() -> None:
    known = guessed(ID, APPLIED, BAD, AMOUNT, column("updated_at", "date")).known_at
    assert known is not None
    assert "missing from old months" in known.note


@pytest.mark.parametrize(("distinct", "found"), [(29, False), (30, True), (500, True), (501, False)])
def test_rows_of_one_customer_at_many_times_belong_together(distinct: int, found: bool) -> None:
    """Intervals took each month of a customer for a row of its own; of few shops, or rare returners, they may."""
    roles = guessed(APPLIED, column("shop", "text", distinct=distinct), BAD, AMOUNT)
    assert bool(roles.cluster) is found
    if roles.cluster:
        assert (roles.cluster.sql, roles.cluster.alias) == ("shop", "shop")
        assert "it comes again at other times (applied_on)" in roles.cluster.why
    assert guessed(ID, APPLIED, BAD, AMOUNT, column("shop", "text")).cluster is None, "an id tells rows apart"


def test_without_a_unique_column_the_time_then_a_pair_then_a_hash() -> None:
    assert guessed(column("hour", "date", unique=True), BAD, AMOUNT).entity.sql == "hour::text"
    pair = guessed(APPLIED, column("shop", "text"), BAD, AMOUNT).entity
    assert pair.sql == "applied_on::text || ' ' || shop"
    hashed = guessed(APPLIED, BAD, AMOUNT).entity
    assert hashed.sql == "md5(source::text)"
    assert "Give the table a key" in hashed.note


@pytest.mark.parametrize(
    ("target", "sql", "events"),
    [
        (column("label", values={"0": 970, "1": 30}), "label", 30),
        (column("status", "text", values={"P I F": 700, "CHGOFF": 300}), "(status::text in ('CHGOFF'))::int", 300),
        (column("status", "text", values={"Paid": 600, "Late": 300, "Charged Off": 90}),
         "(status::text in ('Late', 'Charged Off'))::int", 390),
        (column("result", "text", values={"it's on": 900, "it's off": 100}), "(result::text in ('it''s off'))::int", 100),
        (column("churn", "text", values={"No": 800, "Yes": 200}), "(churn::text in ('Yes'))::int", 200),
        (column("default", quoted='"default"', values={"1": 700, "2": 300}), "(\"default\"::text in ('1'))::int", 300),
    ],
)  # fmt: skip
def test_an_outcome_of_two_kinds_becomes_0_and_1(target: ColumnProfile, sql: str, events: int) -> None:
    roles = guessed(ID, APPLIED, AMOUNT, target)
    assert roles.target.sql == sql
    assert roles.events == events


@pytest.mark.parametrize(
    ("sort", "sql"),
    [
        (column("delay"), "(delay > 15)::int"),
        (column("delay", "text", numbers=ROWS), f"(case when delay ~ '{NUMBER}' then delay::double precision end > 15)::int"),
    ],
    ids=["number", "text"],
)  # fmt: skip
def test_an_outcome_may_be_a_number_beyond_a_limit(sort: ColumnProfile, sql: str) -> None:
    roles = guessed(ID, APPLIED, AMOUNT, sort, target="delay > 15", close={"true": 0.2})
    assert (roles.task, roles.target.sql, roles.target.alias) == ("classification", sql, "delay_over_15")
    assert roles.events == 200, "of the rarer class"
    assert (roles.target.note, roles.limit, roles.outcome.name) == ("1 is delay > 15", "> 15", "delay")
    odd = guessed(ID, APPLIED, AMOUNT, column("x > 15", values={"0": 900, "1": 100}), target="x > 15")
    assert (odd.target.sql, odd.target.note) == ("x > 15", ""), "a column may be called so"


@pytest.mark.parametrize(
    ("target", "alias"),
    [
        ("delay>=2.5", "delay_at_least_2_5"),
        ("delay < -3", "delay_under_minus_3"),
        ("delay <= 10", "delay_at_most_10"),
        ("delay > 72", "delay_over_72_2"),  # a column has that name
    ],
)
def test_an_outcome_of_0_and_1_is_not_called_like_its_number(target: str, alias: str) -> None:
    found = guessed(ID, APPLIED, AMOUNT, column("delay"), column("delay_over_72"), target=target, close={"true": 0.2})
    assert found.target.alias == alias


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        ("regression", "delay > 15", "this is a classification"),
        (None, "applied_on > 15", "already the entity"),
        (None, "shop >= 15", "shop is text, no number"),
        (None, "dela > 15", "Did you mean 'delay'"),
    ],
)
def test_a_limit_of_what_is_no_number_is_refused(task: str | None, target: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guessed(ID, APPLIED, AMOUNT, column("delay"), column("shop", "text"), task=task, target=target)


def test_rows_without_an_outcome_are_left_out_and_counted() -> None:
    roles = guessed(ID, APPLIED, AMOUNT, column("bad", "boolean", values={"false": 700, "true": 100}))
    assert roles.conditions == ("bad is not null",)
    assert "200 of 1,000 rows have none" in roles.target.why


def test_an_amount_by_its_name_is_a_regression() -> None:
    roles = guessed(ID, APPLIED, AMOUNT, column("demand"))
    assert (roles.task, roles.target.alias, roles.events) == ("regression", "demand", ROWS)


def test_no_outcome_and_no_date_are_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="Columns with two values: is_new; with numbers: amount"):
        guessed(ID, APPLIED, AMOUNT, column("is_new", "boolean", values={"true": 1, "false": 999}))
    with pytest.raises(UsageError, match="no date or timestamp.*make a view"):
        guessed(ID, AMOUNT, BAD)
    with pytest.raises(UsageError, match=r"no column is left to be a feature: extra \(its type is jsonb\)"):
        guessed(ID, APPLIED, BAD, column("extra", "other"))


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (column("extra", "other"), "its type is jsonb"),
        (column("currency", "text", values={"EUR": ROWS}), "the same value in every row"),
        (column("flag", "text", distinct=0, nulls=ROWS), "one value or none"),
        (column("closed_on", "date"), "a date; a length of time"),
        (column("note", "text", unique=True, distinct=ROWS), "different in every row"),
        (column("branch_id"), "an identifier"),
        (column("city", "text", distinct=300), "300 different texts"),
        (column("recovered", nulls=900), "its gaps correlate 0.97"),
        (column("loss"), "it correlates 0.95"),
        (column("state", "text", distinct=5), "one outcome (99%)"),
        (column("fees"), "one outcome (97%)"),
        (column("total_pymnt"), "`pymnt` in its name"),
        (column("bad_before"), "`bad` in its name"),
    ],
    ids=lambda value: value.name if isinstance(value, ColumnProfile) else "",
)
def test_what_is_no_feature_is_named_with_the_reason(extra: ColumnProfile, why: str) -> None:
    close = {"(recovered is null)::int": 0.97, "loss": 0.95, "state": 0.99, "sign(fees)": 0.97}
    assert why in left_out(extra, close=close)[extra.name]


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (column("Balance"), "`balance` in its name"),
        (column("stock_left"), "`left` in its name"),
        (column("loan_status", "text", distinct=5), "`status` in its name"),
        (column("score"), "alone it tells the outcome (ROC AUC 0.83)"),
        (column("marital_status", "text", distinct=5), ""),
        (column("verification_status", "text", distinct=3), ""),
        (column("income"), ""),
    ],
    ids=lambda value: value.name if isinstance(value, ColumnProfile) else "",
)
def test_a_feature_that_looks_overwritten_after_the_event_is_marked(extra: ColumnProfile, why: str) -> None:
    """All of them were proposed for `on_trust`."""
    roles = guessed(ID, APPLIED, BAD, AMOUNT, extra, alone={"score": 0.83, "income": 0.79})
    (item,) = (i for i in (*roles.numeric, *roles.categorical) if i.alias == extra.name.lower())
    assert dict(roles.overwritten) == ({extra.name: why} if why else {})
    assert item.note.startswith(f"CHECK {extra.name}: {why}. Was it overwritten") is bool(why)


def test_of_a_regression_honest_features_may_explain_more() -> None:
    given = (column("visits"), column("weather", "text", distinct=3))
    roles = guessed(ID, APPLIED, AMOUNT, column("sales"), *given, alone={"visits": 0.79, "weather": 0.81})
    assert dict(roles.overwritten) == {"weather": "alone it tells the outcome (R² 0.81)"}


def test_numbers_as_text_are_cast_and_protected_columns_kept_apart() -> None:
    roles = guessed(ID, APPLIED, BAD, column("income", "text", numbers=998), column("sex", "text", distinct=2))
    (income,) = roles.numeric
    assert income.sql.startswith("case when income ~ ")
    assert "2 of 1,000 are no number" in income.note
    assert [item.alias for item in roles.protected] == ["sex"]
    (amount,) = guessed(ID, APPLIED, BAD, column("gross", "text", amounts=1_000, numbers=3)).numeric
    assert "regexp_replace(gross" in amount.sql
    assert "CHECK" not in amount.note
    for pointed, asked in ((0, True), (1, False)):
        weight = column("weight", "text", amounts=1_000, numbers=3, grouped=900, pointed=pointed)
        (item,) = guessed(ID, APPLIED, BAD, weight).numeric
        assert item.note.startswith("CHECK weight: `1,234` is read as 1234") is asked, "kilograms became a thousandfold"
    words = guessed(ID, APPLIED, BAD, column("size", "text", numbers=900, distinct=9))
    assert [item.alias for item in words.categorical] == ["size"]
    codes = guessed(ID, APPLIED, BAD, AMOUNT, column("trade", "text", numbers=ROWS, codes=1, distinct=9))
    assert [item.sql for item in codes.categorical] == ["trade"], "one 0742 says that none of them is a number"


def test_groups_of_one_outcome_are_looked_for_in_the_rarer_class() -> None:
    for values, expected in (({"false": 900, "true": 100}, "bad::int"), ({"true": 700, "false": 300}, "1 - bad::int")):
        columns = (ID, APPLIED, AMOUNT, column("bad", "boolean", values=values))
        answers = Answers()
        guess(TableProfile(name="t", is_view=False, rows=ROWS, total=ROWS, columns=columns), Choices(), answers)
        assert (answers.rarer, answers.at_least) == (expected, 30)


def whole(name: str, *values: int, **facts: Any) -> ColumnProfile:
    return column(name, sql_type="integer", values=dict.fromkeys(map(str, values), ROWS // len(values)), **facts)


@pytest.mark.parametrize(
    ("given", "categorical"),
    [
        (whole("weekday", *range(7)), True),
        (whole("day_of_week", *range(1, 8)), True),
        (whole("sales_month", *range(1, 13)), True),
        (whole("Quarter", 1, 2, 3, 4), True),
        (whole("hour", 0, 1, 2, 3), True),
        (whole("hour", 8, 12, 16, 20), False),
        (column("hour", sql_type="integer", distinct=24), False),
        (whole("children", 0, 1, 2, 3), False),
        (whole("month_count", 1, 2, 3), False),
    ],
)
def test_few_whole_numbers_of_the_calendar_are_categories(given: ColumnProfile, categorical: bool) -> None:
    roles = guessed(ID, APPLIED, BAD, AMOUNT, given)
    assert (given.name.lower() in {item.alias for item in roles.categorical}) is categorical
    assert (given.name.lower() in {item.alias for item in roles.numeric}) is not categorical
    if categorical:
        (item,) = roles.categorical
        assert item.sql == f"{given.quoted}::text"
        assert "numbers parts of the calendar" in item.note


@pytest.mark.parametrize("name", ["sold", "trays_sold", "rentals", "rentals_total", "bookings"])
def test_what_was_sold_is_the_outcome_where_no_other_name_tells_one(name: str) -> None:
    roles = guessed(ID, APPLIED, AMOUNT, column(name))
    assert (roles.task, roles.target.alias) == ("regression", name)
    assert guessed(ID, APPLIED, AMOUNT, column("demand"), column(name)).target.alias == "demand"
    assert guessed(ID, APPLIED, AMOUNT, BAD, column(name)).target.alias == "bad"
