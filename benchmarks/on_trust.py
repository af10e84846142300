"""How often `check` warns of a column on trust: honest ones, and ones that are overwritten after the event.

`python benchmarks/on_trust.py loans.parquet`, with the file of loans of docs/add-a-model.md. The loans are looked at as
of twelve quarters, with all columns on trust. Columns that are overwritten in place are made from how each loan went
on: as they stood at the as-of date, or a year later. The simulated lender of `make demo` has honest columns only.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from dateutil.relativedelta import relativedelta
from loan_models import World, loans, simulated
from tables import share, table

from titleholder.spec.model import ModelSpec
from titleholder.spec.source import TableHistory
from titleholder.workflow.on_trust import strong_features

FIRST = {"demo_default": date(2022, 10, 1), "lending_club_default": date(2010, 1, 1)}
MATURITY = {"demo_default": 6, "lending_club_default": 18}


def trusting(spec: ModelSpec, overwritten: tuple[str, ...] = ()) -> ModelSpec:
    """The spec with all features on trust, and some more."""
    numeric = (*spec.columns.numeric, *(c for c in overwritten if not c.startswith("status")))
    categorical = (*spec.columns.categorical, *(c for c in overwritten if c.startswith("status")))
    columns = spec.columns.model_copy(update={"numeric": numeric, "categorical": categorical})
    history = TableHistory(known_at="at", changes=("outcome",), on_trust=(*numeric, *categorical))
    source = spec.source.model_copy(update={"tables": {"t": history}})
    return spec.model_copy(update={"columns": columns, "source": source})


def overwritten(raw: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """What a table of loans that is overwritten in place says at some time, beside what was known at application."""
    last = raw["last_pymnt_d"].fillna(raw["issue_d"])
    bad = raw["loan_status"].str.endswith("Charged Off")
    lasted = ((last - raw["issue_d"]).dt.days / 30.44).clip(lower=1)
    age = (at - raw["issue_d"]).dt.days / 30.44
    paid = (age / lasted).clip(0, 1)
    lost, ended = bad & (last + pd.Timedelta(days=150) <= at), last <= at
    balance = raw["loan_amnt"] - raw["total_rec_prncp"] * paid
    return pd.DataFrame(
        {
            "balance": balance,
            "balance_zero_once_lost": balance.mask(lost, 0.0),
            "paid_so_far": raw["total_pymnt"] * paid,
            "payments_so_far": np.floor(np.minimum(age, lasted)),
            "last_payment": raw["last_pymnt_amnt"].where(ended, raw["installment"]),
            "late_fees_so_far": raw["total_rec_late_fee"] * paid,
            "status": np.select([lost, ended & ~bad, ended], ["lost", "repaid", "late"], "current"),
            "status_open_or_closed": np.where(ended, "closed", "open"),
        }
    )


def window(world: World, as_of: date, spec: ModelSpec) -> pd.DataFrame:
    matured = as_of - relativedelta(months=MATURITY[spec.name])
    train = 24 if spec.name.startswith("lending") else 12
    return world.within(matured - relativedelta(months=train + 3), matured)


def warned_of(
    world: World, spec: ModelSpec, raw: pd.DataFrame | None, later: int = 0
) -> Iterator[tuple[int, set[str]]]:
    """For each as-of date the rows and the features that are warned of; of loans as they stood so many months later."""
    for quarter in range(12):
        as_of = FIRST[spec.name] + relativedelta(months=3 * quarter)
        rows = window(world, as_of, spec)
        if raw is not None:
            at = pd.Timestamp(as_of) + pd.DateOffset(months=later)
            rows = rows.assign(**overwritten(raw.loc[rows.index], at))
        found = strong_features(spec, rows)
        yield len(rows), set(found.features) if found else set()


def line(what: str, spec: ModelSpec, found: list[tuple[int, set[str]]], *, leaky: bool = False) -> list[object]:
    """How many honest columns were warned of, and each overwritten one."""
    times = Counter(name for _, names in found for name in names)
    honest = [name for name in spec.columns.features if name not in OVERWRITTEN]
    alarms = share([name in names for _, names in found for name in honest])
    sizes = [rows for rows, _ in found]
    shown = [f"{times[name]} of {len(found)}" if leaky else "" for name in OVERWRITTEN]
    return [what, f"{min(sizes):,} to {max(sizes):,}", len(honest) * len(found), alarms, *shown]


OVERWRITTEN = (
    "status", "balance", "balance_zero_once_lost", "paid_so_far", "payments_so_far", "status_open_or_closed",
    "last_payment", "late_fees_so_far",
)  # fmt: skip


def lines(path: str | None) -> Iterator[list[object]]:
    """The simulated lenders, then the loans of a file."""
    for size in (30, 100, 300, 1_000):
        worlds = [simulated(size, 100 + seed) for seed in range(4)]
        spec = trusting(worlds[0].spec)
        found = [each for world in worlds for each in warned_of(world, spec, None)]
        yield line(f"4 simulated lenders, {size:,} a month", spec, found)
    if path:
        world, raw = loans(Path(path)), pd.read_parquet(path).sort_values("issue_d", ignore_index=True)
        spec = trusting(world.spec, OVERWRITTEN)
        for later, what in ((0, "then"), (12, "a year later")):
            found = list(warned_of(world, spec, raw, later))
            yield line(f"public loans as they stood {what}", spec, found, leaky=True)


if __name__ == "__main__":
    table(
        "Columns on trust that `check` warns of (± one standard error)",
        ["rows", "rows of a date", "honest columns", "warned of", *OVERWRITTEN],
        lines(sys.argv[1] if len(sys.argv) > 1 else None),
    )
