"""Messages to people about a live model: decisions, late runs and requests for approval (pure; sends nothing)."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from titleholder.spec.types import DECLINE, LIVE

_LINK = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])")


class Message(BaseModel):
    """A subject of one line and a text of short lines. Both are plain text, which the sender must escape.

    >>> to_slack(Message(subject="small: late", text="see <https://a.example>"))
    '*small: late*\\nsee &lt;https://a.example&gt;'
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str


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


def to_html(message: Message) -> str:
    """The text as HTML for e-mail: everything escaped, http(s) addresses as links that show the address."""
    lines = ("".join(_linked(piece) for piece in _LINK.split(line)) for line in message.text.splitlines())
    body = "<br>\n".join(lines)
    return f"<p>{body}</p>\n"


def to_slack(message: Message) -> str:
    """Subject (bold) and text for Slack: &, < and > escaped, so that no value can mention people."""
    return markup.escape(f"*{message.subject}*\n{message.text}", quote=False)


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
    lines = [_line(sentence), *(f"{label}: {_line(value)}" for label, value in facts.items() if value)]
    addresses = [f"{_line(label)}: {_line(address)}" for label, address in links.items() if address]
    return Message(subject=_line(subject), text="\n".join([*lines, *(["", *addresses] if addresses else [])]))


def _line(value: Any) -> str:
    """One line without control characters, safe for a header and a label."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _version(number: int | None) -> str:
    return "" if number is None else f"version {number}"


def _stays(decision: Mapping[str, Any]) -> str:
    champion = _version(decision["champion_after"])
    return f"{champion} stays champion" if champion else "no champion yet"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _linked(piece: str) -> str:
    shown = markup.escape(piece)
    return f'<a href="{shown}">{shown}</a>' if _LINK.fullmatch(piece) else shown
