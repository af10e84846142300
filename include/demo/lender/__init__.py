"""A simulated lender: its loans, payments and losses, and when it recorded each of them.

Everything is a pure function of the arguments. The calendar drives the world (mix of applicants, economy, seasons), the
seed its slow drift, and each month draws from a random stream of its own, so a lender simulated a month later has the
same past: history only grows. Amounts are in the lender's currency, probabilities and rates are fractions, times UTC.

`books` puts the tables together, `population` makes the applicants, `risk` says how likely each defaults, `drift` how
that changes slowly, `economy` what moves everybody (seasons, shocks, unemployment), `outcomes` what becomes of a loan,
and `records` when the lender learns of it. docs/demo.md says where the assumptions come from.
"""

from demo.lender.books import Lender, fingerprint, simulate

__all__ = ["Lender", "fingerprint", "simulate"]
