"""Health check for containers: exit code 0 when a service answers and a component of Airflow is healthy, else 1.

Usage: healthy.py URL [COMPONENT]. Only the standard library: it runs every 30 seconds and must be cheap.
"""

from __future__ import annotations

import json
import sys
import urllib.request

TIMEOUT_SECONDS = 8


def main(url: str, component: str | None = None) -> str | None:
    """None when `url` answers and reports `component` as healthy; else what is wrong."""
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
