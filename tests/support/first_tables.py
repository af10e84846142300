"""Made-up tables of different trades, for the tests of `titleholder new` and `titleholder check`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import create_engine

from support import tables


def loans(n: int = 6_000) -> pd.DataFrame:
    """Small loans over four years, append-only: a row is written when its outcome is known, six months later."""
    rng = np.random.default_rng(1)
    applied = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, 1_460, n)), unit="D")
    score, income = rng.normal(650, 60, n), rng.lognormal(10, 0.4, n)
    bad = rng.uniform(size=n) < 1 / (1 + np.exp((score - 540) / 50))
    return pd.DataFrame(
        {
            "loan_id": np.arange(n) + 10_001,
            "applied_at": applied,
            "recorded_at": applied + pd.to_timedelta(rng.uniform(150, 180, n), unit="D"),
            "amount": rng.integers(1, 100, n) * 500,
            "income": income.round(2),
            "bureau_score": np.where(rng.uniform(size=n) < 0.05, np.nan, score.round()),
            "purpose": rng.choice(["car", "home", "other"], n),
            "gender": rng.choice(["f", "m"], n),
            "officer_note": [f"note {i} of the officer" for i in range(n)],
            "currency": "EUR",
            "monthly_income_text": np.where(rng.uniform(size=n) < 0.001, "oops", (income / 12).round(2).astype(str)),
            "recovered": np.where(bad, rng.uniform(10, 99, n), np.nan),
            "defaulted": bad,
        }
    )


def bikes(days: int = 700) -> pd.DataFrame:
    """Hourly demand for bicycles, without an id, and with two columns that add up to the outcome."""
    rng = np.random.default_rng(2)
    hours = pd.date_range("2023-01-01", periods=24 * days, freq="h")
    temperature = 15 + 10 * np.sin(np.arange(len(hours)) / 24 / 365 * 2 * np.pi) + rng.normal(0, 3, len(hours))
    registered = rng.poisson(np.clip(40 + 6 * temperature + 80 * np.isin(hours.hour, [8, 17, 18]), 1, None))
    casual = rng.poisson(np.clip(5 + 2 * temperature, 1, None))
    return pd.DataFrame(
        {
            "datetime": hours,
            "hour": hours.hour,
            "working_day": (hours.dayofweek < 5).astype(int),
            "temp": temperature.round(1),
            "weather": rng.choice(["clear", "mist", "rain"], len(hours)),
            "casual": casual,
            "registered": registered,
            "count": casual + registered,
        }
    )


def flights(days: int = 42, per_day: int = 250) -> pd.DataFrame:
    """Six weeks of flights, with capitals and spaces in the names, and no column that tells rows apart."""
    rng = np.random.default_rng(3)
    n = days * per_day
    day = pd.Timestamp("2026-09-01") + pd.to_timedelta(np.sort(rng.integers(0, days, n)), unit="D")
    busy = rng.uniform(size=n)
    delay = np.where(rng.uniform(size=n) < 0.2 + 0.3 * busy, rng.exponential(40, n), rng.normal(-3, 5, n))
    return pd.DataFrame(
        {
            "FL_DATE": day.date,
            "Carrier": rng.choice(["AA", "DL", "UA"], n),
            "Origin Airport": rng.choice([f"A{i:02d}" for i in range(40)], n),
            "TailNum": [f"N{i:05d}" for i in rng.integers(0, 5_000, n)],
            "Distance": rng.integers(100, 2_500, n),
            "Busy": busy.round(3),
            "Delayed": np.where(delay > 15, "Y", "N"),
        }
    )


def sales(weeks: int = 60, shops: int = 40) -> pd.DataFrame:
    """Weekly sales of shops, dates and numbers as text."""
    rng = np.random.default_rng(4)
    week = np.repeat(np.arange(weeks), shops)
    size = np.tile(rng.uniform(1, 5, shops), weeks)
    day = pd.Timestamp("2025-07-07") + pd.to_timedelta(7 * week, unit="D")
    return pd.DataFrame(
        {
            "shop": np.tile([f"shop {i}" for i in range(shops)], weeks),
            "week": day.strftime("%Y-%m-%d"),
            "price": rng.uniform(1, 9, len(week)).round(2).astype(str),
            "promotion": rng.uniform(size=len(week)) < 0.2,
            "units": (rng.poisson(20 * size) + rng.integers(0, 9, len(week))).astype(int),
        }
    )


def shop_days(days: int = 700, shops: int = 10) -> pd.DataFrame:
    """Daily sales of shops over two years, with a serial number."""
    rng = np.random.default_rng(6)
    n = days * shops
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.repeat(np.arange(days), shops), unit="D")
    promotion = rng.uniform(size=n) < 0.2
    return pd.DataFrame(
        {
            "id": np.arange(n) + 1,
            "day": day.date,
            "shop": np.tile([f"shop {i}" for i in range(shops)], days),
            "promotion": promotion,
            "units": rng.poisson(30 + 15 * promotion),
        }
    )


def small_business(n: int = 3_000) -> pd.DataFrame:
    """Loans as an agency publishes them: dates as 28-Feb-97, amounts as $60,000.00, blanks for nothing."""
    rng = np.random.default_rng(5)
    approved = pd.Timestamp("1997-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 2_000, n)), unit="D")
    amount, jobs = rng.integers(5, 500, n) * 1_000, rng.integers(1, 60, n)
    lost = rng.uniform(size=n) < 0.1 + 0.2 * (jobs < 10)
    ended = approved + pd.to_timedelta(rng.integers(200, 700, n), unit="D")
    return pd.DataFrame(
        {
            "LoanNr": np.arange(n) + 1_000_014_003,
            "City": [f"city {i}" for i in rng.integers(0, 900, n)],
            "State": rng.choice(["CA", "NY", "TX", ""], n),
            "ApprovalDate": approved.strftime("%d-%b-%y"),
            "ChgOffDate": np.where(lost, ended.strftime("%d-%b-%y"), ""),
            "NoEmp": jobs,
            "RevLineCr": np.where(rng.uniform(size=n) < 0.5, "Y", "N"),
            "GrAppv": [f"${x:,.2f} " for x in amount],
            "ChgOffPrinGr": [f"${x:,.2f} " for x in np.where(lost, amount // 2, 0)],
            "MIS_Status": np.where(lost, "CHGOFF", np.where(rng.uniform(size=n) < 0.01, "", "P I F")),
        }
    )


def loan_book(n: int = 5_000) -> pd.DataFrame:
    """Loans of two years, one row each, overwritten until today: four columns are as of now, `score` is not."""
    rng = np.random.default_rng(8)
    opened = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 1_460, n)), unit="D")
    age = np.asarray((pd.Timestamp("2024-01-01") - opened).days)
    score, amount = rng.normal(650, 60, n), rng.integers(1, 100, n) * 500
    bad = rng.uniform(size=n) < 0.15 / (1 + np.exp((score - 600) / 40)) + 0.05
    lasted = np.where(bad, rng.integers(30, 180, n), rng.integers(300, 730, n))
    ended = age >= lasted
    paid = np.minimum(age, lasted) / 730
    return pd.DataFrame(
        {
            "loan_id": np.arange(n) + 1,
            "opened_on": opened.date,
            "amount": amount,
            "score": score.round(),
            "Balance": np.where(ended & ~bad, 0, amount * (1 - paid)).round(2),
            "progress": np.where(ended & ~bad, 1, paid).round(3),
            "closed_on": pd.Series(opened + pd.to_timedelta(lasted, unit="D")).where(ended).dt.date,
            "bad": bad & ended,
        }
    )


def parcels(days: int = 120, per_day: int = 60) -> pd.DataFrame:
    """Parcels of four months; the last ones are still on their way, and have neither a time nor hours."""
    rng = np.random.default_rng(9)
    n = days * per_day
    ordered = pd.Timestamp("2026-06-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, days, n)), unit="D")
    distance = rng.integers(5, 900, n)
    hours = 20 + distance / 20 + rng.exponential(20, n)
    delivered = pd.Series(ordered + pd.to_timedelta(hours, unit="h")).where(
        lambda at: at < pd.Timestamp("2026-06-01", tz="UTC") + pd.Timedelta(days=days)
    )
    return pd.DataFrame(
        {
            "parcel_id": np.arange(n) + 1,
            "ordered_at": ordered,
            "delivered_at": delivered,
            "distance": distance,
            "service": rng.choice(["plain", "express"], n),
            "hours": np.where(delivered.notna(), hours.round(1), np.nan),
        }
    )


def panel(customers: int = 250, months: int = 30) -> pd.DataFrame:
    """A row of each customer at the begin of each month, recorded once it is known who has left in it."""
    rng = np.random.default_rng(11)
    month = np.repeat(pd.date_range("2023-01-01", periods=months, freq="MS", tz="UTC"), customers)
    used = rng.normal(10, 3, customers * months)
    return pd.DataFrame(
        {
            "month": month,
            "customer_id": [f"{i:05d}" for i in np.tile(np.arange(customers), months)],
            "gb_used": used.round(2),
            "tariff": rng.choice(["prepaid", "contract"], customers * months),
            "recorded_at": month + pd.Timedelta(days=31),
            "churned": rng.uniform(size=customers * months) < 1 / (1 + np.exp((used - 2) / 3)),
        }
    )


def german_book(n: int = 4_000) -> pd.DataFrame:
    """Loans of four years in German, all of it text: no word of the names or values tells an outcome or its date."""
    rng = np.random.default_rng(10)
    paid_out = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 1_460, n)), unit="D")
    trade = rng.choice(["0742", "5411", "5812"], n, p=[0.2, 0.4, 0.4])
    fell = rng.uniform(size=n) < np.where(trade == "0742", 0.3, 0.1)
    reported = pd.Series(paid_out + pd.to_timedelta(rng.uniform(20, 115, n), unit="D")).dt.strftime("%d.%m.%Y")
    return pd.DataFrame(
        {
            "Kreditnr": [f"{i:06d}" for i in range(n)],
            "Auszahlung": paid_out.strftime("%d.%m.%Y %H:%M"),
            "Branche": trade,
            "Konto": [f"{x:019d}" for x in rng.integers(10**16, 10**17, n // 2).repeat(2)],
            "Gewicht": [f"{x / 1000:,.3f}".replace(".", ",") for x in rng.integers(1_000, 9_999, n)],
            "Meldung": reported.where(fell, ""),
            "Ausgefallen": np.where(fell, "ja", "nein"),
        }
    )


def payments(n: int = 8_000) -> pd.DataFrame:
    """Half a year of card payments: only what was fraud has a report, some weeks later."""
    rng = np.random.default_rng(12)
    paid = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, 180, n)), unit="D")
    amount = rng.lognormal(3, 1, n).round(2)
    fraud = rng.uniform(size=n) < 0.05 * np.minimum(np.sqrt(amount / 20), 3)
    reported = pd.Series(paid + pd.to_timedelta(rng.uniform(1, 40, n), unit="D"))
    return pd.DataFrame(
        {
            "payment_id": np.arange(n),
            "paid_on": paid,
            "amount": amount,
            "channel": rng.choice(["web", "shop"], n),
            "is_fraud": fraud,
            "reported_at": reported.where(fraud),
        }
    )


def claims(n: int = 6_000) -> pd.DataFrame:
    """Insurance claims in German; a claim has no costs before it is closed, and those of the last months are open."""
    rng = np.random.default_rng(14)
    reported = pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, 1_400, n)), unit="D")
    closed = reported + pd.to_timedelta(rng.uniform(5, 80, n), unit="D")
    done = pd.Series(closed < reported.max())
    age, area = rng.integers(18, 90, n), rng.uniform(20, 200, n)
    return pd.DataFrame(
        {
            "vorgang": np.arange(n) + 70_001,
            "gemeldet_am": reported,
            "alter": age,
            "flaeche": area.round(1),
            "art": rng.choice(["Wasser", "Feuer", "Sturm"], n),
            "reguliert_am": pd.Series(closed).where(done),
            "kosten": (200 + 12 * area + 3 * age + rng.exponential(900, n)).round(2),
        }
    ).assign(kosten=lambda t: t["kosten"].where(done))


def fill(url: str, name: str, frame: pd.DataFrame, key: str = "") -> None:
    """Make a table in the schema `firsts`, in place of one that is there."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS firsts")
        connection.exec_driver_sql(f'DROP TABLE IF EXISTS firsts."{name}" CASCADE')
        tables.write(frame, connection, name, "firsts")
        if key:
            connection.exec_driver_sql(f'ALTER TABLE firsts."{name}" ADD PRIMARY KEY ("{key}")')
    engine.dispose()
