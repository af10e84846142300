"""Lanes other than live, as a whole: archived (hidden from lists) or deleted (its models and runs are gone).

The decisions of a lane stay in the ledger in any case, and a record beside them says who did what, when and why.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from titleholder.errors import UsageError
from titleholder.ledger import lane_records, store
from titleholder.plain_text import typed
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.types import LIVE

log = logging.getLogger(__name__)


class Deletion(NamedTuple):
    """How many versions and runs were deleted, and the versions that stay because they are in use elsewhere."""

    versions: int
    runs: int
    kept: tuple[int, ...]


def archive(model: str, lane: str, reason: str, actor: str, *, settings: Settings) -> None:
    """Hide a lane from lists until something is decided in it again.

    Raises:
        UsageError: for the live lane, one without decisions, or one that was deleted.
    """
    url = settings.ledger_url
    _require(model, lane, url)
    refuse_deleted(model, lane, url)
    lane_records.add(url, model, lane, "archive", actor, typed("the reason", reason))


def delete(model: str, lane: str, reason: str, actor: str, *, settings: Settings) -> Deletion:
    """Delete the model versions and runs of a lane from MLflow: the record first, so that no run begins meanwhile.

    The ledger says which these are, not their tags. What a decision of another lane rests on stays, and so does a
    version with an alias, or one about which nothing was decided. A second try deletes what the first one left.

    Raises:
        UsageError: for the live lane, or one without decisions.
    """
    url, registry = settings.ledger_url, Registry(settings.tracking_uri)
    _require(model, lane, url)
    known = lane_records.newest(url, model).get(lane)
    if known is None or known.kind != "delete":
        lane_records.add(url, model, lane, "delete", actor, typed("the reason", reason))
    lanes = {name: found.versions for name, found in store.references(url, model).items()}
    own = lanes.pop(lane, {})
    others = [used for of_lane in lanes.values() for used in of_lane.items()]
    deleted, kept = registry.models.delete(model, own.keys(), keep={version for version, _ in others})
    used = {*kept.values()}.union(*(runs for _, runs in others), *(own[version] for version in kept))
    gone = registry.runs.delete(model, set().union(*own.values()), keep=used)
    log.info("%s, lane %s: %d versions and %d runs deleted", model, lane, deleted, gone)
    return Deletion(deleted, gone, tuple(sorted(kept)))


def deleted(model: str, url: str) -> set[str]:
    """The lanes of a model that were deleted; never the live one."""
    return {lane for lane, known in lane_records.newest(url, model).items() if known.kind == "delete"} - {LIVE}


def refuse_deleted(model: str, lane: str, url: str) -> None:
    """Raise a UsageError for a lane that was deleted: its decisions stand in the ledger, and their models are gone."""
    known = lane_records.newest(url, model).get(lane)
    if known and known.kind == "delete":
        raise UsageError(f"{model}: lane {lane} was {known}. Its models are gone, and a new lane needs another name")


def _require(model: str, lane: str, url: str) -> None:
    if lane == LIVE:
        raise UsageError(f"{model}: the lane {LIVE} cannot be archived or deleted; `titleholder retire` ends its use")
    if lane not in (known := store.lanes(url, model)):
        others = ", ".join(name for name in known if name != LIVE) or "none"
        raise UsageError(f"{model}: no decisions in lane {lane}; lanes other than {LIVE}: {others}")
