"""This machine's clock against that of a server."""

from __future__ import annotations

from titleholder.workflow.doctor.report import Check, ok, warning, wrong

TOLERATED, GREATEST = 2.0, 60.0
"""Seconds from which a difference is worth a warning, and from which something will fail: Airflow's tokens and the
signatures of object stores are good for minutes."""


def compared(name: str, before: float, server: float, after: float) -> Check:
    """Seconds since 1970: of this machine, of the server, and of this machine when it had answered.

    >>> compared("clock", 10.0, 13.5, 11.0).found
    'the server is 2.5 s ahead'
    """
    apart = max(before - server, server - after, 0.0)
    found = f"the server is {apart:.1f} s {'ahead' if server > after else 'behind'}" if apart else "the same"
    remedy = "Let both machines follow a time server (NTP)"
    if apart > GREATEST:
        return wrong(name, found, remedy)
    return warning(name, found, remedy) if apart > TOLERATED else ok(name, found)
