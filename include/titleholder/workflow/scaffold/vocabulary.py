"""The words by which a column's role is guessed."""

from __future__ import annotations

import re


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVENT_WORDS = _set(
    "applied application approval approved booked departed departure event granted happened issue issued "
    "occurred opened order ordered origination originated purchase purchased requested signup start started "
    "submitted transaction"
)
TIME_WORDS = _set("at date datetime day dt hour month on time timestamp week")
RECORD_WORDS = _set("etl extracted ingested inserted known load loaded recorded reported synced")
UPDATE_WORDS = _set("changed modified updated")
END_WORDS = _set(
    "arrival arrived cancelled charged chargeoff chg chgoff churned closed completed default defaulted delivered ended "
    "finished paid repaid resolved returned settled"
)
CLASS_WORDS = _set(
    "bad canceled cancelled chargeoff charged churn churned claim claimed clicked converted default defaulted "
    "delayed fraud label late lost outcome result returned status target won y"
)
AMOUNT_WORDS = _set("cnt consumption count demand label outcome quantity sales target units y")
COUNT_WORDS = _set("bookings passengers rentals rented sold")
"""Of an outcome too, where no other name tells one."""
CALENDAR_WORDS = _set("dayofweek dow hour month quarter weekday")
AFTER_WORDS = END_WORDS | _set(
    "actual arr elapsed outstanding payments pymnt rec recovered recoveries recovery refund settlement"
)
OVERWRITTEN_WORDS = _set("arrears balance dpd inventory latest left overdue remaining stock")
"""Of what is often as of now, whenever the event was."""
COMMON_WORDS = _set(
    "account amount amt code count customer date day flag flight id is loan month name no number of order rate shop "
    "status store the time total week year"
)
PROTECTED_WORDS = _set("ethnicity gender nationality race religion sex")
EVENT_VALUE = re.compile(
    r"(?!no\b|not\b|non)(.*\b(charged? ?off|chgoff|default(ed)?|bad|late|delayed|churn(ed)?|fraud|cancell?ed|lost)\b"
    r"|(yes|true|y|t|1)$)",
    re.IGNORECASE,
)
"""Texts that name the event of a classification."""
