"""Asks the package index about every locked library: `make audit`. Nothing else is asked, and nothing is installed.

Exit code 1 for a version with a known vulnerability, one that was yanked, files that the index does not have with the
locked SHA-256, or a project that was archived or put in quarantine; 4 where the index does not tell of vulnerabilities.
The index is that of `PIP_INDEX_URL`, of pip's configuration, or pip's own default.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import requests
from pip._internal.models.index import PyPI

LOCK = Path(__file__).parents[1] / "requirements.txt"
SIMPLE = {"Accept": "application/vnd.pypi.simple.v1+json"}
TIMEOUT, AT_ONCE = 30, 4
UNTOLD = 4


class Pin(NamedTuple):
    """A locked version and the SHA-256s of its files."""

    name: str
    version: str
    sha256: frozenset[str]


Get = Callable[[str, Mapping[str, str]], Any]
"""The JSON at an address; None where there is none."""


def pins(lock: str) -> list[Pin]:
    """Every version in a lock with hashes."""
    found = re.findall(r"^([\w.-]+)==([\w.!+-]+)(.*?)(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    return [Pin(name, version, frozenset(re.findall(r"sha256:([0-9a-f]{64})", rest))) for name, version, rest in found]


def findings(pin: Pin, index: str, get: Get) -> tuple[list[str], bool]:
    """What the index says against a version, a sentence each, and whether it tells of vulnerabilities.

    The first is asked by the simple API (PEP 691, 700, 792), the second by the JSON API that not every index has.
    """
    name = re.sub(r"[-_.]+", "-", pin.name).lower()
    simple = get(f"{index}/{name}/", SIMPLE)
    told = get(f"{index.removesuffix('/simple')}/pypi/{name}/{pin.version}/json", {})
    known = told.get("vulnerabilities") if isinstance(told, dict) else None
    return [*_files(pin, simple), *_vulnerabilities(pin, known or [])], known is not None


def _files(pin: Pin, simple: Any) -> Iterator[str]:
    if not isinstance(simple, dict):
        yield f"{pin.name}: the index does not know it"
        return
    state = (simple.get("project-status") or {}).get("status", "active")
    if state != "active":
        yield f"{pin.name}: the project is {state}"
    files = [f for f in simple.get("files", []) if f.get("hashes", {}).get("sha256") in pin.sha256]
    if not files:
        yield f"{pin.name} {pin.version}: the index has no file with a locked SHA-256"
    for reason in dict.fromkeys(f["yanked"] for f in files if f.get("yanked")):
        yield f"{pin.name} {pin.version} was yanked{'' if reason is True else f': {reason}'}"


def _vulnerabilities(pin: Pin, known: list[dict[str, Any]]) -> Iterator[str]:
    for one in known:
        if not one.get("withdrawn"):
            names = ", ".join([one["id"], *one.get("aliases", [])])
            mended = ", ".join(one.get("fixed_in") or []) or "no version yet"
            yield f"{pin.name} {pin.version}: {names}, mended in {mended}. {one.get('summary') or ''}".rstrip()


def _configured(key: str) -> str:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", key], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def _getter() -> Get:
    session = requests.Session()
    session.verify = os.environ.get("PIP_CERT") or _configured("global.cert") or True

    def get(url: str, headers: Mapping[str, str]) -> Any:
        answer = session.get(url, headers=headers, timeout=TIMEOUT)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        return answer.json()

    return get


def main() -> int:
    """Print what the index says against the locked versions, or those of the libraries that are named."""
    index = (os.environ.get("PIP_INDEX_URL") or _configured("global.index-url") or PyPI.simple_url).rstrip("/")
    asked = [pin for pin in pins(LOCK.read_text(encoding="utf-8")) if not sys.argv[1:] or pin.name in sys.argv[1:]]
    get = _getter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda pin: findings(pin, index, get), asked))
    found = [sentence for sentences, _ in answers for sentence in sentences]
    untold = sum(not told for _, told in answers)
    for sentence in found:
        print(sentence)
    print(f"{len(asked)} versions asked about, {len(found)} findings.")
    if untold:
        print(f"The index does not tell of known vulnerabilities of {untold} of them: ask another source about these.")
    return 1 if found else UNTOLD if untold else 0


if __name__ == "__main__":
    sys.exit(main())
