"""Queries that look into the future, honest ones beside them, and a small lender whose tables they read.

Each shape is one feature of one query, or its label. The lender's schema is `trap`: loans (recorded five minutes
later), closings (recorded three weeks later), customers (versions), weather (observations every hour), transfers
(overwritten in place), books and accounts (overwritten when a loan ends), a view, and materialised views.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from titleholder.spec.model import ModelSpec

AS_OF = date(2024, 1, 1)
WORLD = """
drop schema if exists trap cascade;
create schema trap;
grant usage on schema trap to public;
select setseed(0.25);
create table trap.loans as select
    n as loan_id,
    floor({customers} * random())::int as customer_id,
    (array['north', 'south', 'east', 'west'])[1 + floor(4 * random())::int] as region,
    timestamptz '2022-01-01 00:00 UTC' + (n + random()) * interval '1050 days' / {loans} as applied_at,
    round((1000 + 9000 * random())::numeric, 2) as amount,
    null::timestamptz as recorded_at
from generate_series(1, {loans}) n;
update trap.loans set recorded_at = applied_at + interval '5 minutes';
alter table trap.loans add primary key (loan_id);
create index on trap.loans (customer_id);
create index on trap.loans (applied_at);
create table trap.closings as select
    loan_id,
    (array['repaid', 'repaid', 'repaid', 'bad'])[1 + floor(4 * random())::int] as status,
    (applied_at + interval '20 days' + random() * interval '500 days')::date as closed_on,
    null::timestamptz as recorded_at
from trap.loans;
update trap.closings set recorded_at = closed_on + interval '21 days';
alter table trap.closings add primary key (loan_id);
create table trap.customers as select
    customer_id, 20000 + 1000 * floor(60 * random())::int as income,
    timestamptz '2021-12-01 00:00 UTC' + v * interval '97 days' + customer_id * interval '5 hours' as valid_from,
    case when v < 11
        then timestamptz '2021-12-01 00:00 UTC' + (v + 1) * interval '97 days' + customer_id * interval '5 hours'
    end as valid_to
from generate_series(0, {customers} - 1) customer_id, generate_series(-1, 11) v;
alter table trap.customers add primary key (customer_id, valid_from);
create table trap.weather as select
    moment as observed_at, moment + interval '20 minutes' as recorded_at,
    round((30 * random())::numeric, 1) as temperature
from generate_series(timestamptz '2021-12-01 00:00 UTC', timestamptz '2024-12-31 00:00 UTC', interval '1 hour') moment;
alter table trap.weather add primary key (observed_at);
create index on trap.weather (recorded_at);
create table trap.transfers as select
    loan_id, applied_at + interval '90 minutes' + random() * interval '5 days' as arrived_at,
    round((48 * random())::numeric, 1) as delay_hours, round((10 * random())::numeric, 2) as fee,
    round((100 * random())::numeric, 2) as balance
from trap.loans;
alter table trap.transfers add primary key (loan_id);
create table trap.books as select
    loan_id, (applied_at at time zone 'UTC')::date as opened_on, round((5000 * random())::numeric, 2) as balance,
    case when random() < 0.2
        then (applied_at + interval '20 days' + random() * interval '900 days')::date
    end as ended_on,
    null::text as status
from trap.loans;
update trap.books set ended_on = null where ended_on > date '2024-12-31';
update trap.books set
    balance = case when ended_on is null then balance else 0 end,
    status = case when ended_on is null then 'PERFORMING' else 'DEFAULT' end;
alter table trap.books add primary key (loan_id);
create table trap.accounts as select * from trap.books;
alter table trap.accounts add primary key (loan_id);
create view trap.totals as
    select customer_id, count(*) as loans, sum(amount) as amount from trap.loans group by customer_id;
create materialized view trap.snapshots as
    select s as taken_at, c.customer_id, (
        select count(*) from trap.loans l where l.customer_id = c.customer_id and l.recorded_at <= s
    ) as loans
    from generate_series(timestamptz '2022-01-01 UTC', timestamptz '2024-12-01 UTC', interval '1 month') s,
        generate_series(0, {customers} - 1) c(customer_id);
create index on trap.snapshots (customer_id, taken_at);
create materialized view trap.frozen as select * from trap.totals;
create function trap.loans_of(integer) returns bigint language sql stable as
    'select count(*) from trap.loans where customer_id = $1';
grant select on all tables in schema trap to public;
analyze;
"""
"""So many `loans` over 1,050 days from 2022 on, of so many `customers`."""

QUERY = """
select
    l.loan_id,
    l.applied_at,
    greatest(l.recorded_at, c.recorded_at) as known_at,
    ({target})::int as bad,
    l.amount,
    l.region,
    {feature} as feature
from trap.loans l
left join trap.closings c on c.loan_id = l.loan_id and c.recorded_at <= :as_of
{join}
where l.applied_at >= :window_start and l.applied_at < :window_end and l.recorded_at <= :as_of
{condition}
"""
TARGET = "coalesce(c.status = 'bad' and c.closed_on < (l.applied_at + interval '6 months')::date, false)"
TABLES: dict[str, Any] = {
    "trap.loans": {"known_at": "recorded_at", "available_at": "applied_at"},
    "trap.closings": {"known_at": "recorded_at"},
    "trap.customers": {"known_at": "valid_from", "until": "valid_to"},
    "trap.weather": {"known_at": "recorded_at"},
    "trap.transfers": {
        "known_at": "arrived_at", "changes": ["delay_hours", "arrived_at"], "on_trust": ["loan_id", "fee"]
    },
    "trap.books": {
        "known_at": "coalesce(ended_on, opened_on)", "changes": ["status", "balance", "ended_on"],
        "on_trust": ["loan_id", "opened_on"],
    },
    "trap.accounts": {
        "known_at": "ended_on", "changes": ["status", "balance", "ended_on"], "on_trust": ["loan_id", "opened_on"]
    },
    "trap.snapshots": {"known_at": "taken_at"},
    "trap.frozen": "static",
}  # fmt: skip


class Shape(NamedTuple):
    """A query: what it selects as the feature, with which join, and what else differs from the honest one."""

    name: str
    feature: str = "l.amount"
    join: str = ""
    target: str = TARGET
    condition: str = ""
    columns: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    why: str = ""
    """Where nothing is found: why not."""


def spec_of(shape: Shape) -> ModelSpec:
    """The spec of a shape; it declares the tables that its query reads."""
    sql = QUERY.format(feature=shape.feature, join=shape.join, target=shape.target, condition=shape.condition)
    tables = {name: history for name, history in TABLES.items() if name in sql}
    return ModelSpec.restore(
        {
            "name": "trap", "owner": "benchmarks", "start_date": "2022-01-01", "task": "classification", "sql": sql,
            "source": {"connection": "warehouse", "query": "trap.sql", "tables": tables},
            "columns": {
                "entity": "loan_id", "event_time": "applied_at", "known_at": "known_at", "target": "bad",
                "numeric": ["amount", "feature"], "categorical": ["region"], **shape.columns,
            },
            "windows": {"label_maturity": "7 months", "train": "12 months", "holdout": "3 months"},
            "training": {"candidates": {"line": {"estimator": "sklearn.linear_model.LogisticRegression"}}},
            "judgement": {"metric": "roc_auc"},
        }
    )  # fmt: skip


def newest(condition: str, column: str = "temperature") -> str:
    """The newest observation of the weather under a condition."""
    near = "w.recorded_at between l.applied_at - interval '1 day' and l.applied_at + interval '1 day'"
    return f"(select w.{column} from trap.weather w where {near} and {condition} order by w.recorded_at desc limit 1)"


def closings(condition: str, what: str = "count(*)") -> str:
    """Something of the customer's other loans that closed, under a condition."""
    return (
        f"(select {what} from trap.closings o join trap.loans p on p.loan_id = o.loan_id "
        f"where p.customer_id = l.customer_id and p.loan_id <> l.loan_id and p.recorded_at <= :as_of and {condition})"
    )


def earlier(condition: str, what: str = "count(*)") -> str:
    """Something of the customer's loans, under a condition."""
    return f"(select {what} from trap.loans p where p.customer_id = l.customer_id and {condition})"


RECORDED = "p.recorded_at <= :as_of"
LATEST = "(select temperature from trap.weather w where {} order by w.recorded_at desc limit 1) w"
TRANSFERS = "join trap.transfers t on t.loan_id = l.loan_id"
VERSION = (
    "join trap.customers v on v.customer_id = l.customer_id "
    "and v.valid_from <= {0} and (v.valid_to > {0} or v.valid_to is null)"
)
SNAPSHOT = "join trap.snapshots s on s.customer_id = l.customer_id and s.taken_at = date_trunc('month', l.applied_at)"
BY_REGION = (
    "join (select p.region, avg((o.status = 'bad')::int) as rate from trap.closings o "
    "join trap.loans p on p.loan_id = o.loan_id where o.recorded_at <= :as_of group by p.region) r "
    "on r.region = l.region"
)
KNOWN_TODAY = "w.recorded_at <= l.applied_at and w.recorded_at > l.applied_at - interval '1 day'"
OF_CUSTOMER = "over (partition by l.customer_id order by l.applied_at, l.loan_id"
BOOKS, ACCOUNTS = (f"join trap.{name} b on b.loan_id = l.loan_id" for name in ("books", "accounts"))
ENDED = "coalesce(b.ended_on <= :as_of and b.ended_on < (l.applied_at + interval '6 months')::date, false)"
A_YEAR_LATE = "l.applied_at + (l.loan_id % 250 = 0)::int * interval '365 days'"
LEAKY = (
    Shape("the final status as the label", join=BOOKS, target="b.status = 'DEFAULT'"),
    Shape("whether an outcome has a date yet, as the label", join=BOOKS, target="b.ended_on is not null"),
    Shape("whether an outcome has a date yet", "(b.ended_on is not null)::int", BOOKS),
    Shape("the final balance, of a table known from its outcomes", "b.balance", ACCOUNTS),
    Shape("closings known by `:as_of`, not by the event", closings("o.recorded_at <= :as_of")),
    Shape("a column that is overwritten later (DepDelay)", "t.delay_hours", TRANSFERS),
    Shape("weather up to three hours after the event", newest("w.recorded_at <= l.applied_at + interval '3 hours'")),
    Shape("a label without an end (a charge-off after 48 months)", target="coalesce(c.status = 'bad', false)"),
    Shape("a column overwritten in place that nobody declared", "t.balance", TRANSFERS),
    Shape("the day it happened for the day it was known", closings("o.closed_on <= l.applied_at::date")),
    Shape("count without a bound", earlier("true")),
    Shape("the event's whole day", earlier("p.applied_at::date <= l.applied_at::date")),
    Shape("off by one day", earlier("p.applied_at < date_trunc('day', l.applied_at) + interval '2 days'")),
    Shape(
        "time zone: recorded in New York, compared with UTC",
        newest("w.recorded_at at time zone 'America/New_York' <= l.applied_at at time zone 'UTC'"),
    ),
    Shape("window function over all rows of a customer", "count(*) over (partition by l.customer_id)"),
    Shape("lead(): the customer's next loan", f"lead(l.amount) {OF_CUSTOMER})"),
    Shape(
        "max() over the rows that follow",
        f"max(l.amount) {OF_CUSTOMER} rows between current row and unbounded following)",
    ),
    Shape("rank among all rows of the window", "percent_rank() over (order by l.amount)"),
    Shape(
        "lateral join without the event's time",
        "w.temperature",
        f"cross join lateral {LATEST.format('w.recorded_at <= :as_of')}",
    ),
    Shape(
        "the version in force now (`until is null`)",
        "v.income",
        "join trap.customers v on v.customer_id = l.customer_id and v.valid_to is null",
    ),
    Shape("the version as of the run", "v.income", VERSION.format(":as_of")),
    Shape("a view over all time", "v.loans", "join trap.totals v on v.customer_id = l.customer_id"),
    Shape(
        "the materialised snapshot of the event's month, taken at its end",
        "s.loans",
        f"{SNAPSHOT} + interval '1 month'",
    ),
    Shape("target encoding over everything known by `:as_of`", "r.rate", BY_REGION),
    Shape("age as of the run", "extract(day from :as_of - l.applied_at)"),
    Shape("the end of the window as a bound", earlier("p.applied_at < :window_end")),
    Shape(
        "a weight from what became of the loan",
        "1 + coalesce(c.status = 'bad', false)::int",
        columns={"weight": "feature", "numeric": ["amount"]},
    ),
    Shape("a later closing chooses the value", "case when c.status is null then l.amount else 0 end"),
    Shape("the clock", "extract(day from now() - l.applied_at)", why="no test moves the clock"),
    Shape("a function that reads a table", "trap.loans_of(l.customer_id)", why="what a function reads is not copied"),
    Shape(
        "a materialised view of all time, declared `static`",
        "v.loans",
        "join trap.frozen v on v.customer_id = l.customer_id",
        why="`static` is taken as true",
    ),
    Shape("only loans that ended (selection by the outcome)", condition="and c.status is not null"),
    Shape("only loans that have not ended (survivors)", condition="and c.status is null"),
    Shape(
        "only loans that ended within the label maturity",
        condition="and c.closed_on < l.applied_at + interval '6 months'",
        why="which rows are there is final by then; loans that do not end so soon are scored too",
    ),
)
HONEST = (
    Shape("an outcome by its date, of rows overwritten in place", join=BOOKS, target=ENDED),
    Shape("the same, of a table known from its outcomes", join=ACCOUNTS, target=ENDED),
    Shape(
        "the outcome's date, overwritten in place, as `outcome_at`",
        "b.ended_on",
        BOOKS,
        ENDED,
        columns={"outcome_at": "feature", "numeric": ["amount"]},
    ),
    Shape("closings known by the event", closings("o.recorded_at <= l.applied_at")),
    Shape("loans before this one", earlier(f"p.applied_at < l.applied_at and {RECORDED}")),
    Shape("the customer's version at the event", "v.income", VERSION.format("l.applied_at")),
    Shape(
        "the newest weather known at the event, lateral",
        "w.temperature",
        f"left join lateral {LATEST.format(KNOWN_TODAY)} on true",
    ),
    Shape("lag(): the customer's loan before", f"lag(l.amount) {OF_CUSTOMER})"),
    Shape(
        "a running mean of the rows before",
        "avg(l.amount) over (order by l.applied_at, l.loan_id rows between 50 preceding and 1 preceding)",
    ),
    Shape("the materialised snapshot before the event", "s.loans", SNAPSHOT),
    Shape(
        "time zone, the same on both sides",
        newest("w.recorded_at at time zone 'America/New_York' <= l.applied_at at time zone 'America/New_York'"),
    ),
    Shape(
        "the days before the event's day",
        earlier(f"p.applied_at < date_trunc('day', l.applied_at) and {RECORDED}", "sum(p.amount)"),
    ),
    Shape(
        "weather three hours later, declared as `known_after`",
        newest("w.recorded_at <= l.applied_at + interval '3 hours'"),
        columns={"known_after": {"feature": "3 hours"}},
    ),
    Shape(
        "target encoding over what was known by the event",
        closings("o.recorded_at <= l.applied_at", "avg((o.status = 'bad')::int::float)"),
    ),
    Shape("a column that is never overwritten, `on_trust`", "t.fee", TRANSFERS),
    Shape("loans of which one in 250 is recorded a year late", condition=f"and {A_YEAR_LATE} <= :as_of"),
)
