"""The list of licences is that of the lock, and says which is not allowed."""

from __future__ import annotations

import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

import licences


def package(folder: Path, *lines: str) -> PathDistribution:
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: acme", "Version: 1", *lines]))
    return PathDistribution(folder)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT AND PSF-2.0"], "MIT AND PSF-2.0"),
        (["License-Expression: AGPL-3.0-only", "Classifier: License :: OSI Approved :: MIT License"], "AGPL-3.0-only"),
        (["License: MIT license"], "MIT"),
        (
            [
                "License: Copyright 2018 Acme, all of it",
                "Classifier: License :: OSI Approved :: Apache Software License",
            ],
            "Apache-2.0",
        ),
        (
            [
                "Classifier: License :: OSI Approved :: BSD License",
                "Classifier: License :: OSI Approved :: MIT License",
            ],
            "BSD OR MIT",
        ),
        (
            ["Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
            "GNU Affero General Public License v3",
        ),
        (["Classifier: License :: OSI Approved"], ""),
        ([], ""),
    ],
)
def test_a_licence_is_read_from_what_the_package_says(tmp_path: Path, lines: list[str], licence: str) -> None:
    assert licences.stated(package(tmp_path, *lines)) == licence


@pytest.mark.parametrize(
    "licence", ["", "GPL-3.0-only", "AGPL-3.0-only", "MIT AND GPL-2.0-only", "Proprietary", "unknown"]
)
def test_what_is_not_on_the_list_is_refused(licence: str) -> None:
    (fault,) = licences.faults([licences.Library("acme", ("1.0",), licence)])
    assert fault.startswith(f"acme: the licence is {licence or 'unknown'}, which")
    assert not [*licences.faults([licences.Library("acme", ("1.0",), f"{licence or 'X'} OR MIT")])]


def test_a_library_that_a_lock_names_has_a_line_with_all_its_versions() -> None:
    lock = "numpy==2.4.0 ; python_full_version < '3.12' \\\n    --hash=sha256:0\n    # via x\nnumpy==2.5.0 ; python_full_version >= '3.12' \\\nno-such==1 \\\n"
    numpy, other = licences.libraries(lock)
    assert numpy.row.startswith("| numpy | 2.4.0, 2.5.0 | BSD-3-Clause AND")
    assert other.row == "| no-such | 1 | unknown |\n"


def test_the_list_is_up_to_date(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["licences.py", "--check"])
    assert licences.main() == 0, capsys.readouterr().out
    stale = tmp_path / "docs" / "licences.md"
    stale.parent.mkdir()
    stale.write_text(licences.LIST.read_text().replace("| MIT |", "| GPL |", 1))
    monkeypatch.setattr(licences, "LIST", stale)
    monkeypatch.setattr(licences, "ROOT", tmp_path)
    monkeypatch.setattr(licences, "PYTHON", sys.version_info[:2])
    assert licences.main() == 1
    assert capsys.readouterr().out == "docs/licences.md is not up to date: make licences\n"
