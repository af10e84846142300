"""The page without services: what it says when there is nothing to show, or nobody to ask.

Airflow must find its environment before it is imported, so the page is asked in a process of its own. Who may see what,
on the real API server, is tested in tests/e2e/test_page.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = """
import json, sys
from types import SimpleNamespace
from fastapi.testclient import TestClient
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from titleholder_airflow.page import mlflow as evidence, queries as access, routes as page
from titleholder_airflow.page.rendering import page as drawn
from support.page_cases import MODEL, decided, reigned
from titleholder.ledger import queries as chronicle

session = SimpleNamespace(close=lambda: None)
page.app.dependency_overrides = {get_user: lambda: None, _get_session: lambda: session}
browser = TestClient(page.app, raise_server_exceptions=False)
told = {}
def ask(name, path="/"):
    answer = browser.get(path)
    told[name] = [answer.status_code, answer.text, answer.headers["content-security-policy"]]

access.questions = lambda dags, session: []
access.newest_runs = lambda dags, session: {}
access.models = lambda user, session: {}
ask("no model")
access.models = lambda user, session: {"tiny": MODEL}
ask("ledger away")
ask("model, ledger away", "/models/tiny")
chronicle.standings = lambda url, models: {name: chronicle.Standing(None, None, None) for name in models}
chronicle.decisions = lambda url, model, lane: []
chronicle.reigns = lambda url, model, lane: []
chronicle.lanes = lambda url, model: []
ask("no decision")
ask("model without a decision", "/models/tiny")
rows = [decided(1, kind="promote", champion_before=None, judged_against=None, champion_metric=None, gain=None),
        decided(2), decided(3, kind="rollback", challenger_version=None, challenger_metric=None, metric=None, gain=None),
        decided(4, actor="bob", stands=False), decided(5, kind="retire", asked_because="judged anew")]
chronicle.decisions = lambda url, model, lane: rows
chronicle.reigns = lambda url, model, lane: [reigned(1, 1, 3), reigned(2, 3)]
chronicle.lanes = lambda url, model: [chronicle.Lane("backtest", 5)]
for name, path in {"all": "", "kinds": "&kind=keep&kind=retire", "words": "&text=ANEW", "replaced": "&replaced=true",
                   "by": "&text=bob&replaced=true", "nothing": "&text=no such word"}.items():
    ask(name, f"/models/tiny?lane=backtest{path}")
ask("another lane", "/models/tiny?lane=other")
chronicle.decisions, chronicle.reigns = lambda url, model, lane: [], lambda url, model, lane: []
ask("backfilled only", "/models/tiny")
evidence.newest_backtest = lambda model, lane: None
ask("no backtest", "/models/tiny/backtest?lane=backtest")
month = lambda n, gate: {"month": {"as_of": f"2025-0{n}-01", "gate": gate},
                         "figures": {"gate": {"metric": 0.6}, "never": {"metric": 0.5 + n / 100}}}
evidence.newest_backtest = lambda model, lane: evidence.Backtest("r1", "It was <worth> it.", "roc_auc", "2026-01-01", [
    month(1, 1), month(2, 2), {"month": {"as_of": "2025-03-01", "gate": 2}, "figures": {}}])
ask("backtest", "/models/tiny/backtest?lane=backtest")
evidence.newest_backtest = lambda model, lane: evidence.Backtest("r1", "", "roc_auc", "2026-01-01", [{"other": 1}])
ask("no such backtest", "/models/tiny/backtest?lane=backtest")
back = dict.fromkeys(("challenger_version", "approval", "airflow_run", "mlflow_run_id", "snapshot_uri", "verdict"), None) | {
    "id": 7, "model": "tiny", "lane": "live", "sequence": 3, "as_of": rows[-1].as_of, "kind": "rollback", "reason": "So.",
    "created_at": rows[-1].created_at, "actor": "ann", "asked_because": "", "champion_before": 2, "champion_after": 1,
    "spec": {}, "spec_fingerprint": "f", "trained_through": None, "seed": 7, "code_version": "0", "hash": "h",
    "previous_hash": "g"}
chronicle.decision = lambda url, number, models: back
for name, beside in {"between": (5, 9), "newest": (5, None), "only": (None, None)}.items():
    chronicle.neighbours = lambda url, model, lane, sequence, beside=beside: beside
    ask(f"decision, {name}", "/decisions/7")
evidence.aliases = lambda older_than=0: evidence.Aliases({"tiny": 9})
ask("alias differs", "/models/tiny")
print("ANSWER" + json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every answer: status, text, content security policy."""
    home = tmp_path_factory.mktemp("airflow")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "TITLEHOLDER", "MLFLOW"))} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "TITLEHOLDER_LEDGER_URL": "postgresql+psycopg2://nobody:secret@127.0.0.1:9/titleholder",
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("include", "plugins", "config", "tests")),
    }
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, timeout=240)
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr[-3000:]
    return dict(json.loads(answers[0].removeprefix("ANSWER")))


def test_without_a_model_it_says_how_to_add_one(told: dict) -> None:
    status, text, _ = told["no model"]
    assert status == 200
    assert "A model is two files" in text


@pytest.mark.parametrize("which", ["ledger away", "model, ledger away"])
def test_without_the_ledger_it_says_what_to_do_and_no_secret(told: dict, which: str) -> None:
    status, text, policy = told[which]
    assert status == 503
    assert "The ledger cannot be read" in text
    assert "make up" in text
    assert "secret" not in text
    assert "127.0.0.1" not in text
    assert "default-src 'none'" in policy


def test_before_the_first_decision_it_says_how_to_get_one(told: dict) -> None:
    assert "nobody yet" in told["no decision"][1]
    status, text, _ = told["model without a decision"]
    assert status == 200
    assert "Nobody reigns yet." in text
    assert "No decision yet in the lane live" in text
    assert "backfill it" in text
    assert 'aria-label="Lanes"' not in text


def test_a_model_with_decisions_in_another_lane_only_leads_there(told: dict) -> None:
    assert 'href="/models/tiny?lane=backtest"' in told["backfilled only"][1]


def test_decisions_are_filtered(told: dict) -> None:
    counts = {name: told[name][1].split(' role="status">')[1].split(" decisions")[0] for name in
              ("all", "kinds", "words", "replaced", "by", "nothing")}  # fmt: skip
    assert counts == {
        "all": "4 of 4", "kinds": "2 of 4", "words": "1 of 4", "replaced": "5 of 5", "by": "1 of 5", "nothing": "0 of 4",
    }  # fmt: skip
    assert "No decision passes the filter." in told["nothing"][1]


def test_a_lane_without_decisions_is_not_there(told: dict) -> None:
    assert told["another lane"][0] == 404


def test_pictures_have_words_and_every_mark_its_decision(told: dict) -> None:
    text = told["all"][1]
    assert 'aria-label="2 reigns and 4 decisions over time; all of them stand in the tables below"' in text
    assert 'aria-label="Version 2 reigned from 2025-03-01 to now"' in text
    for number in (1, 2, 3, 5):
        assert f'href="/decisions/{number}"' in text
    assert "style=" not in text, "the policy forbids inline styles"


def test_a_backtest_is_drawn_with_its_answer(told: dict) -> None:
    assert "titleholder backtest tiny" in told["no backtest"][1]
    status, text, _ = told["backtest"]
    assert status == 200
    assert "It was &lt;worth&gt; it." in text
    assert text.count("<polyline") == 2
    assert text.count("another champion</title>") == 1
    assert '<th scope="row">2025-02-01</th>' in text
    assert told["no such backtest"][0] == 502


def test_a_decision_leads_to_those_beside_it(told: dict) -> None:
    links = {name: re.findall(r'href="/decisions/(\d+)" rel="(prev|next)"', told[f"decision, {name}"][1])
             for name in ("between", "newest", "only")}  # fmt: skip
    assert links == {"between": [("5", "prev"), ("9", "next")], "newest": [("5", "prev")], "only": []}


def test_what_a_person_may_type_is_set_as_code(told: dict) -> None:
    text = told["alias differs"][1]
    assert "<code>titleholder audit tiny --repair</code> or the next run mends it." in text
    assert "`" not in text
