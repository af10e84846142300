"""Data as plain text, against another reader of Markdown: markdown-it, with tables, strike-through and bare addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from jinja2 import Environment
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import escape

from support.hostile import PIECES, controls, hostile
from titleholder.errors import UsageError
from titleholder.plain_text import TYPED, is_linkable, link, markdown, one_line, plain, shown, typed

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}


def tokens(document: str) -> Iterator[Token]:
    for token in READER.parse(document):
        yield token
        yield from token.children or ()


@given(hostile)
def test_nothing_that_moves_a_cursor_or_turns_a_line_is_left(text: str) -> None:
    assert controls(plain(text)) == []
    assert controls(one_line(text)) == []
    assert "\n" not in one_line(text)
    plain(text).encode()
    assert plain(plain(text)) == plain(text)


@given(hostile)
def test_markdown_of_any_text_is_that_text_and_nothing_else(text: str) -> None:
    found = list(tokens(markdown(text)))
    assert {token.type for token in found} <= HARMLESS
    said = "".join(token.content for token in found if token.type in ("text", "code_inline"))
    assert " ".join(said.split()) == one_line(text).strip()


@given(hostile, hostile)
def test_no_cell_breaks_a_table(one: str, other: str) -> None:
    found = list(tokens(f"| a | b |\n|---|---|\n| {markdown(one)} | {markdown(other)} |\n\nend"))
    assert [token.type for token in found].count("td_open") == 2
    assert not {token.type for token in found} & {"link_open", "image", "html_inline", "html_block", "fence", "em_open"}


@given(hostile)
def test_no_text_reaches_beyond_its_paragraph(text: str) -> None:
    found = [t for t in READER.parse(f"before\n\n{markdown(text)}\n\nafter **bold**") if t.type != "inline"]
    assert {token.type for token in found} <= {"paragraph_open", "paragraph_close"}


@pytest.mark.parametrize("address", ["https://evil.example/a?b", "www.evil.example", "ann@evil.example", "HTTP://e"])
def test_an_address_in_a_text_is_code_because_readers_make_links_of_any_other(address: str) -> None:
    """Airflow's reader (remark-gfm) and MLflow's (showdown) link bare addresses, however they are escaped."""
    codes = [t.content for t in tokens(markdown(f"see {address}, or `{address}`")) if t.type == "code_inline"]
    assert [code.rstrip(",") for code in codes] == [address, address]


@pytest.mark.parametrize(
    "text", ["line\nbreak", "last\n", "\x1b[31m", "a\rb", "\u202e", "\ud800", "\x00", "\x9b", "\u2028", "\ufeff"]
)
def test_what_a_person_types_has_no_control_character(text: str) -> None:

    with pytest.raises(UsageError, match=r"the reason is one line of plain text, and has \\"):
        typed("the reason", text)
    assert re.search(TYPED, text) is None or text == "\ud800"


@pytest.mark.parametrize("text", ["", "Because [it] *was* <better>, 5 % `x` | y", "schön, 好, हिन्दी, می‌خواهم, 👩‍🚀"])
def test_any_other_line_is_kept_as_it_is(text: str) -> None:

    assert typed("the reason", text) == text == one_line(text)
    assert re.search(TYPED, text)


def test_every_piece_alone() -> None:
    for piece in PIECES:
        assert {token.type for token in tokens(markdown(piece))} <= HARMLESS


@given(hostile, hostile)
def test_a_link_leads_where_it_says_and_its_label_is_text(label: str, rest: str) -> None:
    address = f"https://mlflow.example/{rest}"
    found = list(tokens(link(label, address)))
    if is_linkable(address):
        (opened,) = [token for token in found if token.type == "link_open"]
        assert str(opened.attrs["href"]).startswith("https://mlflow.example/")
    assert {token.type for token in found} <= {*HARMLESS, "link_open", "link_close"}


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", "https://[x"])
def test_any_other_address_is_no_link(address: str) -> None:
    assert link("it", address) == "it"


@given(hostile)
def test_a_page_shows_text_as_text(text: str) -> None:
    template = Environment(autoescape=True, finalize=shown).from_string('<p title="{{ it }}">{{ it }}</p>')
    page = template.render(it=text)
    assert controls(page.replace("\t", "")) == []
    assert page == f'<p title="{escape(plain(text))}">{escape(plain(text))}</p>'
