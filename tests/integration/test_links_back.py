"""Ways back: from MLflow to the Airflow run that made something, and to the decision about it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support import retraining
from support.succession_world import write_model
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.payloads import Challenger, Origin

pytestmark = pytest.mark.slow
MODEL = "tiny_linked"
PAGES = "https://x.org/airflow/plugin/champions/airflow/titleholder/decisions/"
NOTE = "mlflow.note.content"


@pytest.fixture(autouse=True)
def models(env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path, MODEL)
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))


def address(run: str) -> str:
    return f"https://x.org/airflow/dags/{MODEL}.retrain/runs/{run}"


def challenge(as_of: date, run: str, settings: Settings, lane: str = "live") -> Challenger:
    origin = Origin(actor="tester")
    if run:
        origin = Origin(actor="tester", airflow_run=f"{MODEL}.retrain/{run}", url=address(run), decisions=PAGES)
    return retraining.challenge(MODEL, as_of, lane, settings, origin=origin, candidates=["scorecard"])


def decide(challenger: Challenger, settings: Settings) -> Decision:
    """The decision with its report."""
    decision = retraining.settle(challenger, settings)
    steps.report(decision.id, origin=challenger.snapshot.origin, settings=settings)
    return decision


def test_everything_in_mlflow_leads_back_from_its_first_moment(settings: Settings) -> None:
    challenger = challenge(date(2024, 1, 1), "one", settings)
    client = MlflowClient(settings.tracking_uri)
    run, fit = (client.get_run(r).data.tags for r in (challenger.snapshot.run_id, challenger.nominee.run_id))
    version = client.get_model_version(MODEL, str(challenger.version))
    back = f"[Airflow run]({address('one')})"
    for tags in (run, fit, version.tags):
        assert tags["titleholder.airflow_url"] == address("one")
    assert run[NOTE] == f"Retrains {MODEL} as of 2024-01-01 (lane live). {back}"
    assert fit[NOTE] == back
    assert version.description.endswith(back)

    row = decide(challenger, settings)
    links = f"{back} · [Decision {row.id}]({PAGES}{row.id})"
    note = client.get_run(row.mlflow_run_id).data.tags[NOTE]
    assert note.startswith("[Model card](")
    assert note.splitlines()[0].endswith(links)
    assert client.get_model_version(MODEL, str(row.challenger_version)).description.endswith(links)
    card = Path(client.download_artifacts(row.mlflow_run_id, f"card-{row.id}.html")).read_text()
    assert f'href="{address("one")}"' in card
    assert f'href="{PAGES}{row.id}"' in card


def test_a_decision_leads_to_the_run_that_wrote_it_whichever_run_reports_it_again(settings: Settings) -> None:
    """A second Airflow run of the same month finds the first one's decision."""
    row = decide(challenge(date(2024, 2, 1), "one", settings), settings)
    again = challenge(date(2024, 2, 1), "two", settings)
    client = MlflowClient(settings.tracking_uri)
    note = client.get_run(row.mlflow_run_id).data.tags[NOTE]
    assert f"[Airflow run]({address('one')})" in note, "the note of a decided run stays"
    rows = store.read(settings.ledger_url, MODEL, "live")
    assert decide(again, settings) == row
    assert store.read(settings.ledger_url, MODEL, "live") == rows
    tags = client.get_run(row.mlflow_run_id).data.tags
    assert f"[Airflow run]({address('one')})" in tags[NOTE].splitlines()[0]
    assert tags["titleholder.airflow_url"] == address("two"), "the run that looked at it last"


def test_a_month_that_is_re_judged_leads_to_its_own_run_and_to_what_caused_it(settings: Settings) -> None:
    later = decide(challenge(date(2024, 3, 1), "march", settings, "re-judged"), settings)
    cause = decide(challenge(date(2024, 2, 1), "february", settings, "re-judged"), settings)
    note = MlflowClient(settings.tracking_uri).get_run(later.mlflow_run_id).data.tags[NOTE]
    again = store.read(settings.ledger_url, MODEL, "re-judged")[-1]
    assert (again.as_of, again.airflow_run) == (later.as_of, f"{MODEL}.retrain/march")
    assert again.caused_by == cause.id
    assert f"[Airflow run]({address('march')}) · [Decision {again.id}]" in note.splitlines()[0]


def test_without_airflow_nothing_is_linked(settings: Settings) -> None:
    row = decide(challenge(date(2024, 1, 1), "", settings, "by-hand"), settings)
    client = MlflowClient(settings.tracking_uri)
    assert "Airflow run]" not in client.get_run(row.mlflow_run_id).data.tags[NOTE]
    assert client.get_model_version(MODEL, str(row.challenger_version)).description.endswith("before 2023-09-01.")
