"""What people are asked to approve, and by whom: a challenger, a former version that is recalled, or a rollback."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from titleholder import reports
from titleholder.ledger import reigns, rollbacks, store
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.plain_text import link
from titleholder.plain_text import markdown as text
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.spec.model import ModelSpec
from titleholder.spec.promotion import Person
from titleholder.spec.types import DECLINE, LIVE
from titleholder.workflow import decision_policy, model_card, publication
from titleholder.workflow.payloads import ApprovalRequest, ProposedDecision, RollbackOrder
from titleholder.workflow.promotion import champion_of, crowned, standing
from titleholder.workflow.scorer import Scorer

log = logging.getLogger(__name__)


def request(proposed: ProposedDecision, scorer: Scorer, url: str) -> ApprovalRequest | None:
    """What people are to be asked about a challenger or a former version; None where they need not be.

    A person's no stands for its Airflow run: who clears a run is not known to its tasks, and could ask until somebody
    says yes. Another run has a requester, who may not approve it.

    The model card is attached to the MLflow run first, so that they can read it. The task `report` replaces it once
    there is a decision.
    """
    snapshot = proposed.challenger.snapshot
    approval = snapshot.spec.promotion.approval
    if proposed.kind != "ask" or approval == "automatic":
        return None
    rows = store.read_lane(url, snapshot.model, snapshot.lane)
    decided = standing(rows, proposed.challenger.version, snapshot.spec)
    if any(r.id == decided and (r.changed or r.refused_in(snapshot.origin.airflow_run)) for r in rows):
        return None
    facts = model_card.proposed_facts(proposed, scorer.registry)
    asked = decision_policy.approvers(approval, snapshot.origin.actor, snapshot.origin.requesters)
    card = _attach_card(proposed, rows, scorer, url)
    links = publication.linked({"Model card": card, publication.AIRFLOW: snapshot.origin.url})
    parts = (links, only(asked), reports.markdown(facts, proposed.verdict))
    subject = reports.headline(facts, proposed.verdict)
    return ApprovalRequest(subject=subject, body="\n\n".join(filter(None, parts)), asked=asked, card=card)


def request_rollback(spec: ModelSpec, order: RollbackOrder, registry: Registry, url: str) -> ApprovalRequest | None:
    """What people are to be asked about a rollback, as `rollback.pinned` has it; None where they need not be."""
    if order.approvers is None or order.to is None:
        return None
    rows, leaving = store.read_lane(url, spec.name, LIVE), order.leaving
    if any(r.kind == DECLINE and r.refused_in(order.run) for r in rows):
        return None
    change = f"roll back version {leaving} to" if leaving else "end the retirement with"
    subject = f"{spec.name} (lane {LIVE}): approval requested to {change} version {order.to}"
    present = "There is no champion: the model was retired."
    if leaving:
        described = _described(rows, spec.name, leaving, registry)
        present = f"The champion is {described}. After a yes, only challengers trained on newer rows can win."
    again = ", which was rolled back itself" if order.to in rollbacks.barred(rows) else ""
    body = (
        f"## {text(subject)}",
        f"**Why:** {text(order.reason)}",
        only(order.approvers),
        f"- {present}",
        f"- Champion after a yes: {_described(rows, spec.name, order.to, registry)}{again}.",
        f"Model of {text(spec.owner)}; requested by {text(order.actor)}. No answer means no.",
    )
    return ApprovalRequest(subject=subject, body="\n\n".join(body), asked=order.approvers)


def _described(rows: Sequence[LaneEntry], model: str, version: int, registry: Registry) -> str:
    """A version with a link, its as-of date, and when it became champion last."""
    crowned_on = [r.created_at for r in rows if r.changed and r.champion_after == version]
    known = reigns.decision_on(rows, version)
    when = f", champion since {crowned_on[-1]:%Y-%m-%d}" if crowned_on and rows[-1].champion_after == version else ""
    if crowned_on and not when:
        when = f", champion from {crowned_on[-1]:%Y-%m-%d}"
    as_of = f" (as of {known.as_of}{when})" if known else ""
    return f"{link(f'version {version}', registry.models.url(model, version))}{as_of}"


def only(people: Sequence[Person]) -> str:
    """Who may answer, for a request's text: Airflow shows its buttons to everyone and refuses the others' answers."""
    named = ", ".join(text(person.name) for person in people)
    return f"**Only {named} can answer.** Airflow shows the buttons to everyone and refuses the answer of anybody else."


def _attach_card(proposed: ProposedDecision, rows: Sequence[LaneEntry], scorer: Scorer, url: str) -> str:
    """Draw the card of a proposal and attach it to its run; the address, or none where it could not be drawn.

    People are asked in either case: the request has every check and number, only no pictures.
    """
    reign, snapshot = proposed.verdict.champion, proposed.challenger.snapshot
    try:
        card = model_card.draw_proposed(proposed, champion_of(rows, reign, url), crowned(rows, reign, url), scorer)
    except Exception:
        log.exception("%s: people are asked without a model card: it could not be drawn", snapshot.model)
        return ""
    scorer.registry.runs.attach(snapshot.run_id, texts={names.CARD: card})
    return scorer.registry.runs.artifact_url(snapshot.run_id, names.CARD)
