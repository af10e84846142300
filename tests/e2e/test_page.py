"""The page Champions on the real API server: who may see what, what it never does, and behind another address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from localstack import environments
from localstack.keys import load_keys
from localstack.ports import HOST
from localstack.settings import passwords
from localstack.state import State
from support.in_use import write_report
from support.page_cases import a_report
from support.rows import append, entry
from titleholder.ledger import reports
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.workflow.publication import attach

pytestmark = pytest.mark.slow
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>"
SEEN, HIDDEN, LANE = "tiny", "tiny_amount", "page"
PATH = "/lender/airflow"
PREPARE_FAB = f"""
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.auth_manager.models.db import FABDBManager
from airflow.utils.session import create_session
with create_session() as session:
    FABDBManager(session).upgradedb()
with get_application_builder() as builder:
    users = builder.sm
    clerk = users.add_role("clerk")
    for what in ("DAG:{SEEN}.retrain", "Website"):
        users.add_permission_to_role(clerk, users.create_permission("can_read", what))
    for name, role in (("clerk", clerk), ("boss", users.find_role("Admin"))):
        users.add_user(name, name, name, name + "@example.org", role=role, password="pw-of-" + name)
"""


@dataclass
class Reader:
    """A user who reads pages of one Airflow; without a token, one who is not logged in."""

    address: str
    token: str = ""

    @classmethod
    def of(cls, address: str, name: str, password: str) -> Reader:
        login = {"username": name, "password": password}
        answer = requests.post(f"{address}/auth/token", json=login, timeout=60)
        return cls(address, answer.json()["access_token"])

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        cookies = {"_token": self.token} if self.token else {}
        return requests.request(method, f"{self.address}/titleholder{path}", cookies=cookies, timeout=60)


@pytest.fixture(scope="module")
def address(state: State) -> str:
    return f"http://{HOST}:{state.read().ports['airflow']}"


@pytest.fixture(scope="module")
def viewer(state: State, address: str) -> Reader:
    return Reader.of(address, "auditor", passwords(state)["auditor"])


@pytest.fixture
def decisions(settings: Settings) -> dict[str, Decision]:
    """One decision of each of two models, with a reason that is an attack."""
    made = {}
    for model in (SEEN, HIDDEN):
        attacked = {"model": model, "reason": f"{NASTY}. Really", "actor": NASTY, "asked_because": NASTY}
        made[model] = append(settings, entry(LANE, date(2024, 1, 1)).model_copy(update=attacked))
    return made


@pytest.fixture(scope="module")
def fab(state: State) -> Iterator[str]:
    """A second API server with FAB's users, behind a path, whose MLflow is down."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    whole = f"http://{HOST}:{port}{PATH}"
    env = environments.of("api-server", state, load_keys(state), state.read().ports) | {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__API__BASE_URL": whole,
        "AIRFLOW__API__PORT": str(port),
        "MLFLOW_TRACKING_URI": f"http://{HOST}:9",
    }
    done = subprocess.run([sys.executable, "-c", PREPARE_FAB], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    airflow = str(Path(sys.executable).parent / "airflow")
    command = [airflow, "api-server", "--host", HOST, "--port", str(port), "--workers", "1"]
    with (state.root / "fab.log").open("ab") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"{whole}/api/v2/monitor/health", state.root / "fab.log")
        yield whole
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def wait_for(address: str, log: Path, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(address, timeout=3).ok:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.5)


def test_without_a_login_nothing_is_shown(address: str, decisions: dict[str, Decision]) -> None:
    anonymous = Reader(address)
    known = anonymous.ask("/")
    assert known.status_code == 401
    assert "Log in" in known.text
    for path in (f"/models/{SEEN}", "/models/no_such_model", f"/decisions/{decisions[SEEN].id}", "/decisions/99999999"):
        answer = anonymous.ask(path)
        assert (answer.status_code, answer.text) == (401, known.text)


def test_a_viewer_reads_and_can_change_nothing(viewer: Reader, decisions: dict[str, Decision]) -> None:
    row = decisions[SEEN]
    assert SEEN in viewer.ask("/").text
    assert f"decision {row.id}" in viewer.ask(f"/decisions/{row.id}").text
    for path in ("/", f"/models/{SEEN}", f"/decisions/{row.id}"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert viewer.ask(path, method).status_code == 405
    trigger = f"{viewer.address}/api/v2/dags/{SEEN}.rollback/dagRuns"
    refused = requests.post(
        trigger, json={"logical_date": None, "conf": {"reason": "mine"}}, cookies={"_token": viewer.token}, timeout=60
    )
    assert refused.status_code == 403


def test_what_people_wrote_is_text(viewer: Reader, decisions: dict[str, Decision]) -> None:
    row = decisions[SEEN]
    pages = [
        viewer.ask(f"/decisions/{row.id}"),
        viewer.ask(f"/models/{SEEN}?lane={LANE}"),
        viewer.ask(f"/models/{SEEN}?lane={LANE}&text={NASTY}"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "&lt;script&gt;alert(1)" in page.text
    for path in (f"/models/{NASTY}", f"/models/{SEEN}?lane={NASTY}", f"/models/{SEEN}/backtest?lane=%27%20OR%201",
                 f"/decisions/{NASTY}", "/decisions/-1", f"/decisions/{10**30}", f"/decisions/{-(10**30)}"):  # fmt: skip
        pages.append(answer := viewer.ask(path))
        assert answer.status_code == 404
    for page in pages:
        assert NASTY not in page.text
        assert "onerror=alert(2)>" not in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "poison", [{"drift": NASTY}, {"reason": "x" * 5_000_000}, a_report(reason=NASTY, remarks=[NASTY])]
)
def test_a_poisoned_report_of_the_monitor_is_text_or_left_out(
    viewer: Reader, decisions: dict[str, Decision], settings: Settings, poison: dict[str, Any]
) -> None:
    write_report(settings, decisions[SEEN], 1, {"state": "quiet", **poison})
    for path in (f"/models/{SEEN}?lane={LANE}", "/"):
        answer = viewer.ask(path)
        assert answer.status_code == 200
        assert NASTY not in answer.text
        assert len(answer.text) < 1_000_000


def test_a_model_that_one_may_not_read_does_not_exist(fab: str, decisions: dict[str, Decision]) -> None:
    clerk, boss = (Reader.of(fab, name, f"pw-of-{name}") for name in ("clerk", "boss"))
    assert HIDDEN in boss.ask("/").text
    overview = clerk.ask("/")
    assert overview.status_code == 200
    assert "1 model," in overview.text
    assert f"/models/{SEEN}" in overview.text
    assert HIDDEN not in overview.text
    missing = clerk.ask("/models/no_such_model")
    assert missing.status_code == 404
    hidden = decisions[HIDDEN].id
    for path in (f"/models/{HIDDEN}", f"/models/{HIDDEN}?lane={LANE}", f"/models/{HIDDEN}/backtest?lane={LANE}",
                 f"/decisions/{hidden}", f"/decisions/{hidden}/card"):  # fmt: skip
        assert boss.ask(path).status_code != 404
        answer = clerk.ask(path)
        assert (answer.status_code, answer.text) == (404, missing.text)


def test_behind_a_path_every_address_has_it(fab: str, decisions: dict[str, Decision]) -> None:
    boss = Reader.of(fab, "boss", "pw-of-boss")
    for path in ("/", f"/models/{SEEN}?lane={LANE}", f"/decisions/{decisions[SEEN].id}"):
        text = boss.ask(path).text
        addresses = [part.split('"')[0] for part in text.replace('src="', 'href="').split('href="')[1:]]
        own = [a for a in addresses if a.startswith("/")]
        assert len(own) > 3
        assert all(a.startswith(f"{PATH}/") for a in own), own
    script = requests.get(f"{fab}/titleholder/static/page.js", timeout=60)
    assert script.ok
    plugins = requests.get(f"{fab}/api/v2/plugins", cookies={"_token": boss.token}, timeout=60).json()["plugins"]
    (view,) = next(p["external_views"] for p in plugins if p["name"] == "titleholder")
    assert view["href"] == f"{PATH}/titleholder/"


POISON = (b"<script>alert(1)</script>", b"\xff\x00", b"[" * 100_000, b'{"a": NaN}', b"", bytes(33 * 1024**2))


def test_what_mlflow_has_in_place_of_a_report_is_not_shown(viewer: Reader, settings: Settings, tmp_path: Path) -> None:
    """A card and a backtest, as they were written and then as somebody with MLflow's login replaced them."""
    registry = Registry(settings.tracking_uri)
    run = registry.runs.open(SEEN, "poisoned", "poisoned", {})
    made = entry(LANE, date(2024, 1, 1)).model_copy(update={"model": SEEN, "mlflow_run_id": run})
    row = append(settings, made)
    parts = {
        f"/decisions/{row.id}/card": names.card(row.id),
        f"/models/{SEEN}/backtest?lane={LANE}": names.BACKTEST_REPORT,
    }
    assert ["yet" in viewer.ask(part).text for part in parts] == [True, True]
    card, backtest = ({name: f"<p>The {name}</p>"} for name in parts.values())
    attach(card, SEEN, LANE, run, registry, settings.ledger_url, row.id)
    attach(backtest, SEEN, LANE, run, registry, settings.ledger_url)
    for part, name in parts.items():
        shown = viewer.ask(part)
        assert (shown.status_code, shown.text) == (200, f"<p>The {name}</p>")
        assert "sandbox" in shown.headers["Content-Security-Policy"]
        for poison in POISON:
            (tmp_path / name).write_bytes(poison)
            registry.server.client.log_artifact(run, str(tmp_path / name))
            refused = viewer.ask(part)
            assert refused.status_code == (409 if len(poison) < 32 * 1024**2 else 502)
            assert "<script>alert(1)" not in refused.text
            why = (
                "in MLflow is not what was written",
                "is larger than 32 MB",
                "did not answer in time",
                "See that MLflow is up",
            )
            assert any(
                words in refused.text for words in why
            )  # on a busy machine 33 MB take longer than the page waits
    assert viewer.ask(f"/decisions/{row.id}").status_code == 200


def test_without_mlflow_the_page_says_so_and_shows_the_rest(
    fab: str, decisions: dict[str, Decision], settings: Settings
) -> None:
    row = decisions[SEEN]
    for decision in (row.id, None):
        reports.add(settings.ledger_url, SEEN, LANE, "r", {names.BACKTEST_REPORT: "0" * 64}, decision)
    boss = Reader.of(fab, "boss", "pw-of-boss")
    overview = boss.ask("/")
    assert overview.status_code == 200
    assert "alias not compared" in overview.text
    assert boss.ask(f"/decisions/{row.id}").status_code == 200
    for part in (f"/decisions/{row.id}/card", f"/models/{SEEN}/backtest?lane={LANE}"):
        answer = boss.ask(part)
        assert answer.status_code == 502
        assert "MLflow does not answer" in answer.text
        assert "See that MLflow is up, then reload." in answer.text
