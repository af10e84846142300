"""What `make audit` makes of the answers of a package index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import advisories

A, B = "a" * 64, "b" * 64
INDEX = "https://index.example/simple"
PIN = advisories.Pin("Acme.Boost", "1.0", frozenset({A}))
GOOD = {"files": [{"hashes": {"sha256": A}, "yanked": False}]}


def asked(simple: Any, told: Any) -> tuple[list[str], bool]:
    def get(url: str, headers: Mapping[str, str]) -> Any:
        return {f"{INDEX}/acme-boost/": simple, "https://index.example/pypi/acme-boost/1.0/json": told}[url]

    return advisories.findings(PIN, INDEX, get)


def test_a_version_that_nothing_is_said_against() -> None:
    assert asked(GOOD, {"vulnerabilities": []}) == ([], True)


def test_an_index_that_does_not_tell_of_vulnerabilities_is_not_taken_for_none() -> None:
    assert asked(GOOD, None) == ([], False)
    assert asked(GOOD, {"info": {}}) == ([], False)


def test_a_known_vulnerability_is_named_and_one_that_was_withdrawn_is_not() -> None:
    known = {
        "id": "PYSEC-1",
        "aliases": ["CVE-2026-1"],
        "fixed_in": ["1.1"],
        "summary": "It runs what it reads.",
        "withdrawn": None,
    }
    found, told = asked(
        GOOD, {"vulnerabilities": [known, {"id": "PYSEC-2", "withdrawn": "2026-01-01"}, {"id": "PYSEC-3"}]}
    )
    assert told
    assert found == [
        "Acme.Boost 1.0: PYSEC-1, CVE-2026-1, mended in 1.1. It runs what it reads.",
        "Acme.Boost 1.0: PYSEC-3, mended in no version yet.",
    ]


@pytest.mark.parametrize(
    ("simple", "said"),
    [
        ({"files": [{"hashes": {"sha256": A}, "yanked": "broken"}]}, "Acme.Boost 1.0 was yanked: broken"),
        ({"files": [{"hashes": {"sha256": A}, "yanked": True}]}, "Acme.Boost 1.0 was yanked"),
        ({"files": [{"hashes": {"sha256": B}}]}, "Acme.Boost 1.0: the index has no file with a locked SHA-256"),
        ({**GOOD, "project-status": {"status": "quarantined"}}, "Acme.Boost: the project is quarantined"),
        (None, "Acme.Boost: the index does not know it"),
    ],
)
def test_what_became_of_the_files(simple: Any, said: str) -> None:
    assert asked(simple, {"vulnerabilities": []})[0] == [said]


def test_every_locked_version_is_asked_about() -> None:
    found = advisories.pins(Path(advisories.LOCK).read_text())
    assert len(found) > 200
    assert all(pin.sha256 for pin in found)
    assert len({pin.name for pin in found}) < len(found), "some have a version for each Python"


@pytest.mark.parametrize(("told", "code"), [(True, 0), (False, advisories.UNTOLD)])
def test_the_exit_code_tells_what_was_not_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: bool, code: int
) -> None:
    (tmp_path / "lock.txt").write_text(f"acme-boost==1.0 \\\n    --hash=sha256:{A}\n")
    monkeypatch.setattr(advisories, "LOCK", tmp_path / "lock.txt")
    monkeypatch.setattr("sys.argv", ["advisories.py"])
    monkeypatch.setenv("PIP_INDEX_URL", f"{INDEX}/")
    answers = {"/pypi/": {"vulnerabilities": []} if told else None, "/simple/": json.loads(json.dumps(GOOD))}
    monkeypatch.setattr(
        advisories, "_getter", lambda: lambda url, _: next(a for part, a in answers.items() if part in url)
    )
    assert advisories.main() == code
    assert ("does not tell of known vulnerabilities of 1 of them" in capsys.readouterr().out) is not told
