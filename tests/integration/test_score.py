"""The champion as its consumers use it: `titleholder score`, and `mlflow.pyfunc` in a process without this package."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psycopg2
import pytest
import requests
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner, Result

from support.retraining import retrain
from support.stacks import MODELS, tiny_rows
from titleholder.cli.main import app
from titleholder.data import table_names
from titleholder.errors import ContractError, DataError, UsageError
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE

pytestmark = pytest.mark.slow
MODEL, FEATURES = "scored", ["signal", "noise", "price", "kind"]


@pytest.fixture
def models(env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one model of its own: these tests need a live champion."""
    text = (MODELS / "tiny.yaml").read_text().replace("name: tiny", f"name: {MODEL}").replace("tiny.sql", "scored.sql")
    (tmp_path / "scored.yaml").write_text(text)
    (tmp_path / "scored.sql").write_text((MODELS / "tiny.sql").read_text())
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    return tmp_path


@pytest.fixture
def champion(models: Path, settings: Settings) -> Decision:
    """The decision that made the live champion; a second call of the same run finds it."""
    decision = retrain(MODEL, date(2024, 1, 1), LIVE, settings)
    assert decision.champion_after == decision.challenger_version
    return decision


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["score", MODEL, *words])


def expected(champion: Decision, rows: pd.DataFrame, settings: Settings) -> np.ndarray:
    logged = champion.nominee.model
    pipeline = Registry(settings.tracking_uri).models.read(logged.uri, logged.sha256, ModelSpec.restore(champion.spec))
    return np.asarray(pipeline.predict_proba(rows[FEATURES].astype({"kind": object}))[:, 1])


def test_a_table_a_query_and_files_are_scored_alike(champion: Decision, settings: Settings, tmp_path: Path) -> None:
    rows = tiny_rows().head(300)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_csv(tmp_path / "german.csv", index=False, sep=";", decimal=",")
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    (tmp_path / "rows.sql").write_text("select * from tiny order by id limit 300 -- newest last")
    wanted = expected(champion, rows, settings)
    german = ("--delimiter", ";", "--decimal", ",")
    for source, how in (("rows.csv", ()), ("german.csv", german), ("rows.parquet", ()), ("rows.sql", ())):
        out = tmp_path / f"{source}.scores.parquet"
        done = invoke("--input", str(tmp_path / source), "--output", str(out), "--json", *how)
        assert done.exit_code == 0, (done.output, done.exception)
        said = json.loads(done.stdout)
        assert (said["version"], said["rows"]) == (champion.challenger, 300)
        scores = pd.read_parquet(out).sort_values("id", key=lambda ids: ids.astype(int))
        assert [*scores.columns] == ["id", "score", "model_version"]
        np.testing.assert_allclose(scores["score"], wanted, rtol=0, atol=1e-12)
        assert {*scores["model_version"]} == {champion.challenger}
    whole = json.loads(invoke("--input", "tiny", "--json").stdout)
    assert len(whole["scores"]) == len(tiny_rows())
    assert "0." in invoke("--input", "public.tiny").stdout


SCORING = """
scoring:
  query: scored.sql
  window: 1 day
  reasons: 1
  reason_texts: {signal: The signal is strong}
"""


def test_a_file_gets_a_column_for_each_reason(champion: Decision, models: Path, tmp_path: Path) -> None:
    rows = tiny_rows().head(50)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ("--input", str(tmp_path / "rows.csv"), "--reasons", "3")
    named = json.loads(invoke(*words, "--json").stdout)["scores"]
    assert list(named[0]) == ["id", "score", "model_version", "reason_1", "reason_2", "reason_3"]
    assert {row["reason_1"] for row in named} <= {*FEATURES, ""}
    strongest = max(range(50), key=lambda n: rows["signal"].iloc[n])
    assert named[strongest]["reason_1"] == "signal"
    spec = models / "scored.yaml"
    spec.write_text(spec.read_text() + SCORING)
    for name in ("scores.csv", "scores.parquet"):
        done = invoke(*words, "--output", str(tmp_path / name))
        assert done.exit_code == 0, (done.output, done.exception)
        read = (
            pd.read_csv(tmp_path / name, keep_default_na=False)
            if name.endswith("csv")
            else pd.read_parquet(tmp_path / name)
        )
        wanted = [row["reason_1"].replace("signal", "The signal is strong") for row in named]
        assert read["reason_1"].tolist() == wanted
    spec.write_text(spec.read_text().replace(SCORING, SCORING.replace("1 day", "1 day\n  reasons_for: low")))
    low = json.loads(invoke(*words, "--json").stdout)["scores"]
    assert low[strongest]["reason_1"] != "The signal is strong"
    failed = invoke("--as-of", "2024-03-01", "--reasons", "3").exception
    assert "--reasons goes with --input" in str(failed)


def test_integers_are_numbers_and_a_category_never_seen_is_scored(champion: Decision, tmp_path: Path) -> None:
    rows = tiny_rows().head(5).assign(price=[1, 2, 3, 4, 5], kind="violet")
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    done = json.loads(invoke("--input", str(tmp_path / "rows.parquet"), "--json").stdout)
    assert all(0 < row["score"] < 1 for row in done["scores"])
    (unseen,) = done["unseen"]
    assert (unseen["feature"], unseen["rows"], unseen["of"], unseen["example"]) == ("kind", 5, 5, "violet")
    out = str(tmp_path / "scores.csv")
    said = invoke("--input", str(tmp_path / "rows.parquet"), "--output", out).stderr
    assert (
        "Note: kind: 5 of 5 rows have a category that no training row had, such as 'violet'; the model knows '" in said
    )


def test_a_file_without_rows_has_no_scores_but_their_columns(champion: Decision, tmp_path: Path) -> None:
    tiny_rows().head(0).to_csv(tmp_path / "rows.csv", index=False)
    for name, read in (("scores.csv", pd.read_csv), ("scores.parquet", pd.read_parquet)):
        done = invoke(
            "--input", str(tmp_path / "rows.csv"), "--reasons", "1", "--output", str(tmp_path / name), "--json"
        )
        assert (done.exit_code, json.loads(done.stdout)["rows"]) == (0, 0)
        assert [*read(tmp_path / name)] == ["id", "score", "model_version", "reason_1"]
    assert json.loads(invoke("--input", str(tmp_path / "rows.csv"), "--json").stdout)["scores"] == []


def test_a_query_with_parameters_is_that_of_the_spec(champion: Decision, tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text("select * from tiny where issued_at < :as_of")
    failed = invoke("--input", str(tmp_path / "rows.sql")).exception
    assert isinstance(failed, UsageError)
    assert "binds :as_of, which have no values here; the scoring query of the spec is run with --as-of" in str(failed)


def test_everything_that_is_wrong_with_rows_is_one_error_and_nothing_is_written(
    champion: Decision, tmp_path: Path
) -> None:
    rows = tiny_rows().head(5).drop(columns=["noise"]).astype({"price": object, "signal": object})
    rows.loc[3, "price"], rows.loc[1, "signal"] = "cheap", "strong"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "scores.csv"
    out.write_text("of yesterday")
    failed = invoke("--input", str(tmp_path / "rows.csv"), "--output", str(out)).exception
    assert isinstance(failed, ContractError)
    assert "noise: the column is missing" in str(failed)
    assert "price: 1 value is no number, such as 'cheap' in row 4" in str(failed)
    assert "signal: 1 value is no number, such as 'strong' in row 2" in str(failed)
    assert out.read_text() == "of yesterday"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--input", "my rows"], "is not a file (.csv"),
        (["--input", "no_such.csv"], "cannot be read"),
        (["--input", "no_such.parquet"], "cannot be read"),
        (["--input", "no_such.sql"], "cannot be read"),
        (["--input", "tinny"], "no table 'public.tinny' that this connection may see. Did you mean 'public.tiny'?"),
        (["--input", "tiny", "--output", "scores.xlsx"], "ends with .csv or .parquet"),
        (["--input", "tiny", "--output", "nowhere/scores.csv"], "no folder nowhere"),
        (["--input", "tiny", "--version", "999"], "never was champion"),
        (["--input", "tiny", "--decimal", ","], "--decimal are for CSV files"),
        (["--as-of", "2024-01-01", "--decimal", ","], "--decimal goes with --input"),
    ],
)
def test_what_cannot_be_read_is_named(champion: Decision, words: list[str], why: str) -> None:
    failed = invoke(*words).exception
    assert isinstance(failed, UsageError | DataError)
    assert why in str(failed)


def test_a_table_without_a_schema_is_the_first_of_the_search_path(env: dict[str, str]) -> None:
    with psycopg2.connect(env["AIRFLOW_CONN_WAREHOUSE"]) as connection, connection.cursor() as cursor:
        assert table_names.find(cursor, "tiny", "--input").name == "public.tiny"
        cursor.execute("SET LOCAL search_path TO information_schema, public")
        assert table_names.find(cursor, "tables", "--input").name == "information_schema.tables"
        assert table_names.find(cursor, "tiny", "--input").name == "public.tiny"
        with pytest.raises(UsageError, match=r"--input: no table 'public\.tables' that"):
            table_names.find(cursor, "public.tables", "--input")
    connection.close()


def test_a_model_without_a_champion_says_so(models: Path) -> None:
    (models / "uncrowned.yaml").write_text(
        (models / "scored.yaml").read_text().replace(f"name: {MODEL}", "name: uncrowned")
    )
    failed = CliRunner().invoke(app, ["score", "uncrowned", "--input", "tiny"]).exception
    assert isinstance(failed, UsageError)
    assert "uncrowned has no live champion" in str(failed)


CONSUMER = """
import sys
sys.modules["titleholder"] = None
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/scored@champion")
print(*map(repr, model.predict(pd.read_parquet(sys.argv[1]))))
"""


def test_a_consumer_needs_mlflow_alone_and_gets_one_number_a_row(
    champion: Decision, settings: Settings, tmp_path: Path
) -> None:
    rows = tiny_rows().head(7)
    rows[FEATURES].to_parquet(tmp_path / "rows.parquet", index=False)
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", CONSUMER, str(tmp_path / "rows.parquet")]
    env = {**known, "MLFLOW_TRACKING_URI": settings.tracking_uri}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answered = [float(text.removeprefix("np.float64(").rstrip(")")) for text in done.stdout.split()]
    np.testing.assert_allclose(answered, expected(champion, rows, settings), rtol=0, atol=1e-12)


def test_the_python_of_the_documentation_scores_rows(
    champion: Decision, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "use-the-champion.md").read_text(encoding="utf-8")
    plain, verified = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "scores =" in block)
    rows = tiny_rows().head(7)
    rows[FEATURES].to_parquet(tmp_path / "applications.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in (plain, verified):
        own = block.replace("http://127.0.0.1:5000", settings.tracking_uri).replace("my_model", MODEL)
        exec(own.replace('"amount"', '"price"'), names)
        np.testing.assert_allclose(names["scores"], expected(champion, rows, settings), rtol=0, atol=1e-12)
    assert len(names["reasons"]) == len(rows)


def test_the_signature_refuses_what_it_does_not_know_in_one_sentence(champion: Decision, settings: Settings) -> None:
    mlflow.set_tracking_uri(settings.tracking_uri)
    served = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    rows = tiny_rows().head(3)[FEATURES]
    with pytest.raises(MlflowException, match=r"missing inputs \['noise'\]"):
        served.predict(rows.drop(columns=["noise"]))
    with pytest.raises(MlflowException, match="column price. Can not safely convert int64 to float64"):
        served.predict(rows.assign(price=[1, 2, 3]))


def test_mlflow_serves_it_as_json(champion: Decision, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    rows = tiny_rows().head(4)
    folder = Path(sys.executable).parent  # as an activated environment has it: MLflow calls uvicorn by name
    command = [str(folder / "mlflow"), "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", f"models:/{MODEL}@champion", "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "MLFLOW_TRACKING_URI": settings.tracking_uri}
    server = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        answer = asked(
            f"http://127.0.0.1:{port}", json.loads(rows[FEATURES].to_json(orient="records", double_precision=15))
        )
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    np.testing.assert_allclose(answer, expected(champion, rows, settings), rtol=0, atol=1e-12)


def asked(address: str, records: list[dict[str, object]]) -> list[float]:
    """What the server answers, once it does."""
    for _ in range(300):
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.post(f"{address}/invocations", json={"dataframe_records": records}, timeout=30)
            answer.raise_for_status()
            return list(answer.json()["predictions"])
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
