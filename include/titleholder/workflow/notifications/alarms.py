"""Messages about a champion in use: new alarms, and outcomes that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from titleholder.spec.types import LIVE
from titleholder.workflow.notifications.message import Message, compose


def alarm_message(look: Mapping[str, Any], owner: str, links: Mapping[str, str]) -> Message | None:
    """The message about a look at a champion in use, of the lane live: about new alarms, else about outcomes that could
    not be read of more months than in the look before; None where there is neither.

    `look` has id, model, lane, as_of, version, new_alarms, newly_without, said (the reason for the state), asks_retrain
    and ask_reason.
    """
    if look["lane"] != LIVE or not (look["new_alarms"] or look["newly_without"]):
        return None
    if not look["new_alarms"]:
        return _without_outcomes(look, owner, links)
    names = ", ".join(look["new_alarms"])
    asks = look["asks_retrain"]
    return compose(
        f"{look['model']}: the monitor of version {look['version']} raises an alarm: {names}",
        f"Something has changed for version {look['version']} of {look['model']}, the champion in use.",
        {
            "Why": look["said"],
            "As of": look["as_of"],
            "Retrain": "asked for; a new version takes over only if it is better" if asks else look["ask_reason"],
            "Owner": owner,
            "What to do": f"`titleholder monitor {look['model']}` has the numbers. A feature that changed at once was "
            "often broken where the scoring query reads it: look there first.",
        },
        links,
    )


def _without_outcomes(look: Mapping[str, Any], owner: str, links: Mapping[str, str]) -> Message:
    return compose(
        f"{look['model']}: the monitor of version {look['version']} has no outcomes",
        f"Whether version {look['version']} of {look['model']}, the champion in use, keeps its promise is not known.",
        {
            "Why": look["said"],
            "As of": look["as_of"],
            "Owner": owner,
            "What to do": "correct the training query or its source: the next look judges the months that are missing. "
            "Drift of features and score is watched meanwhile.",
        },
        links,
    )
