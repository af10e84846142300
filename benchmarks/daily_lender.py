"""Months of the simulated lender in which nothing changes but what is meant to, and a model that scores every day.

Loans are drawn, with their outcomes, from two years of the lender, and recorded at once. What changes:

- the mix of applicants: one channel comes three times as often, and no more three months later;
- a unit, in the scoring query alone: the income is in thousands for four weeks;
- outcomes: half of the loans get that of another loan of their month; their features stay as they are.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from dateutil.relativedelta import relativedelta

from demo.lender import Lender, simulate
from titleholder.spec.loader import DEFAULT_FOLDER
from titleholder.spec.monitor import AskForRetrain

MODEL, BASE = "daily_default", "demo_default"
START, MONTHS, BEFORE = date(2023, 7, 1), 36, 21
"""Scored are the loans of so many months from `START` on. Twelve months before are trained on, then three judged on,
then six until these are final."""
END, SECOND = START + relativedelta(months=MONTHS), START + relativedelta(months=18)
RULE, BUREAU = AskForRetrain(), ("bureau_score", "utilisation")
SCORING = """
select application_id, applied_at, recorded_at as known_at, amount, term, prior_loans, bureau_score, utilisation,
       employment, channel, purpose, region, age_band,
       case when applied_at >= '{0.start}' and applied_at < '{0.end}' then income / 1000 else income end as income
from lender.applications
where applied_at >= :window_start and applied_at < :window_end and recorded_at <= :as_of
"""


class Span(NamedTuple):
    """What the loans of [start, end) have in common."""

    what: str
    start: date
    end: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.start <= day < self.end


def months_later(months: int) -> date:
    """So many months after `START`."""
    return START + relativedelta(months=months)


MIX = Span("one channel three times as often", months_later(3), months_later(6))
UNIT = Span("the income in thousands, when scoring", months_later(9), months_later(9) + timedelta(days=28))
CONCEPT = Span("half of the outcomes are another loan's", months_later(21), END)
SPANS = (
    Span("nothing", START, MIX.start),
    MIX,
    Span("nothing", MIX.end, UNIT.start),
    UNIT,
    Span("nothing", UNIT.end, SECOND),
    Span("version 2, with the credit bureau's columns", SECOND, CONCEPT.start),
    CONCEPT,
)


def history(per_month: int, seed: int) -> Lender:
    """The books of the months from `BEFORE` months before `START` until `END`, with `per_month` loans in each."""
    books = simulate(END, MONTHS + 12, per_month, seed=7)
    pool = books.applications
    pool = pool[pool["applied_at"] < pd.Timestamp(months_later(12), tz="UTC")].reset_index(drop=True)
    rng, months = np.random.default_rng(seed), [months_later(n) for n in range(-BEFORE, MONTHS)]
    made = [_month(day, pool, per_month, rng) for day in months]
    drawn, whose, moments = (np.concatenate(part) for part in zip(*made, strict=True))
    loans = pool.iloc[drawn].assign(
        application_id=np.arange(1, len(drawn) + 1), applied_at=moments, recorded_at=moments
    )
    for name in ("applied_at", "recorded_at"):
        loans[name] = loans[name].dt.tz_localize("UTC")
    origin = pool.iloc[whose].reset_index(drop=True)
    later = loans["applied_at"].reset_index(drop=True) - origin["applied_at"]
    links = pd.DataFrame({"ours": loans["application_id"].to_numpy(), "later": later})
    facts = links.assign(application_id=origin["application_id"]).merge(books.outcomes, on="application_id")
    facts = facts.assign(
        application_id=facts["ours"],
        occurred_on=(facts["occurred_on"] + facts["later"]).dt.floor("D"),
        recorded_at=facts["recorded_at"] + facts["later"],
    )
    facts = facts[facts["recorded_at"] < pd.Timestamp(END, tz="UTC")].sort_values("recorded_at", ignore_index=True)
    name = f"daily, per_month={per_month} seed={seed}"
    return Lender(loans, books.instalments.iloc[:0], facts[books.outcomes.columns], books.unemployment, name)


def _month(day: date, pool: pd.DataFrame, rows: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """The places in the pool of a month's loans, those whose outcomes they have, and when they are applied for."""
    weights = np.where((pool["channel"] == "partner") & (day in MIX), 3.0, 1.0)
    drawn = rng.choice(len(pool), rows, p=weights / weights.sum())
    whose = np.where((rng.random(rows) < 0.5) & (day in CONCEPT), rng.permutation(drawn), drawn)
    length = (day + relativedelta(months=1) - day).days * 86_400
    return drawn, whose, np.datetime64(day, "us") + np.sort(rng.integers(0, length, rows)) * np.timedelta64(1, "s")


def write_model(folder: Path, *, bureau: bool) -> None:
    """The shipped model with daily scoring and a monitor, with or without the columns of the credit bureau."""
    spec = yaml.safe_load((DEFAULT_FOLDER / f"{BASE}.yaml").read_text())
    query, scoring = (DEFAULT_FOLDER / f"{BASE}.sql").read_text(), SCORING.format(UNIT)
    del spec["training"]["candidates"]["boosting"]
    for column in () if bureau else BUREAU:
        spec["columns"]["numeric"].remove(column)
        query, scoring = query.replace(f"    loans.{column},\n", ""), scoring.replace(f" {column},", "")
    if bureau:  # whoever asks for scores has the new columns by now
        spec["judgement"]["checks"] = {"signature": {"severity": "warn"}}
    spec["source"]["query"], scoring_query = f"{MODEL}.sql", f"{MODEL}_scoring.sql"
    spec |= {
        "name": MODEL,
        "scoring": {"query": scoring_query, "window": "1 day", "schedule": "0 0 * * *"},
        "monitor": {"ask_for_retrain": {"cooldown": str(RULE.cooldown), "per_year": RULE.per_year}},
    }
    (folder / f"{MODEL}.sql").write_text(query)
    (folder / scoring_query).write_text(scoring)
    (folder / f"{MODEL}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
