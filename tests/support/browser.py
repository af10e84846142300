"""People at Airflow's pages: Debian's Chromium, driven by Playwright, with axe's rules of accessibility."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Frame,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    WebError,
    expect,
)

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: .ci/run installs Debian's, as root")
FLAGS = (
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # no calls home: they fail where the network is closed, and take time
    "--disable-component-update",
    "--disable-sync",
)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 60_000
"""Milliseconds that a page may take for anything: the machine may be busy with other tests."""
GRAVE = ("serious", "critical")


def start(playwright: Playwright) -> Browser:
    """Chromium without a window. It has a new profile each time."""
    expect.set_options(timeout=PATIENCE)
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@dataclass
class Troubles:
    """What goes wrong in pages unasked: errors of scripts and of the console, refused and failed requests.

    Only what belongs to the server at `address` counts.
    """

    address: str
    seen: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Collect the troubles of every page of this context, those still to be opened included."""
        context.on("console", self._said)
        context.on("weberror", self._raised)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)

    def take(self, words: str) -> None:
        """Take out what was meant to go wrong. Fails where nothing of the kind was seen."""
        left = [trouble for trouble in self.seen if words not in trouble]
        assert left != self.seen, f"{words!r} was expected among {self.seen}"
        self.seen[:] = left

    def _said(self, message: ConsoleMessage) -> None:
        told_by_the_answer = message.text.startswith("Failed to load resource: the server responded")
        if message.type == "error" and self._is_ours(message.page) and not told_by_the_answer:
            self.seen.append(f"console: {message.text}")

    def _raised(self, error: WebError) -> None:
        if self._is_ours(error.page):
            self.seen.append(f"script: {error.error}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.url.startswith(self.address):
            self.seen.append(f"{response.status} {response.request.method} {response.url}")

    def _failed(self, request: Request) -> None:
        left = request.failure == "net::ERR_ABORTED"  # who leaves a page ends what it was still loading
        if request.url.startswith(self.address) and not left:
            self.seen.append(f"{request.failure} {request.method} {request.url}")

    def _is_ours(self, page: Page | None) -> bool:
        return page is None or page.url.startswith(self.address)


class People:
    """Those who sit at the pages. Each logs in once, by Airflow's own page, and keeps the cookie."""

    def __init__(self, browser: Browser, address: str, passwords: Mapping[str, str]) -> None:
        self.address = address
        self._browser, self._passwords = browser, passwords
        self._cookies: dict[str, Any] = {}

    def stranger(self, troubles: Troubles, **options: Any) -> Page:
        """A page in which nobody has logged in yet. `options` are Playwright's for a context."""
        context = self._browser.new_context(base_url=self.address, **{"viewport": DESK, **options})
        context.set_default_timeout(PATIENCE)
        troubles.watch(context)
        return context.new_page()

    def page(self, user: str, troubles: Troubles, **options: Any) -> Page:
        """An empty page of a user who is logged in."""
        page = self.stranger(troubles, storage_state=self._cookies.get(user), **options)
        if user not in self._cookies:
            log_in(page, user, self._passwords[user])
            expect(page).to_have_url(f"{self.address}/")
            self._cookies[user] = page.context.storage_state()
            page.goto("about:blank")
        return page


def log_in(page: Page, user: str, password: str) -> None:
    """Fill in Airflow's login page and send it."""
    page.goto("/auth/login?next=%2F")  # Airflow's start page leads here too, by way of two refused requests
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()


def axe(where: Page | Frame, context: str | None = None) -> None:
    """Fail on serious and critical violations of axe's rules: in a page, or in a frame alone; `context` is a selector.

    Frames inside are left out: Airflow's own pages have faults that nobody here can mend.
    """
    found = Axe().run(where, context=context, options={"resultTypes": ["violations"], "iframes": False})
    grave = [violation for violation in found.response["violations"] if violation["impact"] in GRAVE]
    assert not grave, "\n".join(_told(violation, node) for violation in grave for node in violation["nodes"])


def _told(violation: dict[str, Any], node: dict[str, Any]) -> str:
    target = " ".join(str(part) for part in node["target"])
    return f"{violation['id']} ({violation['impact']}) at {target}: {violation['help']}\n  {node['html'][:200]}"


def champions(page: Page, path: str = "") -> Frame:
    """Titleholder's page in Airflow's frame; `path` leads into it, such as `/titleholder/decisions/12`."""
    page.goto(f"/plugin/champions{path}")
    frame = page.locator("iframe").element_handle().content_frame()
    assert frame is not None
    frame.wait_for_url("**/titleholder/**")
    return frame


def choose_theme(page: Page, mode: str) -> None:
    """Choose `Light Mode` or `Dark Mode` in Airflow's menu, as a person does, and stay on the page.

    Airflow keeps `light`, `dark` or `system` in localStorage under `theme`, and sets it as <html>'s class.
    """
    page.get_by_role("button", name="User", exact=True).click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name=mode).click()
    expect(page.locator("html")).to_have_class(re.compile(mode.removesuffix(" Mode").lower()))
    page.keyboard.press("Escape")


def fits(where: Page | Frame) -> None:
    """Fail where a page is wider than its window, so that one has to scroll sideways."""
    wide, window = where.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= window, f"{where.url} is {wide} px wide in a window of {window} px"


def tab_to(page: Page, wanted: Locator, most: int = 60) -> None:
    """Press Tab until `wanted` has the focus, as people without a mouse do. It may be in a frame."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === element.ownerDocument.activeElement"):
            return
    raise AssertionError(f"{most} times Tab did not lead to {wanted}")


def keep(page: Page, folder: Path) -> list[Path]:
    """Save what a page shows and the HTML of its frames, for whoever looks into a failed test."""
    number = len(list(folder.glob("page-*.png")))
    kept = [folder / f"page-{number}.png"]
    with suppress(Error):  # a page that hangs or has crashed must not hide why the test failed
        page.screenshot(path=kept[0])
        for index, frame in enumerate(page.frames):
            kept.append(folder / f"page-{number}-frame-{index}.html")
            kept[-1].write_text(f"<!-- {frame.url} -->\n{frame.content()}")
    return [path for path in kept if path.exists()]
