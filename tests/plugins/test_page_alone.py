"""The page without services: what it shows when there is nothing to show, or a service is down.

Airflow must find its environment before it is imported, so the page runs in a process of its own. Who may see what, on
the real API server, is tested in tests/e2e/test_page.py.
"""

from __future__ import annotations

import re

import pytest

from support import apart
from titleholder.formatting import MINUS

ASK = """
import json, os, sys
from datetime import date
from hashlib import sha256
from types import SimpleNamespace
from fastapi.testclient import TestClient
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from titleholder_airflow.page import mlflow, queries, routes as page
from support.page_cases import (MODEL, SCORING, WATCHING, a_feature, a_former, a_look, a_report, all_scored, an_advice, decided,
                                drift_looks, reigned, scored)
from titleholder.ledger import queries as ledger
from titleholder.ledger import monitor_history, monitor_reports, reports, score_history

session = SimpleNamespace(close=lambda: None)
page.app.dependency_overrides = {get_user: lambda: None, _get_session: lambda: session}
browser = TestClient(page.app, raise_server_exceptions=False)
answers = {}
def get(name, path="/"):
    answer = browser.get(path)
    answers[name] = [answer.status_code, answer.text, answer.headers["content-security-policy"]]

queries.approvals = lambda dags, session: []
queries.newest_runs = lambda dags, session: {}
queries.others = lambda dags, session: {}
monitor_reports.standing = lambda url, models, lane: {}
monitor_history.newest = lambda url, model, lane: None
monitor_history.series = lambda url, model, lane, decision, most: []
score_history.newest_by_model = lambda url, models: {}
score_history.newest = lambda url, model, lane, most: []
score_history.by_version = lambda url, model, lane: []
queries.models = lambda user, session: {}
get("no model")
queries.models = lambda user, session: {"tiny": MODEL}
get("ledger down")
get("model, ledger down", "/models/tiny")
reports.newest_backtest = lambda url, model, lane, file: None
gone = decided(4, kind="withdraw", challenger_version=None, champion_after=None, asked_because="no product")
ledger.live_status = lambda url, models: {name: ledger.LiveStatus(None, gone, None) for name in models}
ledger.decisions = lambda url, model, lane: [gone]
ledger.reigns = lambda url, model, lane: []
ledger.lanes = lambda url, model: []
get("retired")
get("retired model", "/models/tiny")
ledger.live_status = lambda url, models: {name: ledger.LiveStatus(None, None, None) for name in models}
ledger.decisions = lambda url, model, lane: []
ledger.reigns = lambda url, model, lane: []
ledger.lanes = lambda url, model: []
get("no decision")
get("model without a decision", "/models/tiny")
by_rule = [decided(2, gain=-0.01, rule="record", expected_gain=0.0041, loss_risk=0.021), decided(3, rule="record"),
           decided(4, rule="sequential", reign_gain=0.0139, reign_lower=-0.0019)]
ledger.decisions = lambda url, model, lane: by_rule
get("rules", "/models/tiny")
rows = [decided(1, kind="promote", champion_before=None, judged_against=None, champion_metric=None, gain=None),
        decided(2), decided(3, kind="rollback", challenger_version=None, challenger_metric=None, metric=None, gain=None),
        decided(4, actor="bob", in_force=False), decided(5, kind="retire", asked_because="Once more", caused_by=4),
        decided(6, kind="recall", champion_before=2, champion_after=1, reason="On the record. More.")]
ledger.decisions = lambda url, model, lane: rows
ledger.reigns = lambda url, model, lane: [reigned(1, 1, 3), reigned(2, 3)]
ledger.lanes = lambda url, model: [ledger.LaneSummary("backtest", 5, 5, None, None, None)]
for name, path in {"all": "", "kinds": "&kind=keep&kind=retire", "words": "&text=ONCE", "replaced": "&replaced=true", "recalls": "&kind=recall",
                   "by": "&text=bob&replaced=true", "nothing": "&text=no such word"}.items():
    get(name, f"/models/tiny?lane=backtest{path}")
get("another lane", "/models/tiny?lane=other")
ledger.decisions, ledger.reigns = lambda url, model, lane: [], lambda url, model, lane: []
get("backfilled only", "/models/tiny")
june = lambda n, **what: decided(6, id=n, as_of=date(2025, 6, n), schedule="@daily", **what)
for name, newest in {"daily": june(10), "daily, rolled back": june(10, kind="rollback", challenger_version=None, metric=None, challenger_metric=None)}.items():
    champion = reigned(1, 6, as_of=date(2025, 6, 1), kind=newest.kind)
    ledger.live_status = lambda url, models: {"tiny": ledger.LiveStatus(champion, newest, june(9))}
    ledger.decisions = lambda url, model, lane: [*map(june, range(1, 10)), newest]
    ledger.reigns = lambda url, model, lane: [champion]
    get(name, "/models/tiny")
    get(f"{name}, overview")
ledger.live_status = lambda url, models: {"tiny": ledger.LiveStatus(reigned(1), decided(3, reason="Not better. Gain -0.0031."), decided(3))}
queries.others = lambda dags, session: {"tiny.score": SCORING._replace(next_run=None)}
get("scoring, none yet", "/models/tiny")
runs = [scored(3, version=2, reason="<script>alert(1)</script>", actor="<b>bob</b>"), scored(2), scored(1, airflow_run="")]
score_history.newest_by_model = lambda url, models: {"tiny": runs[0]}
score_history.newest = lambda url, model, lane, most: runs
score_history.by_version = lambda url, model, lane: [all_scored(2), all_scored(1), all_scored(3, role="challenger")]
mlflow.aliases = lambda max_age=0: mlflow.Aliases({"tiny": 1})
get("scores", "/models/tiny")
get("scores, overview")
whole, artifact = json.dumps(an_advice(sentence="Retrain <script>alert(1)</script>")).encode(), mlflow.artifact
advised = lambda content: reports.Report("backtest", None, str(len(content)), "age-advice.json", frozenset({sha256(content).hexdigest()}))
for name, content in {"advice": whole, "advice poisoned": whole[:-9], "advice huge": b"[" * 10**6}.items():
    mlflow.artifact = lambda *_: content
    reports.newest_backtest = lambda url, model, lane, file: advised(content)
    get(name, "/models/tiny")
mlflow.artifact = artifact
queries.others = lambda dags, session: {"tiny.monitor": WATCHING}
get("monitoring, none yet", "/models/tiny")
script = "<script>alert(1)</script>"
alarmed = a_report("alarm", remarks=[script], alarms=[{"name": script, "kind": "feature", "since": "2025-03-09", "new": True, "sentence": script}])
alarmed["drift"]["features"].append(a_feature(script))
many = a_report()
many["drift"]["features"] = [a_feature(f"f{n}" + "x" * 5000) for n in range(3000)]
odd = a_report(cohorts=[], remarks=["x" * 10**6] * 300)
odd["drift"]["features"] = [a_feature("lengths", reference=[1]), a_feature("negative", counts=[-1, 1, 0, 0, 0]), a_feature("empty", counts=[0] * 5, reference=[0] * 5),
                            a_feature("infinite", float("inf")), a_feature("no number", float("nan"), missing=float("inf"), reference_missing=float("nan"))]
odd["promise"]["promised"] = {"estimate": float("nan"), "lower": float("-inf"), "upper": float("inf")}
odd["estimate"]["value"]["estimate"] = float("inf")
former = [a_former(4), a_former(5, unread=script, unread_months=2, cohorts=[], promise=a_report()["promise"] | {"cohorts": 0}), a_former(6, remark=script, promise=None, review=None)]
looks = {"quiet": a_look(a_report()), "former": a_look(a_report(former=former)), "many former": a_look(a_report(former=[a_former(n) for n in range(2000)])), "alarm": a_look(alarmed, asks_retrain=True, ask_reason=script), "unreadable": a_look(None, state="alarm", alarms=[script]),
         "many": a_look(many), "odd": a_look(odd, spec={"minimum_psi": script}), "odd spec": a_look(a_report(), spec={"minimum_psi": 1e999}),
         "waiting": a_look(a_report("waiting", drift=None, promise=None, review=None, estimate=None, volume=None, cohorts=[])),
         "another reign": a_look(a_report(), version=3, decision=2)}
for name, look in looks.items():
    monitor_history.newest = lambda url, model, lane: look
    monitor_history.series = lambda url, model, lane, decision, most: drift_looks(a_report())
    monitor_reports.standing = lambda url, models, lane: {"tiny": monitor_reports.MonitorStatus(look.id, "tiny", lane, look.as_of, look.version, look.decision, look.state, look.alarms, [], False, "", look.created_at)}
    get(f"monitoring, {name}", "/models/tiny")
get("monitoring, overview")
monitor_reports.standing = lambda url, models, lane: {}
monitor_history.newest = lambda url, model, lane: None
queries.others = lambda dags, session: {}
score_history.newest = score_history.by_version = lambda *_: []
score_history.newest_by_model = lambda url, models: {}
reports.newest_backtest = lambda url, model, lane, file: None
get("no backtest", "/models/tiny/backtest?lane=backtest")
get("no backtest of another lane", "/models/tiny/backtest?lane=what-if")
get("invalid lane", "/models/tiny/backtest?lane=No!")
written = b"<p>backtest.html of r1</p>"
known = reports.Report("backtest", None, "r1", "backtest.html", frozenset({"0" * 64, sha256(written).hexdigest()}))
reports.newest_backtest = lambda url, model, lane, file: known
get("backtest, MLflow down", "/models/tiny/backtest?lane=backtest")
artifact, mlflow.artifact = mlflow.artifact, lambda run_id, path: f"<p>{path} of {run_id}</p>".encode()
get("backtest", "/models/tiny/backtest?lane=backtest")
os.environ["MLFLOW_TRACKING_URI"] = "https://mlflow.example"
for name, poison in {"script": b"<script>alert(1)</script>", "no text": bytes([255, 254]), "deep": b"[" * 10**6, "empty": b""}.items():
    mlflow.artifact = lambda run_id, path: poison
    get(f"backtest poisoned, {name}", "/models/tiny/backtest?lane=backtest")
del os.environ["MLFLOW_TRACKING_URI"]
mlflow.artifact = artifact
back = dict.fromkeys(("challenger_version", "caused_by", "approval", "airflow_run", "mlflow_run_id", "snapshot_uri", "verdict"), None) | {
    "id": 7, "model": "tiny", "lane": "live", "sequence": 3, "as_of": rows[-1].as_of, "kind": "rollback", "reason": "So.",
    "created_at": rows[-1].created_at, "actor": "ann", "asked_because": "", "champion_before": 2, "champion_after": 1,
    "spec": {}, "spec_fingerprint": "f", "trained_through": None, "seed": 7, "code_version": "0", "hash": "h",
    "previous_hash": "g"}
ledger.decision = lambda url, number, models: back
for name, beside in {"between": (5, 9), "newest": (5, None), "only": (None, None)}.items():
    ledger.neighbours = lambda url, model, lane, sequence, beside=beside: beside
    get(f"decision, {name}", "/decisions/7")
ledger.decision = lambda url, number, models: back | {"kind": "decline", "champion_after": 2}
get("declined", "/decisions/7")
ledger.decision = lambda url, number, models: back
check = {"code": "TH301", "title": "Gain sufficient", "status": "pass", "severity": "block", "explanation": "Enough."}
judged = {"rows": 9, "events": 1, "holdout_start": "2025-01-01", "holdout_end": "2025-02-01", "metric": "roc_auc", "champion": None,
          "gain": None, "challenger_metrics": {}, "champion_metrics": {}, "candidate": "line", "checks": [check]}
ledger.decision = lambda url, number, models: back | {"kind": "promote", "challenger_version": 3, "verdict": judged}
for docs in ("", "https://docs.example/"):
    os.environ["TITLEHOLDER_DOCS_URL"] = docs
    get(f"checks, docs at {docs}", "/decisions/7")
several = [check | {"code": code, "status": status, "remedy": "Mend it." if status == "fail" else ""} for code, status in
           (("TH101", "pass"), ("TH205", "beyond"), ("TH302", "not_applicable"), ("TH301", "fail"))]
ledger.decision = lambda url, number, models: back | {
    "kind": "keep", "challenger_version": 3, "verdict": judged | {"checks": several}, "spec": {"task": "classification"}}
get("beyond", "/decisions/7")
recall = {"version": 1, "as_of": "2024-01-01", "trained_through": "2023-04-01", "gain": 0.0061, "risk": 0.012, "checks": [check],
          "metrics_here": {"roc_auc": 0.7654}, "interval_here": None}
reign = {"version": 2, "as_of": "2024-12-01", "trained_through": "2024-03-01", "looks": []}
for name, failed in {"recall": [], "no recall": [check | {"status": "fail", "explanation": "Too low."}]}.items():
    verdict = judged | {"champion": reign, "tolerated_loss": 0.01, "recall": recall | {"checks": failed},
                       "challenger_metrics": {"roc_auc": 0.7}}
    ledger.decision = lambda url, number, models: back | {
        "kind": "keep" if failed else "recall", "challenger_version": 3, "verdict": verdict}
    get(name, "/decisions/7")
for name, forged in {"no number": {"rows": None}, "no checks": {"checks": 5}, "text": {"champion": "<b>x"}, "list": {"challenger_metrics": []},
                     "other": {"recall": {"version": 1}}}.items():
    ledger.decision = lambda url, number, models: back | {"kind": "promote", "challenger_version": 3, "verdict": judged | forged}
    get(f"forged, {name}", "/decisions/7")
mlflow.aliases = lambda max_age=0: mlflow.Aliases({"tiny": 9})
get("alias differs", "/models/tiny")
queries.models = lambda user, session: {name: MODEL._replace(name=name) for name in ("abc", "tiny")}
ledger.live_status = lambda url, models: {name: ledger.LiveStatus(reigned(1), decided(3), decided(3)) for name in models}
mlflow.aliases = lambda max_age=0: mlflow.Aliases({"abc": 1, "tiny": 9})
get("two models")
odd = decided(3, schedule="<b>every day")
ledger.decisions = lambda url, model, lane: [odd]
ledger.live_status = lambda url, models: {name: ledger.LiveStatus(reigned(1), odd, odd) for name in models}
get("forged schedule")
get("forged schedule, model", "/models/tiny")
answer = answers
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every answer: status, text, content security policy."""
    home, nowhere = tmp_path_factory.mktemp("airflow"), "postgresql+psycopg2://nobody:secret@127.0.0.1:9/titleholder"
    return dict(apart.run(home, ASK, TITLEHOLDER_LEDGER_URL=nowhere)[0])


def test_the_state_comes_first_then_one_reason_and_numbers_in_a_fold(answers: dict) -> None:
    status, text, _ = answers["alias differs"]
    assert status == 200
    assert text.index("needs action") < text.index("The alias in MLflow is at version 9") < text.index("Last decision")
    overview = answers["scores, overview"][1]
    assert text.index("needs action") < text.index('<dl class="facts')
    assert '<details class="more"><summary>more</summary>Gain -0.0031.</details>' in overview
    row = overview[overview.index("<tbody>") :]
    assert row.index('class="tag') < row.index("version 1") < row.index("Not better.")


def test_the_model_that_needs_attention_comes_first(answers: dict) -> None:
    text = answers["two models"][1]
    assert re.findall(r'data-label="Model"><a href="/models/(\w+)"', text) == ["tiny", "abc"]
    assert re.search(r"2 models,\s+1 needs attention:\s+<a href=\"/models/tiny\">", text)


def test_every_finding_is_there_the_good_ones_folded(answers: dict) -> None:
    text = answers["scores"][1]
    assert re.search(
        r"<details><summary>3 in order</summary>.*?alias agrees.*?floors hold.*?scores stable", text, re.DOTALL
    )


def test_scores_have_their_state_the_last_success_rows_and_versions(answers: dict) -> None:
    status, text, _ = answers["scores"]
    assert status == 200
    part = text[text.index('<h2 id="scores">') : text.index('<h2 id="age">')]
    for words in (
        "older version",
        "The newest scores are of version 2",
        "2025-03-03 01:00 UTC",
        "1,030",
        "20",
        "21,100",
    ):
        assert words in part
    assert re.findall(r'data-label="Version">version (\d)</th><td data-label="As">(\w+)<', part) == [
        ("2", "champion"), ("1", "champion"), ("3", "challenger")
    ]  # fmt: skip
    assert 'href="/dags/tiny.score/runs/scheduled__2025-03-03"' in part
    assert "<title>as of 2025-03-02: 1,020 rows by version 1</title>" in part
    assert "&lt;script&gt;alert(1)" in part
    assert "<script>alert(1)" not in text
    assert "<b>bob" not in text
    assert re.search(
        r'data-label="Scores" class="nowrap"><a href="/models/tiny#scores">2025-03-03</a>',
        answers["scores, overview"][1],
    )


def test_before_the_first_scores_it_says_how_to_get_some(answers: dict) -> None:
    assert "<code>tiny.score</code> on to score by its schedule" in answers["scoring, none yet"][1]
    assert "The spec has no section <code>scoring</code>" in answers["model without a decision"][1]


def test_the_cost_of_age_has_its_advice_curve_and_table(answers: dict) -> None:
    status, text, _ = answers["advice"]
    assert status == 200
    part = text[text.index('<h2 id="age">') :]
    assert "retrain monthly" in part
    assert part.index("A cost of age is shown") < part.index("In numbers") < part.index("Retrain &lt;script&gt;")
    assert "<script>alert(1)" not in text
    assert "<title>8 to 10 months: +0.0090 (+0.0036 to +0.0144)</title>" in part
    assert '<th scope="row">8 to 10 months</th>' in part
    assert part.count('<th scope="row">') == 7, "five ages and two frequencies"


def in_use(answers: dict, which: str) -> str:
    """The section about monitoring."""
    status, text, _ = answers[f"monitoring, {which}"]
    assert status == 200
    assert "<script>alert(1)" not in text
    return str(text[text.index('<h2 id="monitoring">') : text.index('<h2 id="scores">')])


def test_monitoring_has_its_state_the_budget_the_promise_and_drift_by_feature(answers: dict) -> None:
    part = in_use(answers, "quiet")
    order = [
        "no alarm",
        "at most 5.0%",
        "promise holds",
        "gain still open",
        "Drift by feature",
        "unchanged",
        "Drift in numbers",
    ]
    assert [part.index(words) for words in order] == sorted(part.index(words) for words in order)
    assert re.findall(r'role="img" aria-label="(\w+): unchanged, PSI ([\d.]+)"', part) == [
        ("home", "0.3100"), ("income", "0.0200"), ("score", "0.0100")
    ]  # fmt: skip
    assert "<title>came true, 2025-03-01 to before 2025-04-01: 0.6700 (0.6400 to 0.7000)</title>" in part
    assert "<title>estimated, 2025-03-01 to before 2025-04-01: 0.7100 (0.6900 to 0.7300)</title>" in part
    assert "It assumes that the relation of features and outcome has not changed." in part
    assert "&lt;b&gt;boat&lt;/b&gt; (36)" in part
    assert "style=" not in part


def test_former_champions_have_their_state_the_reason_and_numbers_in_a_fold(answers: dict) -> None:
    part = in_use(answers, "former")
    order = ["no alarm", 'id="promise"', 'id="former"', 'id="drift"']
    assert [part.index(words) for words in order] == sorted(part.index(words) for words in order)
    told, numbers = part[part.index('id="former"') : part.index('id="drift"')].split("Former champions in numbers")
    places = [told.index(f"Version {version}.") for version in (6, 5, 4)]
    assert places == sorted(places)
    assert told.index("promise broken") < told.index("Version 4.") < told.index("gain did not come true")
    assert "More is missing of the promise than is tolerated." in told
    assert "0.6700" in numbers, "what came true, by rows"
    assert "+0.0150 <small>0.0100 tolerated" in numbers
    assert told.count("&lt;script&gt;") == 2
    assert "Former champions" not in in_use(answers, "quiet")


def test_an_alarm_names_what_changed_and_whether_a_retrain_was_asked_for(answers: dict) -> None:
    part = in_use(answers, "alarm")
    assert "drift alarm" in part
    assert "asks for a retrain" in part
    assert part.count("&lt;script&gt;alert(1)") > 5
    assert re.search(r'class="drifted"><svg[^>]+aria-label="home: changed, PSI 0.3100"', part)
    whole = answers["monitoring, alarm"][1]
    assert whole.index("drift alarm") < whole.index('<h2 id="monitoring">'), "in the state at the top too"


def test_what_the_monitor_cannot_say_yet_is_said(answers: dict) -> None:
    assert "Switch <code>tiny.monitor</code> on" in in_use(answers, "none yet")
    assert "has no section <code>monitor</code>" in answers["model without a decision"][1]
    waiting = in_use(answers, "waiting")
    assert "too little to say" in waiting
    assert "Nothing was promised that can be held against what came true." in waiting
    assert "multiples" not in waiting
    assert "The newest look was at version 3; the next one is at the champion." in in_use(answers, "another reign")


@pytest.mark.parametrize("which", ["unreadable", "many", "many former", "odd", "odd spec"])
def test_a_poisoned_report_does_not_take_the_page_down(answers: dict, which: str) -> None:
    part = in_use(answers, which)
    assert len(part) < 500_000
    drawn = re.findall(r'(?:points|[cxy][xy12]?|height|width)="([^"]*)"', part)
    assert not [value for value in drawn if "nan" in value or "inf" in value]
    if which == "unreadable":
        assert "Its report cannot be shown" in part
        assert "drift alarm" in part, "what the ledger has in columns"


@pytest.mark.parametrize("which", ["advice poisoned", "advice huge"])
def test_a_poisoned_advice_does_not_take_the_page_down(answers: dict, which: str) -> None:
    status, text, _ = answers[which]
    assert status == 200
    assert "cannot be shown" in text
    assert "The newest backtest is of another version of Titleholder" in text


def test_a_schedule_that_is_none_takes_no_page_down(answers: dict) -> None:
    """Whoever may append a row wrote it; the overview is of all models."""
    assert [answers[name][0] for name in ("forged schedule", "forged schedule, model")] == [200, 200]
    assert "/models/abc" in answers["forged schedule"][1]


@pytest.mark.parametrize("which", ["no number", "no checks", "text", "list", "other"])
def test_a_decision_of_another_form_is_not_shown_and_says_so(answers: dict, which: str) -> None:
    status, text, policy = answers[f"forged, {which}"]
    assert status == 409
    assert "This decision cannot be shown" in text
    assert "script-src 'self'" in policy


def test_a_declined_rollback_says_who_stays(answers: dict) -> None:
    status, text, _ = answers["declined"]
    assert status == 200
    assert "<h1>Rollback declined, version 2 stays champion</h1>" in text
    assert "tiny on 2025-06-01, lane live." in text


def test_what_the_rule_went_by_stands_below_the_gain(answers: dict) -> None:
    cells = re.findall(r'data-label="Gain" class="nowrap">(.*?)</td>', answers["rules"][1])
    assert [cell.replace("<small>", " | ").replace("</small>", "").replace(MINUS, "-") for cell in cells] == [
        "+0.0100 | -0.0100 to +0.0300 | mean of the reign +0.0139, above -0.0019",
        "+0.0100 | -0.0100 to +0.0300",
        "-0.0100 | -0.0100 to +0.0300 | expected in use +0.0041 (risk 2.1%)",
    ]


def test_what_lies_beyond_a_threshold_stands_above_the_passes_and_is_not_green(answers: dict) -> None:
    status, text, _ = answers["beyond"]
    assert status == 200
    assert re.findall(r'data-label="Code".*?>(TH\d+)<', text) == ["TH301", "TH205", "TH101", "TH302"]
    assert "1 passed, 1 failed, 1 beyond a threshold but not shown to fail, 1 did not apply." in text
    assert re.search(r'class="tag warn"[^>]*>.{0,60}beyond, not shown', text)
    assert "with 1 events" in text
    assert text.count("Enough. Mend it.") == 1


@pytest.mark.parametrize("which", ["daily", "daily, rolled back"])
def test_a_daily_model_has_days_and_its_ticks_are_told_apart(answers: dict, which: str) -> None:
    status, text, _ = answers[which]
    assert status == 200
    assert "ROC AUC by day</h2>" in text
    assert "month" not in text
    assert re.search(r"as of 2025-06-01\s+\(\d+ days ago\)", text)
    chart = text[text.index('aria-label="Metric by day, chart"') :]
    labels = re.findall(r'class="label middle"[^>]*>([^<]+)<', chart)
    assert len(set(labels)) == len(labels) > 3
    assert labels[0] == "2025-06-01"


def test_the_overview_gives_an_age_in_periods_and_a_rollback_the_day_it_was_made(answers: dict) -> None:
    assert re.search(r'title="Since its as-of date, 2025-06-01">\d+ days old</small>', answers["daily, overview"][1])
    assert "as of 2025-06-10</small>" in answers["daily, overview"][1]
    assert "rolled back</a><small>on 2025-06-01</small>" in answers["daily, rolled back, overview"][1]


def test_without_a_model_it_says_how_to_add_one(answers: dict) -> None:
    status, text, _ = answers["no model"]
    assert status == 200
    assert "A model is two files" in text
    for command in ("new my_model --from schema.table", "check my_model"):
        assert f"<code>titleholder {command}</code>" in text


@pytest.mark.parametrize("which", ["ledger down", "model, ledger down"])
def test_without_the_ledger_it_says_what_to_do_and_no_secret(answers: dict, which: str) -> None:
    status, text, policy = answers[which]
    assert status == 503
    assert "The ledger cannot be read" in text
    assert "make up" in text
    assert "secret" not in text
    assert "127.0.0.1" not in text
    assert "default-src 'none'" in policy


def test_before_the_first_decision_it_says_how_to_get_one(answers: dict) -> None:
    assert "none yet" in answers["no decision"][1]
    status, text, _ = answers["model without a decision"]
    assert status == 200
    assert "No champion yet." in text
    assert "No decision yet in the lane live" in text
    assert "backfill it" in text
    assert "<code>titleholder backtest tiny</code> says what age costs it" in text
    assert 'aria-label="Lanes"' not in text


def test_a_retired_model_is_shown_as_retired(answers: dict) -> None:
    assert "none, retired" in answers["retired"][1]
    status, text, _ = answers["retired model"]
    assert status == 200
    assert "<strong>Retired.</strong> There is no champion since" in text
    assert "no product" in text
    assert 'class="mark withdraw"' in text


def test_a_model_with_decisions_in_another_lane_only_links_there(answers: dict) -> None:
    assert 'href="/models/tiny?lane=backtest"' in answers["backfilled only"][1]


def test_decisions_are_filtered(answers: dict) -> None:
    counts = {name: answers[name][1].split(' role="status">')[1].split(" decisions")[0] for name in
              ("all", "kinds", "words", "replaced", "by", "recalls", "nothing")}  # fmt: skip
    assert counts == {
        "all": "5 of 5", "kinds": "2 of 5", "words": "1 of 5", "replaced": "6 of 6", "by": "1 of 6", "recalls": "1 of 5",
        "nothing": "0 of 5",
    }  # fmt: skip
    assert "No decision matches the filter." in answers["nothing"][1]


def test_a_lane_without_decisions_is_not_found(answers: dict) -> None:
    assert answers["another lane"][0] == 404


def test_charts_have_labels_and_every_mark_links_to_its_decision(answers: dict) -> None:
    text = answers["all"][1]
    assert 'aria-label="2 reigns and 5 decisions over time; the tables below list them all"' in text
    assert 'aria-label="Version 2 reigned from 2025-03-01 to now"' in text
    for number in (1, 2, 3, 5, 6):
        assert f'href="/decisions/{number}"' in text
    legend = text.split('aria-label="Key">')[1].split("</ul>")[0]
    shapes = re.findall(r'class="mark (\w+)".*?</svg> (\w+)</li>', legend, re.DOTALL)
    assert shapes == [(kind, kind) for kind in ("promote", "keep", "rollback", "retire", "recall")]
    assert "style=" not in text, "the policy forbids inline styles"


def test_a_backtest_is_its_report_in_a_sandbox(answers: dict) -> None:
    status, text, policy = answers["backtest"]
    assert (status, text) == (200, "<p>backtest.html of r1</p>")
    assert "sandbox allow-popups" in policy
    assert "script-src" not in policy, "nothing but default-src 'none'"
    assert 'src="/models/tiny/backtest?lane=backtest"' in answers["all"][1]


def test_a_report_that_is_not_what_was_written_is_not_shown(answers: dict) -> None:
    found = [answer for name, answer in answers.items() if name.startswith("backtest poisoned")]
    assert len(found) == 4
    for status, text, policy in found:
        assert status == 409
        assert "Not shown: this file in MLflow is not what was written" in text
        assert 'href="https://mlflow.example/#/runs/r1"' in text, "whoever wants to see it"
        assert "alert(1)" not in text
        assert "unsafe" not in policy


def test_without_a_backtest_it_says_how_to_get_one(answers: dict) -> None:
    status, text, policy = answers["no backtest"]
    assert status == 200
    assert "<code>titleholder backtest tiny</code> answers whether retraining was worth it" in text
    assert "sandbox" not in policy
    assert "<code>titleholder backtest tiny --lane what-if</code>" in answers["no backtest of another lane"][1]
    assert answers["invalid lane"][0] == 404


def test_a_backtest_that_mlflow_does_not_give_is_no_error_of_the_page(answers: dict) -> None:
    status, text, _ = answers["backtest, MLflow down"]
    assert status == 502
    assert "MLFLOW_TRACKING_URI is not set" in text
    assert "Everything else on this page comes from the ledger." in text


def test_a_check_links_to_its_section_where_the_documentation_is_known(answers: dict) -> None:
    assert "<code>TH301</code>" in answers["checks, docs at "][1]
    section = 'href="https://docs.example/checks.md#th301-gain-sufficient"'
    assert section in answers["checks, docs at https://docs.example/"][1]
    assert "https://docs" not in answers["checks, docs at "][1]


def test_a_decision_links_to_its_neighbours(answers: dict) -> None:
    links = {name: re.findall(r'href="/decisions/(\d+)" rel="(prev|next)"', answers[f"decision, {name}"][1])
             for name in ("between", "newest", "only")}  # fmt: skip
    assert links == {"between": [("5", "prev"), ("9", "next")], "newest": [("5", "prev")], "only": []}


def test_a_recall_names_the_version_that_came_back_and_links_to_both(answers: dict) -> None:
    status, text, _ = answers["recall"]
    assert status == 200
    assert (
        "<h1>Version 1, trained earlier, became champion in place of version 2; the new version 3 did not</h1>" in text
    )
    assert "Recalled, version 1" in text
    assert "0.7654" in text, "the metric of the version that became champion"
    assert "Version 1, of the run as of 2024-01-01, is expected to do better in use than the champion by" in text
    assert (
        "<strong>0.0061</strong>, on the record of all versions; probability of a loss of more than 0.01: 1.2%." in text
    )
    assert "Model version 3" in text
    assert "Recalled version 1" in text


def test_a_former_version_that_was_not_recalled_is_named_with_what_it_lacks(answers: dict) -> None:
    _, text, _ = answers["no recall"]
    assert "<h1>Version 2 kept, version 3 not promoted</h1>" in text
    assert "It is not fit for use now: Too low." in text
    assert "Recalled version" not in text


def test_what_is_between_backticks_is_code(answers: dict) -> None:
    text = answers["alias differs"][1]
    assert "<code>titleholder audit tiny --repair</code> or the next run repairs it." in text
    assert "`" not in text
