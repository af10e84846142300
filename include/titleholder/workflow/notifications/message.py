"""A message to people, and how it looks as e-mail and in Slack (pure; sends nothing)."""

from __future__ import annotations

import html as markup
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from titleholder.plain_text import is_linkable, one_line

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


def compose(subject: str, sentence: str, facts: Mapping[str, Any], links: Mapping[str, str]) -> Message:
    """A message without the facts and links that are empty."""
    lines = [one_line(sentence), *(f"{label}: {one_line(value)}" for label, value in facts.items() if value)]
    addresses = {one_line(label): one_line(address) for label, address in links.items() if is_linkable(address)}
    return Message(subject=one_line(subject), text="\n".join(lines), links=addresses)


def version_name(number: int | None) -> str:
    """`version 7`; empty where there is none."""
    return "" if number is None else f"version {number}"


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


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _linked(address: str) -> str:
    shown = markup.escape(address)
    return f'<a href="{shown}">{shown}</a>' if is_linkable(address) else shown


def _slack(text: str) -> str:
    return markup.escape(text, quote=False)
