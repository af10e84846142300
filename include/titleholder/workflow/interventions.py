"""What people order besides a retrain: a rollback, or that a model has no champion; and an alias that is set right.

Each is written to the ledger first and to the registry second, and is safe to repeat, as the steps of a retrain are.
"""

from __future__ import annotations

import logging

from titleholder.ledger.decision import Decision
from titleholder.plain_text import typed
from titleholder.registry.client import registry_at
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import DECLINE
from titleholder.workflow import approval, publication
from titleholder.workflow.payloads import ApprovalRequest, RollbackOrder
from titleholder.workflow.promotion import follow_head
from titleholder.workflow.rollback import pinned, roll_back, withdraw

log = logging.getLogger(__name__)


def order_rollback(
    model: str, order: RollbackOrder, *, settings: Settings, spec: ModelSpec | None = None
) -> RollbackOrder:
    """The order with the versions that it means now, and the people who may approve it, before they are asked.

    Raises:
        UsageError: for a version that cannot come back, naming those that can.
    """
    return pinned(model, spec, order, settings.ledger_url)


def ask_to_roll_back(spec: ModelSpec, order: RollbackOrder, *, settings: Settings) -> ApprovalRequest | None:
    """What people are to be asked about a rollback; None where they need not be."""
    return approval.request_rollback(spec, order, registry_at(settings.tracking_uri), settings.ledger_url)


def rollback(model: str, order: RollbackOrder, *, settings: Settings, spec: ModelSpec | None = None) -> Decision:
    """Give the live alias back to a version that once was champion: in the ledger first, then in the registry.

    `spec` says who must approve; where it cannot be read (None), that of the newest live run does. Where people
    said no, the decision is that the rollback was declined.

    Raises:
        UsageError: for a version that cannot come back, naming those that can, and where people must be asked first;
            nothing was changed then.
    """
    registry = registry_at(settings.tracking_uri)
    decision = roll_back(model, spec, order, settings.ledger_url)
    follow_head(model, settings=settings, registry=registry)
    log.info("%s: %s", model, decision.reason)
    if decision.kind == DECLINE:
        return decision
    for version, verdict in ((decision.champion_before, "rolled back"), (decision.champion_after, "reinstated")):
        if version is not None:
            registry.models.set_tags(model, version, publication.decision_tags(decision, verdict))
    return decision


def retire(model: str, reason: str, actor: str, *, settings: Settings) -> Decision:
    """Leave a model without a champion: in the ledger first, then without the alias. Its spec may be gone.

    Raises:
        UsageError: where there is no live champion; nothing was changed then.
    """
    registry = registry_at(settings.tracking_uri)
    decision = withdraw(model, typed("the reason", reason), actor, settings.ledger_url)
    follow_head(model, settings=settings, registry=registry)
    if decision.champion_before is not None:
        registry.models.set_tags(model, decision.champion_before, publication.decision_tags(decision, "retired"))
    log.info("%s: %s", model, decision.reason)
    return decision


def reconcile(model: str, *, settings: Settings) -> bool:
    """Let the alias follow the ledger's live head; returns whether it had to be moved."""
    return follow_head(model, settings=settings, registry=registry_at(settings.tracking_uri))
