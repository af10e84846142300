"""How often a model runs: whether its cron can be a schedule, and what its periods are called (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice, pairwise
from typing import Annotated, Literal, NamedTuple

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, Field

Noun = Literal["day", "week", "month", "quarter", "year", "run"]
GAPS: dict[Noun, range] = {
    "day": range(1, 2), "week": range(7, 8), "month": range(28, 36), "quarter": range(84, 99), "year": range(364, 372)
}  # fmt: skip
"""Days from one tick to the next; first Mondays of months are four or five weeks apart."""
LABELS: dict[Noun, str] = {"month": "%Y-%m", "quarter": "%Y-%m", "year": "%Y"}
"""The shortest date that tells two ticks apart; all of it where none is named."""
START = datetime(2024, 1, 1, tzinfo=UTC)
TICKS = 40
ALIASES = ("@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
VALID = "valid are five fields (minute hour day month weekday) in UTC, such as '0 6 1 * *', or " + ", ".join(ALIASES)
FIELDS = 5
LONGEST = 100
"""Characters of a schedule."""


class Cadence(NamedTuple):
    """The period from one run of a model to the next, by its name: `run` where runs are not evenly spaced.

    >>> Cadence("week").many(30), Cadence("month").many(1), Cadence("day").age(date(2024, 5, 1), date(2024, 5, 11))
    ('30 weeks', '1 month', '10 days')
    """

    noun: Noun

    @property
    def plural(self) -> str:
        """`weeks`."""
        return f"{self.noun}s"

    def many(self, n: int) -> str:
        """`30 weeks`."""
        return f"{n:,} {self.noun if n == 1 else self.plural}"

    def label(self, day: date) -> str:
        """The date of a tick, as short as tells it from others: `2024-05`, of a daily or weekly model `2024-05-01`."""
        return f"{day:{LABELS.get(self.noun, '%Y-%m-%d')}}"

    def age(self, since: date, today: date) -> str:
        """How many periods have begun since a date; of uneven runs, days, and months from sixty days on."""
        days, months = (today - since).days, 12 * (today.year - since.year) + today.month - since.month
        noun = self.noun if self.noun != "run" else "day" if days < 60 else "month"
        counts: dict[str, int] = {
            "day": days, "week": days // 7, "month": months, "quarter": months // 3, "year": today.year - since.year
        }  # fmt: skip
        return Cadence(noun).many(max(0, counts[noun]))


@lru_cache
def cadence(schedule: str | None) -> Cadence:
    """That of a valid cron; `run` without one, and for any other text: that of a ledger's row may be of anybody.

    >>> [cadence(cron).noun for cron in ("@daily", "0 6 * * 1", "@monthly", "0 6 1 */3 *", "0 6 1,15 * *", None)]
    ['day', 'week', 'month', 'quarter', 'run', 'run']
    """
    if schedule is None or len(schedule) > LONGEST or fault(schedule):
        return Cadence("run")
    days = [tick.date() for tick in islice(_ticks(schedule), TICKS)]
    gaps = {(later - earlier).days for earlier, later in pairwise(days)}
    return Cadence(next((noun for noun, valid in GAPS.items() if gaps <= set(valid)), "run"))


def fault(schedule: str) -> str:
    """Why this cannot be a schedule, and what is valid; empty where it can.

    >>> fault("@monthly"), fault("0 0 31 2 *").partition(";")[0]
    ('', 'never fires: there is no such day')
    """
    fields = schedule.split()
    if "=" in schedule:
        return f"names a time zone, but schedules are in UTC; {VALID}"
    if len(fields) > FIELDS:
        return f"has {len(fields)} fields, but seconds and years are not understood; {VALID}"
    if not croniter.is_valid(schedule) or any(field[0] in "rRhH" and field[1:2] in ("", "(", "/") for field in fields):
        return f"is no cron expression; {VALID}"
    minutes, hours = croniter.expand(schedule)[0][:2]
    if "*" in (*minutes, *hours) or len(minutes) * len(hours) > 1:
        return (
            "fires more than once a day, but an as-of date is a day: a second run on the same day would use the same "
            f"data; {VALID}"
        )
    return "" if next(_ticks(schedule), None) else f"never fires: there is no such day; {VALID}"


def _possible(schedule: str) -> str:
    if why := fault(schedule):
        raise ValueError(f"the schedule {why}, or null")
    return schedule


Schedule = Annotated[str, Field(max_length=LONGEST), AfterValidator(_possible)]
"""The type of a key of a spec: a cron that can be a schedule."""


def _ticks(schedule: str) -> Iterator[datetime]:
    try:
        yield from croniter(schedule, START).all_next(datetime)
    except CroniterBadDateError:
        return
