"""Messages about decisions of live runs, rollbacks and retirements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from titleholder.spec.types import DECLINE, LIVE
from titleholder.workflow.notifications.message import Message, compose, version_name

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision


def facts(decision: Decision, owner: str) -> dict[str, Any]:
    """What a message says of a decision: from its row in the ledger, and from nothing else but the spec's owner."""
    fields = {"id", "model", "lane", "kind", "as_of", "challenger_version", "champion_before", "champion_after"}
    given = decision.approval
    return {
        **decision.model_dump(mode="json", include=fields | {"actor", "reason"}),
        "owner": owner,
        "approved_by": given.by if given and given.answer == "approve" else "",
        "champion_failed": [r.code for r in decision.verdict.champion_unfitness()] if decision.verdict else [],
    }


def decision_message(decision: Mapping[str, Any]) -> Message | None:
    """The message about a decision, as the promote task returns it; None for those that need no message.

    `decision` has id, model, lane, kind, as_of (ISO), challenger_version, champion_before, champion_after, actor and
    reason; owner, approved_by, links (label to address) and champion_failed (codes of the checks that the champion
    fails by itself) may be missing. Every value becomes one line, so that a reason cannot pass for another part of the
    message.

    A lane other than live needs no message, nor does a rollback that was declined, nor a champion that was kept and
    fails nothing by itself.

    Raises:
        ValueError: for a kind of decision that does not exist.
        KeyError: when one of the keys is missing.
    """
    kind = decision["kind"]
    if decision["lane"] != LIVE or kind == DECLINE or (kind == "keep" and not decision.get("champion_failed")):
        return None
    if kind not in _KINDS:
        raise ValueError(f"no kind of decision {kind!r}; valid: {', '.join((*_KINDS, DECLINE))}")
    subject, sentence, advice = _KINDS[kind](decision)
    approved = f", approved by {decision['approved_by']}" if decision.get("approved_by") else ""
    return compose(
        f"{decision['model']}: {subject}",
        sentence,
        {
            "Why": decision["reason"],
            "Champion now": version_name(decision["champion_after"]) or "none",
            "Decided by": f"{decision['actor']}{approved} (decision {decision['id']})",
            "As of": decision["as_of"],
            "Owner": decision.get("owner"),
            "What to do": advice,
        },
        decision.get("links") or {},
    )


def _promoted(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model = decision["model"]
    new, old = version_name(decision["champion_after"]), version_name(decision["champion_before"])
    advice = f"nothing, if you expected it: whoever loads the champion gets {new} from now on."
    if not old:
        return f"{new} is the first champion", f"{_capital(new)} of {model} is the first champion.", advice
    return (
        f"{new} is the new champion, after {old}",
        f"{_capital(new)} of {model} is the new champion. It replaces {old}.",
        f"{advice} If something is wrong with it, roll back to {old}.",
    )


def _recalled(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model = decision["model"]
    new, old = version_name(decision["champion_after"]), version_name(decision["champion_before"])
    challenger = version_name(decision["challenger_version"])
    return (
        f"{new} is recalled as champion, after {old}",
        f"{_capital(new)} of {model}, trained earlier, is champion. It replaces {old}. {_capital(challenger)}, the "
        "challenger, did not become champion.",
        f"nothing, if you expected it: whoever loads the champion gets {new} from now on. If something is wrong with "
        f"it, roll back to {old}.",
    )


def _rejected(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    new, stays = version_name(decision["challenger_version"]), _stays(decision)
    return (
        f"{new} was rejected, {stays}",
        f"{_capital(new)} of {decision['model']} was rejected: it is unfit on its own, with or without a champion.",
        "the champion is not affected, but the next run may fail in the same way. Read the model card, "
        "then look at the data and the candidates.",
    )


def _retired(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, new, stays = decision["model"], version_name(decision["challenger_version"]), _stays(decision)
    return (
        f"retirement advised, {stays}",
        f"{model} is no longer good enough: neither the champion nor {new} passes.",
        f"decide whether {model} stays in use. Nothing is switched off automatically: {stays} until somebody acts.",
    )


def _kept(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    old, codes = version_name(decision["champion_after"]), ", ".join(decision["champion_failed"])
    return (
        f"{old} stays champion, though it fails {codes} itself",
        f"{_capital(old)} of {decision['model']} stays champion, and would be rejected as a challenger: it fails "
        f"{codes} on the newest outcomes.",
        f"read the model card, and decide whether {old} stays in use until a challenger replaces it.",
    )


def _rolled_back(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    old, now = version_name(decision["champion_before"]), version_name(decision["champion_after"]) or "no champion"
    change = f"rolled back from {old} to {now}"
    return (
        change,
        f"{decision['model']} was {change}.",
        f"find out what was wrong with {old}. Whoever loads the champion gets {now} from now on.",
    )


def _withdrawn(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, old = decision["model"], version_name(decision["champion_before"])
    return (
        f"retired, {old} is champion no more",
        f"{model} was retired: it has no champion any more.",
        f"see that nothing depends on the champion of {model}: whoever loads it gets an error from now on. Switch its "
        f"DAG off. A rollback makes {old} champion again.",
    )


_KINDS = {
    "promote": _promoted, "recall": _recalled, "keep": _kept, "reject": _rejected, "retire": _retired,
    "rollback": _rolled_back, "withdraw": _withdrawn,
}  # fmt: skip


def _stays(decision: Mapping[str, Any]) -> str:
    champion = version_name(decision["champion_after"])
    return f"{champion} stays champion" if champion else "no champion yet"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
