"""What people are told: one short message for each thing that happens to a live model (pure; sends nothing)."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from titleholder.spec.types import LIVE

_LINK = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])")


class Notice(BaseModel):
    """A message: a subject of one line, and a text of short lines. Both are plain text, to be escaped by who sends."""

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str


def of(told: Mapping[str, Any]) -> Notice | None:
    """What to tell about a decision, as the promote task returns it; None where nobody needs to know.

    `told` has id, model, lane, kind, as_of (ISO), challenger_version, champion_before, champion_after, actor, reason;
    owner, approved_by and links (label to address) may be missing. Every value becomes one line, so that a reason
    cannot pass itself off as another part of the message.

    Nobody needs to know about a lane other than live, nor that the champion was kept.

    Raises:
        ValueError: for a kind of decision that does not exist.
        KeyError: when one of the keys is missing.
    """
    kind = told["kind"]
    if told["lane"] != LIVE or kind == "keep":
        return None
    if kind not in _KINDS:
        raise ValueError(f"no kind of decision {kind!r}; valid: keep, {', '.join(_KINDS)}")
    happened, sentence, advice = _KINDS[kind](told)
    approved = f", approved by {told['approved_by']}" if told.get("approved_by") else ""
    return _notice(
        f"{told['model']}: {happened}",
        sentence,
        {
            "Why": told["reason"],
            "Champion now": _version(told["champion_after"]) or "none",
            "Decided by": f"{told['actor']}{approved} (decision {told['id']})",
            "As of": told["as_of"],
            "Owner": told.get("owner"),
            "What to do": advice,
        },
        told.get("links") or {},
    )


def late(model: str, owner: str, run_id: str, deadline: datetime, link: str, state: str = "running") -> Notice:
    """What to tell when a run has not decided by `deadline`. `state` is the run's; `link` leads to it, or is empty."""
    failed = state == "failed"
    return _notice(
        f"{model}: late, not decided by {_moment(deadline)}",
        f"The retrain of {model} {'failed, and' if failed else ''} has not decided by its deadline.",
        {
            "Run": f"{run_id} ({state})",
            "Deadline": _moment(deadline),
            "Champion now": "as before: until a run decides, the champion stays",
            "Owner": owner,
            "What to do": (
                "open the run; the log of the red task says what is wrong. Mend it and clear the task: the run goes on."
                if failed
                else "open the run and see what it waits for: a task that runs or retries, a slot, or a person's yes."
            ),
        },
        {"The run": link},
    )


def asked(
    model: str,
    owner: str,
    as_of: str,
    challenger_version: int,
    by: Sequence[str],
    until: str,
    link: str,
    *,
    reason: str = "",
    links: Mapping[str, str] | None = None,
) -> Notice:
    """What to tell those who must approve a challenger.

    `until` is when silence becomes a no; `link` is where to answer; `links` (label to address) is what to read before.
    """
    return _notice(
        f"{model}: version {challenger_version} waits for approval until {until}",
        f"Version {challenger_version} of {model} passed its judgement and takes over only if a person agrees.",
        {
            "Why": reason,
            "Who may answer": ", ".join(by),
            "Until": f"{until}; silence means no, and the champion stays",
            "As of": as_of,
            "Owner": owner,
            "What to do": "read the model card, then approve or reject under the first link.",
        },
        {"Answer": link, **(links or {})},
    )


def html(notice: Notice) -> str:
    """The text as HTML for e-mail: everything escaped, http(s) addresses clickable and shown as they are."""
    lines = ("".join(_clickable(piece) for piece in _LINK.split(line)) for line in notice.text.splitlines())
    body = "<br>\n".join(lines)
    return f"<p>{body}</p>\n"


def slack(notice: Notice) -> str:
    """Subject (bold) and text as Slack wants them: &, < and > escaped, so that no value can call people."""
    return markup.escape(f"*{notice.subject}*\n{notice.text}", quote=False)


def _promoted(told: Mapping[str, Any]) -> tuple[str, str, str]:
    model, new, old = told["model"], _version(told["champion_after"]), _version(told["champion_before"])
    advice = f"nothing, if you expected it: whoever loads the champion gets {new} from now on."
    if not old:
        return f"{new} is the first champion", f"{_capital(new)} of {model} is the first champion.", advice
    return (
        f"{new} is the new champion, after {old}",
        f"{_capital(new)} of {model} is the new champion. It replaces {old}.",
        f"{advice} If something is wrong with it, roll back to {old}.",
    )


def _rejected(told: Mapping[str, Any]) -> tuple[str, str, str]:
    new, stays = _version(told["challenger_version"]), _stays(told)
    return (
        f"{new} was rejected, {stays}",
        f"{_capital(new)} of {told['model']} was rejected: it is unfit in itself, whoever reigns.",
        "nothing is in danger, but the next run may fail the same way. Read the model card, then look at the data and "
        "the candidates.",
    )


def _retired(told: Mapping[str, Any]) -> tuple[str, str, str]:
    stays = _stays(told)
    return (
        f"retirement advised, {stays}",
        f"{told['model']} no longer makes sense: neither the champion nor {_version(told['challenger_version'])} "
        "is good enough.",
        f"decide whether {told['model']} stays in use. Nothing is switched off by itself: {stays} until somebody acts.",
    )


def _rolled_back(told: Mapping[str, Any]) -> tuple[str, str, str]:
    old, now = _version(told["champion_before"]), _version(told["champion_after"]) or "no champion"
    change = f"rolled back from {old} to {now}"
    return (
        change,
        f"{told['model']} was {change}.",
        f"find out what was wrong with {old}. Whoever loads the champion gets {now} from now on.",
    )


_KINDS = {"promote": _promoted, "reject": _rejected, "retire": _retired, "rollback": _rolled_back}


def _notice(subject: str, sentence: str, facts: Mapping[str, Any], links: Mapping[str, str]) -> Notice:
    """Facts and links that are empty are left out."""
    said = [_line(sentence), *(f"{label}: {_line(value)}" for label, value in facts.items() if value)]
    leads = [f"{_line(label)}: {_line(address)}" for label, address in links.items() if address]
    return Notice(subject=_line(subject), text="\n".join([*said, *(["", *leads] if leads else [])]))


def _line(value: Any) -> str:
    """One line, without control characters: what a header and a label can be trusted with."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _version(number: int | None) -> str:
    return "" if number is None else f"version {number}"


def _stays(told: Mapping[str, Any]) -> str:
    champion = _version(told["champion_after"])
    return f"{champion} stays champion" if champion else "nobody reigns"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _clickable(piece: str) -> str:
    shown = markup.escape(piece)
    return f'<a href="{shown}">{shown}</a>' if _LINK.fullmatch(piece) else shown
