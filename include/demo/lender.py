"""A simulated lender: its loans, payments and losses, and when it recorded each of them.

Everything is a pure function of the arguments. The calendar drives the world (mix of applicants, economy, seasons) and
each month draws from a random stream of its own, so a lender simulated a month later has the same past: history only
grows. Amounts are in the lender's currency, probabilities and rates are fractions, times are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from titleholder.errors import UsageError

VERSION = 2  # raise it when the same arguments would give other rows
AGE_BANDS = ["18-24", "25-34", "35-49", "50-64", "65+"]
CHANNELS = ["branch", "web", "app", "partner"]
EMPLOYMENTS = ["salaried", "self_employed", "student", "retired", "unemployed"]
PURPOSES = ["electronics", "furniture", "fashion", "travel", "health", "car_repair"]
REGIONS = ["north", "east", "south", "west", "centre", "islands"]
TERMS = np.array([3, 4, 5, 6])
STATUSES = ["repaid", "defaulted", "recovered", "reversed"]
NEVER = 99  # the number of an instalment that no loan reaches
DAY = 86_400  # seconds
LAG = 4  # months of unemployment rates before the first loan: they come out late
GRACE_DAYS, DEFAULT_DAYS = 6, 45  # past due: noted as missed; called in

Array = npt.NDArray[Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Lender:
    """Tables of facts; nothing in them was recorded at `end` or later.

    Append-only and ordered by `recorded_at`: `applications`, one row per loan granted, as it looked that day;
    `instalments` and `outcomes`, what the lender believed from `recorded_at` until the next row of the same instalment
    or loan. `unemployment` has versions: a region's rate of one month, as it was published from `recorded_from` until
    it was revised at `recorded_to` (empty as long as it stands).
    """

    applications: pd.DataFrame
    instalments: pd.DataFrame
    outcomes: pd.DataFrame
    unemployment: pd.DataFrame
    fingerprint: str

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, each after those that it refers to."""
        names = ("applications", "instalments", "outcomes", "unemployment")
        return {name: getattr(self, name) for name in names}


def simulate(end: date, months: int = 48, per_month: int = 2000, seed: int = 7) -> Lender:
    """The books of the `months` before `end` (a first of the month), at least `per_month` applications in each.

    Two calls that differ in `end` or `months` agree on every fact that both contain.
    """
    _check_arguments(end, months, per_month)
    last = end.year * 12 + end.month - 1
    cohorts = [_cohort(month, per_month, seed) for month in range(last - months, last)]
    applications, instalments, outcomes = (_known_before(end, tables) for tables in zip(*cohorts, strict=True))
    rates = _unemployment(end, range(last - months - LAG, last), seed)
    return Lender(applications, instalments, outcomes, rates, fingerprint(end, months, per_month, seed))


def fingerprint(end: date, months: int, per_month: int, seed: int) -> str:
    """The identity of a simulated lender: equal fingerprints, equal rows."""
    return f"lender v{VERSION} end={end.isoformat()} months={months} per_month={per_month} seed={seed}"


def _check_arguments(end: date, months: int, per_month: int) -> None:
    if end.day != 1:
        raise UsageError(f"the simulated lender's end is {end}; expected the first day of a month")
    if months < 1:
        raise UsageError(f"the simulated lender got months={months}; expected at least 1")
    if not 1 <= per_month <= 500_000:
        raise UsageError(f"the simulated lender got per_month={per_month}; expected 1 to 500000")


def _known_before(end: date, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    known = table[table["recorded_at"] < pd.Timestamp(end, tz="UTC")]
    return known.sort_values(["recorded_at", "application_id"], kind="stable", ignore_index=True)


def _cohort(month: int, per_month: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng([seed, month])
    applications = _applications(rng, month, _volume(rng, month, per_month))
    loans = _lend(rng, month, applications)
    hidden = _hide_missing(rng, applications)
    return hidden, _instalments(rng, loans), _outcomes(rng, loans)


# --- the world, by calendar month ------------------------------------------------------------------------------------


def _wave(month: Any, period: float, peak: float) -> Any:
    """A cycle of `period` months between -1 and 1, highest at month number `peak` (year * 12 + month - 1)."""
    return np.cos(2 * np.pi * (np.asarray(month) - peak) / period)


def _stress(month: Any) -> Any:
    """How deep the economy is in a shock, 0 to 1: eight months out of every forty, one of them around May 2025."""
    into = (np.asarray(month) - 24_300) % 40
    return np.where(into < 8, np.sin(np.pi * (into + 0.5) / 8) ** 2, 0.0)


def _volume(rng: Random, month: int, per_month: int) -> int:
    season, growth = _wave(month, 12, 10.5), _wave(month, 84, 24_330)
    return int(per_month * (1.20 + 0.08 * season + 0.06 * growth + rng.uniform(0, 0.04)))


def _channel_shares(month: int) -> Array:
    """Partner shops grow from a twentieth to almost a half of the business over five years, at the branches' cost."""
    partner = 0.24 + 0.20 * _wave(month, 120, 24_325)
    return np.append(np.array([0.45, 0.35, 0.20]) * (1 - partner), partner)


def _fashions(month: Any, count: int, period: float, size: float) -> Array:
    """The effects of `count` categories on risk: each has its own cycle, so that their order keeps changing."""
    effects = np.array([size * _wave(month, period + 4 * i, 24_300 + period * i / count) for i in range(count)])
    return np.asarray(effects - effects.mean())


# --- applications ----------------------------------------------------------------------------------------------------


def _pick(rng: Random, size: int, shares: Any) -> Array:
    """Codes 0..k-1 drawn by `shares`, of shape (k,) or (size, k); rows need not add up to one."""
    steps = np.cumsum(np.broadcast_to(shares, (size, np.shape(shares)[-1])), axis=1)
    return np.asarray((rng.random(size)[:, None] * steps[:, -1:] > steps).sum(axis=1))


def _named(codes: Array, names: list[str]) -> Any:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))


def _applications(rng: Random, month: int, size: int) -> pd.DataFrame:
    """One month's loans in order of application, nothing missing yet. `quality` is hidden from the lender."""
    quality = rng.normal(size=size)
    channel = _pick(rng, size, _channel_shares(month))
    age = _pick(rng, size, np.array([[1, 2, 4, 4, 3], [2, 4, 4, 2, 1], [5, 5, 3, 1, 0.3], [4, 4, 3, 2, 1]])[channel])
    jobs = np.array([[5, 1, 5, 0, 1.5], [9, 2, 0.7, 0, 1], [9, 3, 0, 0, 1], [8, 3, 0, 1, 1], [0.3, 0.3, 0, 9, 0.1]])
    employment = _pick(rng, size, jobs[age])
    earning = np.array([0.0, 0.05, -0.9, -0.35, -0.8])[employment] + 0.12 * np.minimum(age, 3)
    summer, gifts = _wave(month, 12, 6), _wave(month, 12, 10.5)
    purpose = _pick(rng, size, np.array([3 + 1.5 * gifts, 2, 2 + gifts, 1.5 + summer, 1, 1]))
    ticket = np.array([5.9, 6.3, 5.0, 6.5, 5.8, 6.1])[purpose] + 0.06 * gifts
    amount = np.clip(np.exp(ticket + 0.45 * rng.normal(size=size)), 60, 5000).round(2)
    applied = _moments(rng, month, size)
    nightly = np.isin(channel, [0, 3])
    return pd.DataFrame(
        {
            "application_id": (month // 12 * 100 + month % 12 + 1) * 1_000_000 + np.arange(1, size + 1),
            "applied_at": _utc(applied),
            "amount": amount,
            "term": TERMS[_pick(rng, size, np.where(amount[:, None] > 400, [1, 2, 2, 5], [5, 2, 1, 1]))],
            "income": np.exp(7.6 + earning + 0.15 * quality + 0.35 * rng.normal(size=size)).round(2),
            "age_band": _named(age, AGE_BANDS),
            "employment": _named(employment, EMPLOYMENTS),
            "channel": _named(channel, CHANNELS),
            "purpose": _named(purpose, PURPOSES),
            "region": _named(_pick(rng, size, [3, 2, 3, 2, 3, 1]), REGIONS),
            "prior_loans": rng.poisson(np.array([1.2, 1.0, 0.8, 0.3])[channel] * np.exp(0.2 * quality)),
            "bureau_score": np.clip(640 + 50 * quality + 50 * rng.normal(size=size), 300, 850).round(),
            "utilisation": (1 / (1 + np.exp(0.7 + 0.5 * quality + 0.9 * rng.normal(size=size)))).round(4),
            "recorded_at": _utc(applied + np.where(nightly, rng.integers(1, DAY, size), rng.integers(1, 300, size))),
        }
    )


def _moments(rng: Random, month: int, size: int) -> Array:
    """Seconds since 1970 within the month, ascending; most applications are in the afternoon."""
    first = (np.datetime64("1970-01", "M") + (month - 1970 * 12)).astype("M8[D]")
    days = ((first.astype("M8[M]") + 1).astype("M8[D]") - first).astype(int)
    hours = np.clip(rng.normal(15.5, 4.5, size), 0, 23.99)
    return np.sort(_seconds(first) + rng.integers(0, days, size) * DAY + (hours * 3600).astype(int))


def _hide_missing(rng: Random, applications: pd.DataFrame) -> pd.DataFrame:
    """Mask missing values: income and employment left out, and a bureau score that new and young customers lack."""
    young = (applications["age_band"].cat.codes == 0).to_numpy()
    chance = rng.random((3, len(applications)))
    return applications.assign(
        income=applications["income"].mask(chance[0] < 0.08),
        employment=applications["employment"].mask(chance[1] < 0.05),
        bureau_score=applications["bureau_score"].mask(chance[2] < np.where(young, 0.22, 0.07)),
    )


# --- defaults and payments -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loans:
    """The true course of one month's loans. Rows are loans; the columns of the matrices are instalments 1 to 6."""

    ids: Array
    due: Array  # days
    cents: Array  # zero after the term
    paid: Array  # days; NaT where it never is
    missed: Array  # number of the first instalment never paid, or NEVER


def _risk(month: int, a: pd.DataFrame) -> Array:
    """Log-odds of an applicant's default, the time and the economy apart. Strengths change, signs never do:

    risk rises with utilisation and with the instalment's share of income, falls with the score and with prior loans.
    """
    channel, partner = a["channel"].cat.codes.to_numpy(), (a["channel"] == "partner").to_numpy()
    stress, used = _stress(month + 2), a["utilisation"].to_numpy()
    score = (a["bureau_score"].to_numpy() - 640) / 70
    burden = np.log(a["amount"].to_numpy() / a["term"].to_numpy() / a["income"].to_numpy()) + 3.5
    new = (a["prior_loans"] == 0).to_numpy()
    job = np.array([0, 0.15 + 0.5 * stress, 0.25, -0.3, 0.7])[a["employment"].cat.codes.to_numpy()]
    return np.asarray(
        np.where(partner, 0.2, np.where(new, 1.0, 0.45) - 0.2 * stress) * np.maximum(0.4 - score, 0)
        + np.where(partner, 2.8, 1.4 + 0.8 * stress) * np.maximum(used - 0.45, 0) * 2
        + np.where(new, 0.6, 0.15) * np.clip(burden + 0.3, 0, 1.5)
        - 0.22 * np.minimum(a["prior_loans"].to_numpy(), 4)
        + job
        + _fashions(month, 4, 48, 0.18)[channel]
        + _fashions(month, 6, 44, 0.38)[a["region"].cat.codes.to_numpy()]
        + _fashions(month, 6, 52, 0.32)[a["purpose"].cat.codes.to_numpy()]
    )


def _lend(rng: Random, month: int, a: pd.DataFrame) -> _Loans:
    """Draw each loan's first unpaid instalment from a hazard over its life, its due month's season and the economy."""
    number = np.arange(1, TERMS.max() + 1)
    active = number <= a["term"].to_numpy()[:, None]
    days = a["applied_at"].dt.tz_localize(None).to_numpy().astype("M8[D]")
    due = _add_months(days[:, None], number)
    due_month = due.astype("M8[M]").astype(int) + 1970 * 12
    seasoning = np.array([-0.55, 0.15, 0.25, 0.0, -0.2, -0.4])
    hazard = -5.0 + _risk(month, a)[:, None] + seasoning + 0.18 * _wave(due_month, 12, 0) + 0.5 * _stress(due_month)
    fails = active & (rng.random(due.shape) < 1 / (1 + np.exp(-hazard)))
    missed = np.where(fails.any(axis=1), fails.argmax(axis=1) + 1, NEVER)
    late = rng.random(due.shape) < 0.05 + 0.03 * _stress(due_month)
    slip = np.where(late, rng.integers(9, 41, due.shape), rng.integers(-3, 4, due.shape))
    paid = np.where(active & (number < missed[:, None]), due + slip, np.datetime64("NaT", "D"))
    return _Loans(a["application_id"].to_numpy(), due, _split(a, active), paid, missed)


def _split(a: pd.DataFrame, active: Array) -> Array:
    """Equal instalments in cents; the first includes the remainder."""
    cents, term = (a["amount"].to_numpy() * 100).round().astype(int), a["term"].to_numpy()
    parts = active * (cents // term)[:, None]
    parts[:, 0] += cents % term
    return np.asarray(parts)


# --- records of the lender -------------------------------------------------------------------------------------------


def _instalments(rng: Random, loans: _Loans) -> pd.DataFrame:
    """Payments and missed payments as they are recorded; some are corrected later (a wrong account, a bounce)."""
    owed, shape = loans.cents > 0, loans.due.shape
    number = np.broadcast_to(np.arange(1, shape[1] + 1), shape)
    unpaid = owed & np.isnat(loans.paid)
    late = owed & (loans.paid > loans.due + GRACE_DAYS)
    misposted = owed & ~unpaid & ~late & (rng.random(shape) < 0.005)
    bounced = (number == loans.missed[:, None]) & (rng.random(shape) < 0.08)
    noted_at = _seconds(loans.due) + (GRACE_DAYS + 1) * DAY + rng.integers(0, DAY, shape)
    paid_at = _seconds(np.where(unpaid, loans.due, loans.paid)) + (1 + late) * DAY + rng.integers(0, 2 * DAY, shape)
    corrected_at = noted_at + rng.integers(14 * DAY, 90 * DAY, shape)
    same = {"application_id": loans.ids[:, None], "number": number, "due_on": loans.due, "amount": loans.cents / 100}
    return _facts(
        (bounced, {**same, "paid_on": loans.due, "recorded_at": paid_at}),
        (unpaid | late | misposted, {**same, "paid_on": np.datetime64("NaT", "D"), "recorded_at": noted_at}),
        (owed & ~unpaid, {**same, "paid_on": loans.paid, "recorded_at": np.where(misposted, corrected_at, paid_at)}),
    )


def _outcomes(rng: Random, loans: _Loans) -> pd.DataFrame:
    """Ends of loans, recorded days to weeks later; about one in a hundred is corrected months later.

    A mistaken default is reversed. An overlooked one is recorded as repaid until it is discovered.
    """
    size, lost = len(loans.ids), loans.missed < NEVER
    mistaken, overlooked = ~lost & (rng.random(size) < 0.006), lost & (rng.random(size) < 0.05)
    number = np.where(lost, loans.missed, rng.integers(1, (loans.cents > 0).sum(axis=1) + 1))
    called_on = loans.due[np.arange(size), number - 1] + DEFAULT_DAYS
    settled_on = np.where(lost, called_on, np.fmax.reduce(loans.paid, axis=1))
    owing = (loans.cents * (np.arange(1, loans.cents.shape[1] + 1) >= number[:, None])).sum(axis=1) / 100
    left = (owing * rng.uniform(0, 0.7, size)).round(2)
    settled_at = _seconds(settled_on) + DAY + rng.integers(0, 6 * DAY, size)
    called_at = _seconds(called_on) + DAY + rng.gamma(2, 5 * DAY, size).astype(int)
    corrected_at = np.maximum(settled_at, called_at) + rng.integers(30 * DAY, 200 * DAY, size)
    known_at = np.where(overlooked, corrected_at, called_at)
    recovered, recovered_at = lost & (rng.random(size) < 0.25), known_at + rng.integers(30 * DAY, 150 * DAY, size)

    def fact(status: str, occurred_on: Array, loss: Any, recorded_at: Array) -> dict[str, Any]:
        code = STATUSES.index(status)
        columns = {"application_id": loans.ids, "status": code, "occurred_on": occurred_on, "loss": loss}
        return {**columns, "recorded_at": recorded_at}

    table = _facts(
        ((~lost & ~mistaken) | overlooked, fact("repaid", settled_on, 0.0, settled_at)),
        (lost | mistaken, fact("defaulted", called_on, owing, known_at)),
        (recovered, fact("recovered", called_on, left, recovered_at)),
        (mistaken, fact("reversed", called_on, 0.0, corrected_at)),
    )
    return table.assign(status=_named(table["status"].to_numpy(), STATUSES))


def _unemployment(end: date, months: range, seed: int) -> pd.DataFrame:
    """A first estimate some weeks after each month, and its revision two months later."""
    tables = []
    for month in months:
        rng = np.random.default_rng([seed, month, 1])
        count = len(REGIONS)
        rate = 5.0 + 3.0 * _stress(month) + _fashions(month, count, 60, 0.8) + rng.normal(0, 0.1, count)
        starts, ends = ((np.datetime64("1970-01", "M") + (m - 1970 * 12)).astype("M8[s]") for m in (month, month + 1))
        first = ends.astype(int) + 20 * DAY + rng.integers(0, 5 * DAY)
        revised = first + 60 * DAY + rng.integers(0, 5 * DAY)
        for known, until, value in ((first, revised, rate + rng.normal(0, 0.4, count)), (revised, np.nan, rate)):
            rates = value.clip(0.5).round(1)
            of = {"region": _named(np.arange(count), REGIONS), "valid_from": starts, "valid_to": ends, "rate": rates}
            tables.append(pd.DataFrame({**of, "recorded_from": known, "recorded_to": until}))
    table = pd.concat(tables, ignore_index=True)
    now = pd.Timestamp(end, tz="UTC").timestamp()
    known = table[table["recorded_from"] < now].sort_values("recorded_from", kind="stable", ignore_index=True)
    until = known["recorded_to"].where(known["recorded_to"] < now)
    return known.assign(
        recorded_from=pd.to_datetime(known["recorded_from"], unit="s", utc=True).astype("datetime64[us, UTC]"),
        recorded_to=pd.to_datetime(until, unit="s", utc=True).astype("datetime64[us, UTC]"),
    )


def _facts(*parts: tuple[Array, dict[str, Any]]) -> pd.DataFrame:
    """One table of several kinds of facts: of each, the rows of its columns that its mask selects."""

    def column(name: str) -> Array:
        chosen = np.concatenate([np.broadcast_to(columns[name], rows.shape)[rows] for rows, columns in parts])
        return chosen.astype("M8[s]") if chosen.dtype.kind == "M" else chosen

    table = pd.DataFrame({name: column(name) for name in parts[0][1]})
    return table.assign(recorded_at=_utc(table["recorded_at"].to_numpy()))


# --- time ------------------------------------------------------------------------------------------------------------


def _add_months(days: Array, count: Any) -> Array:
    """The same day of a later month, or that month's last day: the rule of PostgreSQL's intervals."""
    month = days.astype("M8[M]")
    later = month + count
    length = (later + 1).astype("M8[D]") - later.astype("M8[D]")
    return np.asarray(later.astype("M8[D]") + np.minimum(days - month.astype("M8[D]"), length - 1))


def _seconds(days: Any) -> Any:
    return np.asarray(days).astype("M8[s]").astype(np.int64)


def _utc(seconds: Array) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(seconds.astype("M8[s]").astype("M8[us]"), tz="UTC")
