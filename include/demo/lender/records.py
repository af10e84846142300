"""What the lender writes down, and when: payments, missed payments and ends of loans, late and with corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from demo.lender.calendar import DAY, Array, seconds, utc
from demo.lender.outcomes import NEVER, Loans
from demo.lender.population import Random, named

STATUSES = ["repaid", "defaulted", "recovered", "reversed"]
GRACE_DAYS, DEFAULT_DAYS = 6, 45  # past due: noted as missed; called in


def instalments(rng: Random, loans: Loans) -> pd.DataFrame:
    """Payments and missed payments as they are recorded; some are corrected later (a wrong account, a bounce)."""
    owed, shape = loans.cents > 0, loans.due.shape
    number = np.broadcast_to(np.arange(1, shape[1] + 1), shape)
    unpaid = owed & np.isnat(loans.paid)
    late = owed & (loans.paid > loans.due + GRACE_DAYS)
    misposted = owed & ~unpaid & ~late & (rng.random(shape) < 0.005)
    bounced = (number == loans.missed[:, None]) & (rng.random(shape) < 0.08)
    noted_at = seconds(loans.due) + (GRACE_DAYS + 1) * DAY + rng.integers(0, DAY, shape)
    paid_at = seconds(np.where(unpaid, loans.due, loans.paid)) + (1 + late) * DAY + rng.integers(0, 2 * DAY, shape)
    corrected_at = noted_at + rng.integers(14 * DAY, 90 * DAY, shape)
    same = {"application_id": loans.ids[:, None], "number": number, "due_on": loans.due, "amount": loans.cents / 100}
    return _facts(
        (bounced, {**same, "paid_on": loans.due, "recorded_at": paid_at}),
        (unpaid | late | misposted, {**same, "paid_on": np.datetime64("NaT", "D"), "recorded_at": noted_at}),
        (owed & ~unpaid, {**same, "paid_on": loans.paid, "recorded_at": np.where(misposted, corrected_at, paid_at)}),
    )


def endings(rng: Random, loans: Loans) -> pd.DataFrame:
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
    settled_at = seconds(settled_on) + DAY + rng.integers(0, 6 * DAY, size)
    called_at = seconds(called_on) + DAY + rng.gamma(2, 5 * DAY, size).astype(int)
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
    return table.assign(status=named(table["status"].to_numpy(), STATUSES))


def _facts(*parts: tuple[Array, dict[str, Any]]) -> pd.DataFrame:
    """One table of several kinds of facts: of each, the rows of its columns that its mask selects."""

    def column(name: str) -> Array:
        chosen = np.concatenate([np.broadcast_to(columns[name], rows.shape)[rows] for rows, columns in parts])
        return chosen.astype("M8[s]") if chosen.dtype.kind == "M" else chosen

    table = pd.DataFrame({name: column(name) for name in parts[0][1]})
    return table.assign(recorded_at=utc(table["recorded_at"].to_numpy()))
