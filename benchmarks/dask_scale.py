"""Training beyond one machine's memory: time, and peak memory of each process, by rows and engine.

    python benchmarks/dask_scale.py prepare FOLDER --rows 1000000           # the snapshot, once
    python benchmarks/dask_scale.py run FOLDER --rows 1000000 --engine memory dask disk
    python benchmarks/dask_scale.py compare FOLDER --rows 300000 --candidate lightgbm --engine memory dask

The rows are those of `scale.py`: 26 numbers, of which three have gaps, and 4 categories, four fifths of them for
training. XGBoost, 50 trees of depth 5, two folds: three fits. Or a scorecard, whose C is searched in five trials:
eleven fits, each on one worker. The steps `train`, `validate` and `promote` run against a stack of their own, each in a
process of its own (`compare` fits alone, in one process, and compares the scores of the holdout with those of the first
engine); the Dask cluster is a scheduler and two workers of one thread and 2 GB each, as processes. The yardstick is the
same spec without an engine, where that fits.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import scale
from measurement import forget_peak, memory

CANDIDATES: dict[str, dict[str, Any]] = {
    "xgboost": {"estimator": "xgboost.XGBClassifier", "params": {"n_estimators": 50, "max_depth": 5}},
    "lightgbm": {
        "estimator": "lightgbm.LGBMClassifier",
        "params": {"n_estimators": 50, "max_depth": 5, "num_leaves": 31, "verbose": -1},
    },
    "scorecard": {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "params": {"max_iter": 500},
        "search": {"C": {"low": 0.01, "high": 10, "log": True}},
    },
}
LIMIT = "2GB"
ORIGIN = {"actor": "bench"}


def spec(engine: str, address: str, candidate: str) -> Any:
    """The model, trained by this engine; `memory` and `bins` are none, the latter with a few bins less."""
    from titleholder.spec.model import ModelSpec

    known = {"dask": {"dask": address}, "disk": "external_memory"}
    data, chosen = scale.spec().model_dump(mode="json"), dict(CANDIDATES[candidate])
    if engine == "bins":
        chosen["params"] = {**chosen["params"], "max_bin": 250}
    training = {
        "seed": 7, "search": {"folds": 2, "trials": 5}, "engine": known.get(engine), "candidates": {candidate: chosen},
    }  # fmt: skip
    return ModelSpec.restore({**data, "training": training})


def prepare(folder: Path, rows: int) -> None:
    """Write the snapshot."""
    (folder / str(rows)).mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    scale.write(folder / str(rows), rows)
    print(f"{rows:,} rows written in {time.perf_counter() - began:.0f} s")


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[str]:
    """A scheduler and workers, each a process; their address."""
    with socket.socket() as free, ExitStack() as running:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        address = f"tcp://127.0.0.1:{port}"
        dask = [sys.executable, "-m", "dask"]
        log = running.enter_context((folder / "dask.log").open("ab"))

        def start(*command: str) -> None:
            process = subprocess.Popen([*dask, *command], stdout=log, stderr=log, cwd=folder)
            running.callback(process.wait)
            running.callback(process.terminate)

        start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        for _ in range(workers):
            start("worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--memory-limit", LIMIT,
                  "--no-dashboard", "--local-directory", str(folder))  # fmt: skip
        yield address


def workers_memory(address: str, count: int, *, begin: bool) -> list[float]:
    """The peaks of the workers, in MB; with `begin` they begin anew, once all workers are there."""
    from distributed import Client

    def peak(anew: bool) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        found = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        return found

    with Client(address, timeout=60) as client:
        client.wait_for_workers(count, timeout=60)
        return list(client.run(peak, begin).values())


def snapshot(folder: Path, rows: int, taken: Any, lane: str) -> dict[str, Any]:
    """What `extract` would hand on, for a snapshot that is there."""
    from titleholder.registry.client import Registry
    from titleholder.settings import Settings
    from titleholder.workflow.payloads import Origin, Snapshot

    where = json.loads((folder / str(rows) / "snapshot.json").read_text())
    key = f"{lane}-{rows}-{time.time_ns()}"
    run_id = Registry(Settings.from_environment().tracking_uri).runs.open("scale", key, lane, {})
    return Snapshot(
        spec=taken, lane=lane, as_of=scale.AS_OF, spans=scale.spans(), candidates=tuple(taken.training.candidates),
        rows=rows, key=key, run_id=run_id, origin=Origin(**ORIGIN), **where,
    ).model_dump(mode="json")  # fmt: skip


def step(folder: Path, verb: str, payload: Any) -> dict[str, Any]:
    """A step in a process of its own: what it returns, its seconds and its peak memory in MB."""
    (folder / "payload.json").write_text(json.dumps(payload))
    command = [sys.executable, __file__, "step", verb, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{verb} failed: {done.stdout[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_step(verb: str, folder: Path) -> None:
    """Do one step here."""
    from titleholder.settings import Settings
    from titleholder.workflow import verbs

    payload = (folder / "payload.json").read_bytes()
    before = memory("VmRSS")
    forget_peak()
    began = time.perf_counter()
    done = verbs.perform(verb, payload, settings=Settings.from_environment())
    used = time.perf_counter() - began
    print(json.dumps({"done": done, "seconds": used, "peak": memory("VmHWM"), "imports": before}))


def measured(folder: Path, rows: int, engine: str, candidate: str, workers: int) -> dict[str, Any]:
    """All steps after `extract` by one engine."""
    with ExitStack() as running:
        address = running.enter_context(cluster(workers, folder)) if engine == "dask" else "tcp://127.0.0.1:1"
        if engine == "dask":
            workers_memory(address, workers, begin=True)
        taken = spec(engine, address, candidate)
        given = snapshot(folder, rows, taken, f"{engine}-{rows}-{candidate}")
        trained = step(folder, "train", {"snapshot": given, "name": candidate})
        found = {"rows": rows, "engine": engine, "candidate": candidate, "train s": trained["seconds"],
                 "train MB": trained["peak"]}  # fmt: skip
        if engine == "dask":
            found["workers MB"] = workers_memory(address, workers, begin=False)
    challenger = step(folder, "nominate", [trained["done"]])
    validated = step(folder, "validate", challenger["done"])
    promoted = step(folder, "promote", validated["done"])
    metrics = validated["done"]["verdict"]["challenger_metrics"]
    return found | {
        "validate s": validated["seconds"], "validate MB": validated["peak"],
        "log loss of the folds": trained["done"]["score"], "roc_auc": metrics["roc_auc"],
        "decision": promoted["done"]["kind"],
    }  # fmt: skip


def compare(folder: Path, rows: int, engines: list[str], candidate: str, workers: int) -> Iterator[dict[str, Any]]:
    """How far the scores of the holdout are from those of the first engine."""
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score

    from titleholder.data import features, snapshots
    from titleholder.training import pipeline
    from titleholder.workflow import fitting

    where, first = json.loads((folder / str(rows) / "snapshot.json").read_text()), None
    for engine in engines:
        with ExitStack() as running, snapshots.opened(**where) as extract:
            address = running.enter_context(cluster(workers, folder)) if engine == "dask" else "tcp://127.0.0.1:1"
            if engine == "dask":
                workers_memory(address, workers, begin=True)
            taken, began = spec(engine, address, candidate), time.perf_counter()
            models = fitting.fit(taken, candidate, extract, scale.spans())
            used = time.perf_counter() - began
            holdout = extract.read(event_time=taken.columns.event_time, start=scale.spans().holdout_start)
            scores = pipeline.score(models.fitted.pipeline, features.design_matrix(holdout, taken), taken)
        first = scores if first is None else first
        y, apart = features.target(holdout, taken), np.abs(scores - first)
        yield {
            "rows": rows, "engine": engine, "candidate": candidate, "fit s": used,
            "log loss of the folds": models.fitted.score, "log loss": log_loss(y, scores),
            "roc_auc": roc_auc_score(y, scores),
            "apart, mean": apart.mean(), "apart, 99 %": np.quantile(apart, 0.99), "apart, most": apart.max(),
        }  # fmt: skip


def main() -> None:
    """Prepare rows, or measure engines on them: a line of JSON for each, also at the end of `FOLDER/results.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "run", "compare"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--engine", nargs="+", default=["memory", "dask", "disk"])
    parser.add_argument("--candidate", default="xgboost", choices=list(CANDIDATES))
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.what == "prepare":
        for rows in asked.rows:
            prepare(asked.folder, rows)
        return
    if asked.what == "compare":
        for rows in asked.rows:
            for found in compare(asked.folder, rows, asked.engine, asked.candidate, asked.workers):
                print(json.dumps(found), flush=True)
        return
    from bench import stack

    with stack(airflow=None, log=print):
        for rows in asked.rows:
            for engine in asked.engine:
                found = measured(asked.folder, rows, engine, asked.candidate, asked.workers)
                with (asked.folder / "results.jsonl").open("a") as results:
                    results.write(json.dumps(found) + "\n")
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    run_step(sys.argv[2], Path(sys.argv[3])) if sys.argv[1:2] == ["step"] else main()
