"""The page's style sheet on a phone: a table that is wider scrolls in its own box, and shows at which edge there is more."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO

import pytest
from matplotlib.image import imread
from playwright.sync_api import Page, sync_playwright

from support.browser import PHONE, fits, needs_chromium, start

pytestmark = needs_chromium
CSS = files("titleholder_airflow.page").joinpath("static", "page.css").read_text()
TABLE = "<table><thead><tr>{}</tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
WIDE, NARROW = (TABLE.format("<th>Challenger, version 12</th>" * columns) for columns in (4, 1))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        yield start(playwright).new_page(viewport=PHONE)


def edges(page: Page) -> tuple[bool, bool]:
    """Whether the left and the right edge of the box are marked, in the row of the table that has no text there."""
    picture = imread(BytesIO(page.locator(".scroll").screenshot()))
    row = picture[-6]
    paper = row[len(row) // 2]
    return bool(abs(row[1] - paper).max() > 0.1), bool(abs(row[-2] - paper).max() > 0.1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_wide_table_shows_at_which_edge_there_is_more(page: Page, theme: str) -> None:
    """The metrics of a decision were cut at the edge of a phone, and nothing said that they go on."""
    page.set_content(
        f'<html data-theme="{theme}"><meta name=viewport content="width=device-width"><style>{CSS}</style>'
        f'<main><div class="scroll">{WIDE}</div></main>'
    )
    fits(page)
    assert edges(page) == (False, True)
    box = page.locator(".scroll")
    box.evaluate("it => it.scrollLeft = 60")
    assert edges(page) == (True, True)
    box.evaluate("it => it.scrollLeft = it.scrollWidth")
    assert edges(page) == (True, False)
    box.evaluate("(it, table) => it.innerHTML = table", NARROW)
    assert edges(page) == (False, False)
