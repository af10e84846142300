"""Health check for containers: exit code 0 when a service answers and a component of Airflow is healthy, else 1.

Usage: healthy.py URL [COMPONENT], or healthy.py FILE for what touches a file while it is well. Only the standard
library: it runs every 30 seconds and must be cheap.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 8
OLDEST_SECONDS = 30


def main(where: str, component: str | None = None) -> str | None:
    """None when `where` answers and reports `component` as healthy, or was touched of late; else what is wrong."""
    return _touched(Path(where)) if where.startswith("/") else _answers(where, component)


def _touched(file: Path) -> str | None:
    try:
        age = time.time() - file.stat().st_mtime
    except OSError as error:
        return f"{file}: {error!r}"
    return None if age < OLDEST_SECONDS else f"{file} was last touched {age:.0f} seconds ago"


def _answers(url: str, component: str | None) -> str | None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT_SECONDS) as answer:
            body = answer.read()
        if component is None:
            return None
        status = json.loads(body)[component]["status"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{url}: {error!r}"
    return None if status == "healthy" else f"{component} is {status}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
