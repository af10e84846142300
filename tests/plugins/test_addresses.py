"""Addresses of Airflow's pages, behind whatever base URL it has."""

from __future__ import annotations

from pathlib import Path

from support import apart

CODE = """
import os
from titleholder_airflow import urls as addresses

def behind(url):
    os.environ["AIRFLOW__API__BASE_URL"] = url
    return [
        addresses.base(),
        addresses.run("m.retrain", "manual__2026-03-01T00:00:00+00:00"),
        addresses.tab("m.retrain", "r", "approve", "required_actions"),
        addresses.decision(12),
        addresses.decisions(),
    ]

answer = [behind(url) for url in ("http://127.0.0.1:8080", "https://x.org/airflow", "https://x.org/a/b/", "")]
"""
RUN = "/dags/m.retrain/runs/manual__2026-03-01T00%3A00%3A00%2B00%3A00"
TAB = "/dags/m.retrain/runs/r/tasks/approve/required_actions"


def test_every_address_hangs_on_the_base_url(tmp_path: Path) -> None:
    """What follows /plugin/champions is the path that Airflow shows in the frame, so it has the prefix once more."""

    def expected(base: str, prefix: str) -> list[str]:
        champions = f"{base}/plugin/champions{prefix}/titleholder"
        decisions = [f"{champions}/decisions/12", f"{champions}/decisions/"]
        return [base, f"{base}{RUN}", f"{base}{TAB}", *decisions]

    found, _ = apart.run(tmp_path, CODE)
    bases = [("http://127.0.0.1:8080", ""), ("https://x.org/airflow", "/airflow"), ("https://x.org/a/b", "/a/b")]
    assert found[:-1] == [expected(base, prefix) for base, prefix in bases]
    assert found[-1] == [""] * 5, "no base URL, no address"
