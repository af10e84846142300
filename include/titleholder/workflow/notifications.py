"""Messages to people about a live model: decisions, late runs and requests for approval (pure; sends nothing)."""

from __future__ import annotations

import html as markup
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from titleholder.plain_text import is_linkable, one_line
from titleholder.spec.types import DECLINE, LIVE

if TYPE_CHECKING:
    from titleholder.ledger.decision import Decision

LONGEST = {"subject": 150, "text": 2900}
"""Slack refuses a message of which a part is longer."""


class Message(BaseModel):
    """A subject of one line, a text of short lines, and addresses by label. All of it is text, which senders escape.

    >>> to_html(Message(subject="small: late", text="see <https://a.example>", links={"Run": "https://b.example"}))
    '<p>see &lt;https://a.example&gt;<br>\\n<br>\\nRun: <a href="https://b.example">https://b.example</a></p>\\n'
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str
    links: dict[str, str] = {}

    @property
    def whole(self) -> str:
        """The text, and below it the addresses."""
        addresses = [f"{label}: {address}" for label, address in self.links.items()]
        return "\n".join([self.text, *(["", *addresses] if addresses else [])])


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
    return _message(
        f"{decision['model']}: {subject}",
        sentence,
        {
            "Why": decision["reason"],
            "Champion now": _version(decision["champion_after"]) or "none",
            "Decided by": f"{decision['actor']}{approved} (decision {decision['id']})",
            "As of": decision["as_of"],
            "Owner": decision.get("owner"),
            "What to do": advice,
        },
        decision.get("links") or {},
    )


def late_message(model: str, owner: str, run_id: str, deadline: datetime, link: str, state: str = "running") -> Message:
    """The message about a run that has not decided by `deadline`; `link` is the address of the run, or empty."""
    failed = state == "failed"
    return _message(
        f"{model}: late, not decided by {_utc(deadline)}",
        f"The retrain of {model} {'failed, and' if failed else ''} has not decided by its deadline.",
        {
            "Run": f"{run_id} ({state})",
            "Deadline": _utc(deadline),
            "Champion now": "as before: until a run decides, the champion stays",
            "Owner": owner,
            "What to do": (
                "open the run; the log of the failed task has the error. Fix it and clear the task: the run continues."
                if failed
                else "open the run and see what it waits for: a task that runs or retries, a slot, or an approval."
            ),
        },
        {"The run": link},
    )


def approval_message(
    model: str,
    owner: str,
    as_of: str,
    challenger_version: int | None,
    by: Sequence[str],
    until: str,
    link: str,
    *,
    recalled: int | None = None,
    rolled_back_to: int | None = None,
    reason: str = "",
    links: Mapping[str, str] | None = None,
) -> Message:
    """The message to those who must approve a challenger, or a former version that is to be `recalled` instead.

    For a rollback to `rolled_back_to`, `challenger_version` is the champion that would give way; None after a
    retirement.

    `until` is the time after which silence means no; `link` is the address of the answer form; `links` (label to
    address) are to be read before.
    """
    subject = f"version {challenger_version} waits for approval"
    sentence = f"Version {challenger_version} of {model} passed validation and takes over only with an approval."
    if recalled is not None:
        subject = f"the recall of version {recalled} waits for approval"
        sentence = (
            f"Version {recalled} of {model}, trained earlier, is to become champion instead of the challenger, "
            f"version {challenger_version}, and does so only with an approval."
        )
    what = "read the model card, then approve or reject under the first link."
    if rolled_back_to is not None:
        subject = f"the rollback to version {rolled_back_to} waits for approval"
        sentence = (
            f"Version {rolled_back_to} of {model} is to become champion again"
            f"{f' instead of {_version(challenger_version)}' if challenger_version else '; the model was retired'}. "
            "It does so only with an approval."
        )
        what = "approve or reject under the first link."
    return _message(
        f"{model}: {subject} until {until}",
        sentence,
        {
            "Why": reason,
            "Who may answer": ", ".join(by),
            "Until": f"{until}; silence means no, and the champion stays",
            "As of": as_of,
            "Owner": owner,
            "What to do": what,
        },
        {"Answer": link, **(links or {})},
    )


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
    return _message(
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
    return _message(
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


def to_html(message: Message) -> str:
    """As HTML for e-mail: everything escaped. Our own addresses are links, and none that stands in a text."""
    lines = [markup.escape(line) for line in message.text.splitlines()]
    shown = [f"{markup.escape(label)}: {_linked(address)}" for label, address in message.links.items()]
    body = "<br>\n".join([*lines, *(["", *shown] if shown else [])])
    return f"<p>{body}</p>\n"


def to_slack(message: Message) -> dict[str, Any]:
    """What is posted to Slack's webhook: as plain text, in which nothing is markup, a mention, or a link.

    Our own addresses are links below it. No page that an address leads to is shown.
    """
    subject, text = (_cut(getattr(message, part), length) for part, length in LONGEST.items())
    links = [f"{_slack(label)}: <{_slack(address)}>" for label, address in message.links.items()]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}},
        {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}},
    ]
    if links:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(links), "verbatim": True}})
    return {"text": _slack(subject), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _promoted(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, new, old = decision["model"], _version(decision["champion_after"]), _version(decision["champion_before"])
    advice = f"nothing, if you expected it: whoever loads the champion gets {new} from now on."
    if not old:
        return f"{new} is the first champion", f"{_capital(new)} of {model} is the first champion.", advice
    return (
        f"{new} is the new champion, after {old}",
        f"{_capital(new)} of {model} is the new champion. It replaces {old}.",
        f"{advice} If something is wrong with it, roll back to {old}.",
    )


def _recalled(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, new, old = decision["model"], _version(decision["champion_after"]), _version(decision["champion_before"])
    challenger = _version(decision["challenger_version"])
    return (
        f"{new} is recalled as champion, after {old}",
        f"{_capital(new)} of {model}, trained earlier, is champion. It replaces {old}. {_capital(challenger)}, the "
        "challenger, did not become champion.",
        f"nothing, if you expected it: whoever loads the champion gets {new} from now on. If something is wrong with "
        f"it, roll back to {old}.",
    )


def _rejected(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    new, stays = _version(decision["challenger_version"]), _stays(decision)
    return (
        f"{new} was rejected, {stays}",
        f"{_capital(new)} of {decision['model']} was rejected: it is unfit on its own, with or without a champion.",
        "the champion is not affected, but the next run may fail in the same way. Read the model card, "
        "then look at the data and the candidates.",
    )


def _retired(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, new, stays = decision["model"], _version(decision["challenger_version"]), _stays(decision)
    return (
        f"retirement advised, {stays}",
        f"{model} is no longer good enough: neither the champion nor {new} passes.",
        f"decide whether {model} stays in use. Nothing is switched off automatically: {stays} until somebody acts.",
    )


def _kept(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    old, codes = _version(decision["champion_after"]), ", ".join(decision["champion_failed"])
    return (
        f"{old} stays champion, though it fails {codes} itself",
        f"{_capital(old)} of {decision['model']} stays champion, and would be rejected as a challenger: it fails "
        f"{codes} on the newest outcomes.",
        f"read the model card, and decide whether {old} stays in use until a challenger replaces it.",
    )


def _rolled_back(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    old, now = _version(decision["champion_before"]), _version(decision["champion_after"]) or "no champion"
    change = f"rolled back from {old} to {now}"
    return (
        change,
        f"{decision['model']} was {change}.",
        f"find out what was wrong with {old}. Whoever loads the champion gets {now} from now on.",
    )


def _withdrawn(decision: Mapping[str, Any]) -> tuple[str, str, str]:
    model, old = decision["model"], _version(decision["champion_before"])
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


def _message(subject: str, sentence: str, facts: Mapping[str, Any], links: Mapping[str, str]) -> Message:
    """A message without the facts and links that are empty."""
    lines = [one_line(sentence), *(f"{label}: {one_line(value)}" for label, value in facts.items() if value)]
    addresses = {one_line(label): one_line(address) for label, address in links.items() if is_linkable(address)}
    return Message(subject=one_line(subject), text="\n".join(lines), links=addresses)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _version(number: int | None) -> str:
    return "" if number is None else f"version {number}"


def _stays(decision: Mapping[str, Any]) -> str:
    champion = _version(decision["champion_after"])
    return f"{champion} stays champion" if champion else "no champion yet"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _linked(address: str) -> str:
    shown = markup.escape(address)
    return f'<a href="{shown}">{shown}</a>' if is_linkable(address) else shown


def _slack(text: str) -> str:
    return markup.escape(text, quote=False)
