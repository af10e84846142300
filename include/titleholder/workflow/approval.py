"""What people are asked to approve, and by whom: a challenger, or a former version that is recalled."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from titleholder import reports
from titleholder.ledger import store
from titleholder.ledger.store import LaneEntry
from titleholder.registry import names
from titleholder.reports.markdown import text
from titleholder.spec.promotion import Person
from titleholder.workflow import decision_policy, model_card, publication
from titleholder.workflow.payloads import ApprovalRequest, ProposedDecision
from titleholder.workflow.promotion import champion_of, crowned, standing
from titleholder.workflow.scoring import Scorer

log = logging.getLogger(__name__)


def request(proposed: ProposedDecision, scorer: Scorer, url: str) -> ApprovalRequest | None:
    """What people are to be asked about a challenger or a former version; None where they need not be.

    The model card is attached to the MLflow run first, so that they can read it. The task `report` replaces it once
    there is a decision.
    """
    snapshot = proposed.challenger.snapshot
    approval = snapshot.spec.promotion.approval
    if proposed.kind != "ask" or approval == "automatic":
        return None
    rows = store.read_lane(url, snapshot.model, snapshot.lane)
    decided = standing(rows, proposed.challenger.version, snapshot.spec)
    if any(r.id == decided and r.changed for r in rows):
        return None
    facts = model_card.proposed_facts(proposed, scorer.registry)
    asked = decision_policy.approvers(approval, snapshot.origin.actor)
    card = _attach_card(proposed, rows, scorer, url)
    links = publication.linked({"Model card": card, publication.AIRFLOW: snapshot.origin.url})
    parts = (links, only(asked), reports.markdown(facts, proposed.verdict))
    subject = reports.headline(facts, proposed.verdict)
    return ApprovalRequest(subject=subject, body="\n\n".join(filter(None, parts)), asked=asked, card=card)


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
