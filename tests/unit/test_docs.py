"""The documentation: every check has its section, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from titleholder.cli.main import app
from titleholder.spec.criteria import Judgement
from titleholder.validation.checks import CHECKS

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", PROJECT / "benchmarks" / "README.md"]
PAGES += sorted((PROJECT / "docs").glob("*.md"))
CHECKS_PAGE = PROJECT / "docs" / "checks.md"


def headings(page: Path) -> list[str]:
    """The headings of a page, without those in blocks of code."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that a heading has on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_check_has_its_section_in_the_order_of_the_registry() -> None:
    sections = [heading for heading in headings(CHECKS_PAGE) if heading.startswith("TH")]
    assert sections == [f"{code} {check.title}" for code, check in CHECKS.items()]


def test_every_threshold_of_a_check_is_named_in_a_section_that_names_its_key() -> None:
    sections = re.split(r"^## ", CHECKS_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for key, rule in Judgement(metric="roc_auc").checks:
        section = next(s for s in sections if f"judgement.checks.{key}.severity" in s and s.startswith("TH"))
        missing = [
            name
            for name in type(rule).model_fields
            if not re.search(rf"`(judgement\.checks\.{key}\.)?{name}`", section)
        ]
        assert not [name for name in missing if name != "severity"], f"{key}: {missing}"
        assert f"**Severity**: {rule.severity} (" in section, key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not fragment or fragment in [anchor(heading) for heading in headings(there)], target


def test_the_index_names_every_page() -> None:
    index = (PROJECT / "docs" / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[3:] if page.name != "README.md" and f"({page.name})" not in index]


def test_every_test_that_a_page_names_exists() -> None:
    """A name that ends in an ellipsis is the beginning of one."""
    known = {
        name
        for file in (PROJECT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    named = {
        (page.name, *found)
        for page in PAGES
        for found in re.findall(r"`(test_\w+)(…?)`", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    missing = [
        (page, name)
        for page, name, cut in named
        if not (any(other.startswith(name) for other in known) if cut else name in known)
    ]
    assert missing == []


COMMAND = re.compile(r"(?:^\$ (?:\.venv/bin/)?|`)titleholder ([a-z][^`#|\n]*)", re.MULTILINE)


def faults_of(command: str) -> list[str]:
    """What the command line does not know of a command: its names, its options."""
    found, words = typer.main.get_command(app), command.split()
    while words and hasattr(found, "commands"):
        if (name := words.pop(0)) not in found.commands:
            return [f"no command {name}"]
        found = found.commands[name]
    known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    commands = COMMAND.findall(page.read_text(encoding="utf-8"))
    assert page.name != "operations.md" or len(commands) > 25
    assert {command: faults for command in commands if (faults := faults_of(command))} == {}
