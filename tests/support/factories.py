"""Small valid things, made in memory: a spec, the rows it wants, a verdict. Each test bends one part of one of them."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from dateutil.relativedelta import relativedelta

from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.snapshots import Extract
from titleholder.ledger.decision import Decision
from titleholder.ledger.nominee import LoggedModel, Nominee
from titleholder.ledger.queries import LaneSummary
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, intervals
from titleholder.validation.checks import CHECKS
from titleholder.validation.checks.base import Result, Severity, Status
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Gain
from titleholder.validation.outlook import Expectation, Outlook
from titleholder.validation.verdict import Recall, Reign, Verdict

SQL = "select * from t where a >= :window_start and a < :window_end and k <= :as_of"

YAML = """\
name: small
owner: credit-risk
schedule: "@monthly"
start_date: 2020-01-01
source:
  connection: warehouse
  query: small.sql
columns:
  entity: loan_id
  event_time: issued_at
  known_at: known_at
  target: bad
  numeric: [income, debt]
  categorical: [purpose]
  segments: [region]
  protected: [age_band]
task: classification
windows:
  label_maturity: 6 months
  train: 12 months
  holdout: 3 months
training:
  seed: 7
  minimum_rows: 20
  search: {trials: 2, folds: 2}
  candidates:
    line:
      estimator: sklearn.linear_model.LogisticRegression
      params: {max_iter: 500}
      search: {C: {low: 0.01, high: 10, log: true}}
    trees:
      estimator: sklearn.ensemble.HistGradientBoostingClassifier
      params: {max_iter: 5, min_samples_leaf: 5}
judgement:
  metric: roc_auc
  rule: fresh
  minimum_events: 5
  resamples: 100
  floors: {roc_auc: 0.55}
promotion:
  approval: automatic
"""

AS_OF = date(2024, 7, 1)

_DATA = {**yaml.safe_load(YAML), "start_date": "2020-01-01", "sql": SQL}


def a_spec(**changes: Any) -> ModelSpec:
    """The small spec with parts replaced: `a_spec(judgement__metric="brier")` sets one key inside a part."""
    data = copy.deepcopy(_DATA)
    for path, value in changes.items():
        *parents, key = path.split("__")
        part = data
        for parent in parents:
            part = part[parent]
        part[key] = value
    return ModelSpec.restore(data)


def a_regression(**changes: Any) -> ModelSpec:
    """The small spec as a regression, judged by RMSE."""
    whole: dict[str, Any] = {
        "task": "regression",
        "training__candidates": {"line": {"estimator": "sklearn.linear_model.Ridge"}},
        "judgement__metric": "rmse",
        "judgement__floors": {},
    }
    return a_spec(**{**whole, **changes})


def with_candidate(**candidate: Any) -> ModelSpec:
    """The small spec with one candidate, named `it`."""
    return a_spec(training__candidates={"it": candidate})


def a_score_run(number: int = 1, **parts: Any) -> ScoreRun:
    """A champion's scoring run in the live lane."""
    whole: dict[str, Any] = dict.fromkeys(ScoreRun.model_fields, "x") | {
        "id": number, "lane": "live", "role": "champion", "version": 1, "decision": 1, "rows": 1,
        "as_of": date(2024, 3, 1), "window_start": date(2024, 1, 1), "created_at": datetime(2024, 3, 1, tzinfo=UTC),
        "reasons_for": "", "reason_texts": {},
    }  # fmt: skip
    return ScoreRun(**(whole | parts))


def spans_of(spec: ModelSpec, as_of: date = AS_OF) -> Intervals:
    return intervals(spec, as_of)


def rows(spec: ModelSpec | None = None, n: int = 120, seed: int = 0) -> pd.DataFrame:
    """`n` rows that keep the contract of the small spec as of `AS_OF`, in order of time; debt makes bad likelier."""
    spec = spec or a_spec()
    spans = spans_of(spec)
    rng = np.random.default_rng(seed)
    debt = rng.normal(size=n)
    risk = debt + rng.normal(size=n)
    bad = (risk > 0).astype("int64") if spec.task == "classification" else risk
    time = pd.date_range(spans.train_start, spans.matured, periods=n + 1, tz="UTC", inclusive="left", unit="us")
    return pd.DataFrame(
        {
            "loan_id": np.arange(n),
            "issued_at": time,
            "known_at": time + pd.Timedelta(days=30),
            "bad": bad,
            "income": rng.lognormal(10, 0.5, size=n),
            "debt": debt,
            "purpose": pd.Series(rng.choice(["car", "home", "trip"], size=n), dtype="str"),
            "region": pd.Series(rng.choice(["north", "south"], size=n), dtype="str"),
            "age_band": pd.Series(rng.choice(["young", "old"], size=n), dtype="str"),
        }
    )


def stored(frame: pd.DataFrame, before: int = 0) -> LazyFrame:
    """The same rows in a snapshot that has so many others before them."""
    whole = frame.iloc[np.r_[np.zeros(before, dtype=int), np.arange(len(frame))]]
    file, table = BytesIO(), pa.Table.from_pandas(whole, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(), file, row_group_size=50)  # without types of pandas
    extract = Extract("snapshot.parquet", "snapshot", pa.BufferReader(file.getvalue()))
    return LazyFrame(extract, np.arange(before, len(whole)))


REIGN = Reign(version=3, as_of=date(2024, 6, 1), trained_through=date(2023, 9, 1), judged_through=date(2023, 12, 1))


def evidence(spec: ModelSpec | None = None, *, events: int = 20, **parts: Any) -> Evidence:
    """Evidence over 50 rows of the holdout with `events` positives, or over as many as `y` has; all scores are 0.5.

    The rows are those of `rows`, whose features know nothing of `y`; no champion and nothing optional unless given.
    """
    spec = spec or a_spec()
    y = parts.pop("y", np.r_[np.ones(events), np.zeros(50 - events)])
    spans = spans_of(spec)
    time = pd.date_range(spans.holdout_start, spans.matured, periods=len(y) + 1, tz="UTC", inclusive="left", unit="us")
    whole: dict[str, Any] = {
        "candidate": next(iter(spec.training.candidates)),
        "frame": rows(spec, n=max(len(y), 1)).head(len(y)).assign(issued_at=time[: len(y)], bad=y),
        "y": y,
        "challenger": np.full(len(y), 0.5),
    }
    return Evidence(spec=spec, **{**whole, **parts})


def result(code: str, status: Status = "pass", severity: Severity = "block", explanation: str | None = None) -> Result:
    about: dict[str, Any] = {"subject": CHECKS[code].subject, "role": CHECKS[code].role} if code in CHECKS else {}
    return Result(
        code=code, title=code, severity=severity, status=status, numbers={}, explanation=explanation or f"{code} said.",
        **about,
    )  # fmt: skip


def a_verdict(*checks: Result, champion: Reign | None = REIGN, **parts: Any) -> Verdict:
    whole: dict[str, Any] = {
        "holdout_start": date(2023, 10, 1),
        "holdout_end": date(2024, 1, 1),
        "rows": 1234,
        "events": 100,
        "metric": "roc_auc",
        "challenger_metrics": {"roc_auc": 0.71, "brier": 0.12},
        "champion_metrics": {"roc_auc": 0.7, "brier": 0.13} if champion else {},
        "gain": Gain(0.01, 0.001, 0.019, "DeLong", 0.0046, 400.0) if champion else None,
        "tolerated_loss": 0.01 if champion else None,
        "confidence": 0.95,
    }
    return Verdict(champion=champion, checks=checks, **{**whole, **parts})


def a_recall_of(version: int = 1, *failed: Result, **parts: Any) -> Recall:
    """What a verdict says of a former version, by default of January's, which is fit for use without `failed`."""
    whole: dict[str, Any] = {
        "as_of": date(2024, 1, 1),
        "trained_through": date(2023, 4, 1),
        "gain": 0.0061,
        "risk": 0.012,
    }
    return Recall(version=version, checks=failed, **{**whole, **parts})


def an_outlook(gain: float = 0.0041, risk: float = 0.021, **parts: Any) -> Outlook:
    """What the record of 9 versions and 14 cohorts says of a challenger; nothing of a former version."""
    known = {
        "cohorts": 14, "versions": 9, "events": 60, "unit": 0.01, "year": 0.0123, "challenger": Expectation(gain, risk),
        "ranking": (4, 3, 2), "tolerated_loss": 0.01, "minimum_gain": 0.0, "confidence": 0.95,
    }  # fmt: skip
    return Outlook.model_validate(known | parts)


def a_nominee(name: str = "line", run_id: str = "x", *, model: str = "", twin: str = "") -> Nominee:
    """A trained candidate, whose model is at `models:/<model>` (by default its name), and a twin's at `models:/<twin>`."""
    ids = filter(None, (model or name, twin))
    logged = [LoggedModel(uri=f"models:/{of}", sha256={"model.skops": f"hash of {of}"}) for of in ids]
    return Nominee(name=name, run_id=run_id, model=logged[0], twin=logged[1] if twin else None)


def a_decision(sequence: int = 1, **parts: Any) -> Decision:
    """A row of the live lane: by default a promotion of version `sequence` as of the first of the `sequence`-th month."""
    as_of = parts.pop("as_of", None) or date(2024, sequence, 1)
    spec = a_spec()
    whole: dict[str, Any] = {
        **dict.fromkeys(("run_key", "snapshot_uri", "snapshot_sha256", "spec_fingerprint"), "x"),
        **dict.fromkeys(("judgement_fingerprint", "reign_fingerprint", "code_version", "training_run_id"), "x"),
        **dict.fromkeys(("mlflow_run_id", "airflow_run", "actor", "written_by", "seal", "previous_hash", "hash"), "x"),
        "model": "small",
        "lane": "live",
        "kind": "promote",
        "challenger_version": sequence,
        "champion_before": None,
        "champion_after": sequence,
        "trained_through": as_of - relativedelta(months=9),
        "spec": spec.model_dump(mode="json"),
        "verdict": a_verdict(),
        "spans": spans_of(spec, as_of),
        "nominees": (a_nominee(run_id=parts.get("training_run_id", "x")),),
        "seed": 7,
        "reason": "Because. And so on.",
        "created_at": datetime(as_of.year, as_of.month, as_of.day, 6, tzinfo=UTC),
    }
    return Decision(**{**whole, **parts}, as_of=as_of, id=100 + sequence, sequence=sequence)


def a_lane(name: str, state: str = "") -> LaneSummary:
    """A lane with one decision, of January."""
    made = a_decision(1)
    return LaneSummary(name, 1, 1, made.as_of, made.as_of, made.created_at, state)


def a_recall(sequence: int, before: int, after: int, **parts: Any) -> Decision:
    """A row whose challenger is version `sequence` and which makes the former version `after` champion."""
    champions = {"champion_before": before, "champion_after": after}
    verdict = parts.pop("verdict", a_verdict(recall=a_recall_of(after)))
    return a_decision(sequence, kind="recall", verdict=verdict, **champions, **parts)


def a_rollback(sequence: int, before: int, after: int | None, **parts: Any) -> Decision:
    """A row that gives `after` the place of `before` back."""
    judged: dict[str, Any] = {"challenger_version": None, "verdict": None, "spans": None}
    return a_decision(
        sequence, kind=parts.pop("kind", "rollback"), champion_before=before, champion_after=after, asked_because="it is bad", **judged,
        **parts,
    )  # fmt: skip
