"""The scan of `make check` finds what was planted, in any file that Git knows or would add."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import secret_scan

PLANTED = {
    "AWS Access Key": "aws = 'AK" + "IAQ3EGRZ2HT6WV7X4B'",
    "Private Key": "-----BEGIN RSA PRIV" + "ATE KEY-----",
    "Basic Auth Credentials": "URL=postgresql://ledger" + ":Kx7wPq2rT9@db.example/titleholder",
    "GitHub Token": "token: gh" + "p_" + "A1b2" * 9,
    "Slack Token": "https://hooks.slack.com/services/T0A1B2C3D" + "/B0A1B2C3D/abcdefghijklmnopqrstuvwx",
    "JSON Web Token": "ey"
    + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored.txt\n")
    return tmp_path


def scanned(root: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, secret_scan.__file__, root], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_and_not_repeated(repository: Path, kind: str) -> None:
    file = repository / "notes of a person.md"
    file.write_text(f"# Notes\n\n{PLANTED[kind]}\n")
    code, said = scanned(repository)
    assert code == 1
    assert f"{file}:3: {kind}" in said
    assert PLANTED[kind] not in said
    (repository / "ignored.txt").write_text(file.read_text())
    file.write_text("# Notes\n")
    assert scanned(repository) == (0, "")


def test_placeholders_are_no_secrets(repository: Path) -> None:
    lines = ("http://ann:hunter2@mlflow:5000", "postgresql://ledger:{PASSWORD}@db/x", "postgresql://ledger:…@db/x")
    (repository / "test_x.py").write_text("\n".join(lines))
    (repository / "picture.png").write_text(PLANTED["AWS Access Key"])
    assert scanned(repository) == (0, "")


def test_this_repository_has_none() -> None:
    assert scanned(Path(__file__).parents[3]) == (0, "")
