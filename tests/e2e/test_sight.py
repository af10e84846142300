"""What the browser tests see with must not be blind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser import PHONE, Troubles, axe, choose_theme, fits, keep, needs_chromium, tab_to

pytestmark = [pytest.mark.slow, needs_chromium]
Opener = Callable[..., Page]


def test_axe_tells_rule_place_and_help(page_of: Opener) -> None:
    page = page_of()
    page.set_content("<html lang=en><title>A page</title><main><h1>Faces</h1><img id=face src='data:,'></main>")
    with pytest.raises(AssertionError, match=r"image-alt \(critical\) at #face: Images must have alternative text"):
        axe(page)
    page.locator("#face").evaluate("image => image.alt = 'a face'")
    axe(page)


def test_a_page_too_wide_for_a_phone_is_told(page_of: Opener) -> None:
    page = page_of(viewport=PHONE)
    page.set_content("<meta name=viewport content='width=device-width'><p style='width: 300px'>narrow</p>")
    fits(page)
    page.locator("p").evaluate("it => it.style.width = '500px'")
    with pytest.raises(AssertionError, match="in a window of 390 px"):
        fits(page)


def test_what_goes_wrong_in_a_page_is_seen(page_of: Opener, troubles: Troubles) -> None:
    page = page_of("admin")
    page.goto("/")
    page.evaluate("console.error('said aloud'); setTimeout(() => { throw new Error('a fault') })")
    page.evaluate("fetch('/api/v2/dags/nowhere')")
    for words in ("console: said aloud", "script: a fault", "404 GET"):
        page.wait_for_timeout(100)
        troubles.take(words)


def test_a_page_is_kept_with_its_frames(page_of: Opener, tmp_path: Path) -> None:
    page = page_of()
    page.set_content("<p>outside</p><iframe srcdoc='<p>inside</p>'></iframe>")
    expect(page.frame_locator("iframe").get_by_text("inside")).to_be_visible()
    assert [path.name for path in keep(page, tmp_path)] == ["page-0.png", "page-0-frame-0.html", "page-0-frame-1.html"]
    assert "inside" in (tmp_path / "page-0-frame-1.html").read_text()


def test_the_keyboard_and_the_theme(page_of: Opener) -> None:
    page = page_of("admin")
    page.goto("/")
    tab_to(page, page.get_by_role("button", name="User", exact=True))
    choose_theme(page, "Dark Mode")
    assert page.evaluate("localStorage.getItem('theme')") == "dark"
    page.reload()
    expect(page.locator("html")).to_have_class("dark")
