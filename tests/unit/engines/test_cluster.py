"""How a cluster is found, and what is said where it cannot train."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import KilledWorker

from support.engine_cases import boosted, fitted
from support.factories import a_spec
from titleholder.engines import cluster
from titleholder.engines.cluster import Cluster, Worker, scheduler_address
from titleholder.errors import ServiceError, TrainingError, UsageError
from titleholder.training import memory


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("tcp://scheduler:8786", "tcp://scheduler:8786"),
        ("generic://scheduler:8786/", "tcp://scheduler:8786"),
        ("tls://scheduler:8786?x=1", "tls://scheduler:8786"),
        ("dask://someone:hunter2@[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_a_connection_gives_a_host_and_a_port(uri: str, address: str) -> None:
    assert scheduler_address(uri) == address


@pytest.mark.parametrize("uri", ["", "tcp://scheduler", "postgresql:///x", "tcp://scheduler:many"])
def test_a_connection_of_something_else_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match=r"not that of a Dask scheduler: it needs a host and a port"):
        scheduler_address(uri)


def test_an_unknown_connection_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from support.engine_cases import a_frame, stored

    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", "tcp://scheduler:8786")
    extract = stored(a_frame(), tmp_path, monkeypatch)
    with pytest.raises(UsageError, match=r"no connection 'clustr'.*`training\.engine`.*Did you mean 'cluster'"):
        fitted(boosted(engine={"dask": "clustr"}), extract)
    with pytest.raises(UsageError, match="not that of a Dask scheduler"):
        fitted(boosted(engine={"dask": "warehouse"}), extract, connections=lambda _: "postgresql:///warehouse")


def test_a_scheduler_that_is_away_is_a_service_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SECONDS", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with (
            pytest.raises(ServiceError, match=f"the Dask scheduler at {address} does not answer"),
            cluster.connected(address, "xgboost"),
        ):
            pass


def test_a_library_that_is_not_installed_names_the_extra() -> None:
    with (
        pytest.raises(UsageError, match=r"no_such_library is not installed here: pip install 'titleholder\[dask\]'"),
        cluster.connected("tcp://127.0.0.1:1", "no_such_library"),
    ):
        pass


def _host(python: str, **packages: str | None) -> dict[str, Any]:
    return {"host": {"python": python}, "packages": packages}


def test_workers_with_other_libraries_are_named() -> None:
    here = _host("3.11.7.final.0", dask="1", distributed="1", xgboost="3.2.0")
    there = {"tcp://a:1": _host("3.11.9.final.0", dask="1", distributed="1", xgboost="3.2.0"),
             "tcp://b:1": _host("3.12.1.final.0", dask="1", distributed="1", xgboost=None),
             "tcp://c:1": _host("3.11.9.final.0", **{"xgboost-cpu": "3.1.0"}),
             "tcp://d:1": _host("3.11.9.final.0", **{"xgboost-cpu": "3.2.0"})}  # fmt: skip
    with pytest.raises(TrainingError) as caught:
        cluster._require_versions({"client": here, "workers": there}, ["xgboost"])
    assert "tcp://b:1 has Python 3.12, and 3.11 is installed here" in str(caught.value)
    assert "tcp://b:1 has xgboost (not installed), and 3.2.0 is installed here" in str(caught.value)
    assert "tcp://c:1 has xgboost 3.1.0, and 3.2.0 is installed here" in str(caught.value)
    assert "tcp://a:1" not in str(caught.value)
    assert "tcp://d:1" not in str(caught.value)


def test_rows_that_the_workers_cannot_hold_together_are_refused() -> None:
    workers = tuple(Worker(f"tcp://a:{n}", 1, 2_000_000_000) for n in (1, 2))
    Cluster(None, workers).require_memory(10_000_000, 30)
    with pytest.raises(TrainingError, match=r"30,000,000 rows of 30 features take 7\.2 GB at least, and the 2 workers"):
        Cluster(None, workers).require_memory(30_000_000, 30)
    Cluster(None, (*workers, Worker("tcp://a:3", 1, 0))).require_memory(10**12, 30)


def test_workers_that_cannot_hold_all_rows_are_left_out_and_where_all_are_what_to_change_is_said() -> None:
    small, large, free = (Worker(f"tcp://a:{n}", 1, limit) for n, limit in enumerate((10**9, 4 * 10**9, 0)))
    assert Cluster(None, (small, large)).with_memory(1_000_000, 30).workers == (small, large)
    assert Cluster(None, (small, large, free)).with_memory(2_000_000, 30).workers == (large, free)
    said = (
        r"30,000,000 rows of 30 features take 18\.0 GB at least on each .* none of the 2 .* may have more than 4\.0 GB"
    )
    with pytest.raises(TrainingError, match=said):
        Cluster(None, (small, large)).with_memory(30_000_000, 30)
    assert Cluster(None, (small, free)).with_memory(30_000_000, 30).workers == (free,)
    tiny = Worker("tcp://a:4", 1, 10**6)
    assert Cluster(None, (tiny,)).with_memory(20_000, 30).workers == (tiny,), "the libraries alone take more"


def test_what_a_step_takes_itself_depends_on_the_engine() -> None:
    rows, gib = 50_000_000, 2**30
    assert "choose a training.engine" in memory.shortage(a_spec(), "it", rows, may_have=gib)
    cases = {"external_memory": "take 3.5 GB at least", "dask": "take 3.2 GB at least"}
    for engine, said in cases.items():
        spec = boosted(engine={"dask": "cluster"} if engine == "dask" else engine)
        assert said in memory.shortage(spec, "it", rows, may_have=gib)
        assert "choose a training.engine" not in memory.shortage(spec, "it", rows, may_have=gib)
        assert memory.shortage(spec, "it", rows, may_have=4 * gib) == ""


class _LossyClient:
    """A client of a cluster that has lost its second worker."""

    status = "running"

    def as_current(self) -> Any:
        return nullcontext()

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1, "by default Dask names five workers"
        return {"workers": {"tcp://a:1": {}}}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Connection reset by peer"),
        TimeoutError(),
        KilledWorker("load", SimpleNamespace(address="tcp://b:1"), 4),
    ],
)
def test_a_worker_that_is_lost_is_named_and_the_try_may_be_repeated(error: Exception) -> None:
    both = Cluster(_LossyClient(), (Worker("tcp://a:1", 1, 0), Worker("tcp://b:1", 1, 0)))
    with pytest.raises(ServiceError, match="the Dask cluster lost tcp://b:1 during the training"), both.explained():
        raise error
    whole = Cluster(_LossyClient(), (Worker("tcp://a:1", 1, 0),))
    with pytest.raises(ValueError, match="of the estimator"), whole.explained():
        raise ValueError("of the estimator")
    whole.client.status = "connecting"
    with (
        pytest.raises(ServiceError, match="the Dask cluster lost its scheduler during the training"),
        whole.explained(),
    ):
        raise error
