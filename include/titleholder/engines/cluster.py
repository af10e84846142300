"""A Dask cluster: how it is reached, whether its workers can train, and how much memory they have together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from rich import filesize

from titleholder.errors import DataError, ServiceError, TitleholderError, TrainingError, UsageError, one_line
from titleholder.training import memory

T = TypeVar("T")
SECONDS = 30
"""A scheduler that does not answer within this time is away, and so is a cluster without a worker."""
NEEDED = ("dask", "xgboost", "lightgbm")
TIMES = 2.0
"""What a training takes at least on all workers together, in float32 matrices of its rows, as a cautious guess."""
LOOK = 5
"""Seconds between two looks at whether the workers that are waited for are still there."""
DISTRIBUTIONS = {"sklearn": ("scikit-learn",), "xgboost": ("xgboost", "xgboost-cpu")}
"""The names that libraries are installed by, where these are not their own."""


class Worker(NamedTuple):
    """A worker: its address, its threads, and the bytes of memory that it may use (0: no limit)."""

    address: str
    threads: int
    memory: int


class Cluster(NamedTuple):
    """A connection to a cluster, with the workers that it had at that moment, in the order of their names."""

    client: Any
    workers: tuple[Worker, ...]

    @property
    def memory(self) -> int:
        """The bytes that all workers may use together; 0 where one has no limit."""
        each = [worker.memory for worker in self.workers]
        return sum(each) if all(each) else 0

    def require_memory(self, rows: int, columns: int) -> None:
        """Refuse a training whose rows the workers cannot hold together.

        Raises:
            TrainingError: with what is needed, what there is, and what to change.
        """
        needed = int(TIMES * rows * columns * 4)
        if not self.memory or needed <= self.memory:
            return
        least, most = map(filesize.decimal, (needed, self.memory))
        raise TrainingError(
            f"{rows:,} rows of {columns} features take {least} at least, and the {len(self.workers)} workers of the "
            f"cluster may have {most} together. Add workers or give them more memory, shorten windows.train, let the "
            "query return a sample with columns.weight, or name fewer features"
        )

    def with_memory(self, rows: int, columns: int) -> Cluster:
        """The same with those workers only that may hold such rows, each of them all.

        Raises:
            TrainingError: where there is none, with what is needed, what the largest has, and what to change.
        """
        needed = memory.in_one_process(rows, columns)
        able = [each for each in self.workers if not each.memory or needed < max(each.memory, memory.LEAST)]
        if able:
            return self._replace(workers=tuple(able))
        least, most = map(filesize.decimal, (needed, max(each.memory for each in self.workers)))
        raise TrainingError(
            f"{rows:,} rows of {columns} features take {least} at least on each worker that fits this estimator, and "
            f"none of the {len(self.workers)} workers of the cluster may have more than {most}. Give them more memory "
            "(dask worker --memory-limit; fewer workers on a machine), choose XGBoost or LightGBM, which all workers "
            "train together, shorten windows.train, let the query return a sample with columns.weight, or name fewer "
            "features"
        )

    def wait(self, futures: Sequence[Any]) -> None:
        """Until all of these are done, or one has failed.

        Raises:
            TimeoutError: where a worker is lost meanwhile: no other one does what it was asked for. See `explained`.
        """
        from distributed import wait

        while True:
            try:
                wait(futures, timeout=LOOK)
            except TimeoutError:
                if self.lost():
                    raise TimeoutError("no other worker does what it was asked for") from None
                if any(each.status == "error" for each in futures):
                    return
            else:
                return

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """The results of these.

        Raises:
            TimeoutError: as `wait`.
        """
        self.wait(futures)
        found: list[Any] = self.client.gather(futures)
        return found

    def watched(self, work: Callable[[], T]) -> T:
        """What `work` returns: a library's training, which would wait for lost workers for ever.

        Raises:
            TimeoutError: where a worker is lost meanwhile; the work is left behind. See `explained`.
        """
        done = Future[T]()

        def run() -> None:
            try:
                with self.client.as_current():
                    done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        while not done.done():
            wait_for([done], timeout=LOOK)
            if not done.done() and self.lost():
                raise TimeoutError("the training waits for it")
        return done.result()

    @contextmanager
    def explained(self, uri: str = "") -> Iterator[None]:
        """What a lost worker leads to becomes a ServiceError: another try may have all of them.

        With `uri`, of a snapshot that workers read meanwhile, an error of the file says who needs it.
        """
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        try:
            with self.client.as_current():
                yield
        except DataError as error:
            if not uri or "://" in uri:
                raise
            said = str(error).rstrip(".")
            raise type(error)(
                f"{said}. The workers of the cluster read the snapshot themselves: its folder must be theirs too, or "
                "the snapshots be in an object store"
            ) from None
        except TitleholderError:
            raise
        except (KilledWorker, CancelledError, CommClosedError, TimeoutError) as error:
            raise ServiceError(self._about_loss(f"{type(error).__name__}: {error}")) from None
        except Exception as error:
            if self.lost():
                raise ServiceError(self._about_loss(str(error))) from None
            raise

    def _about_loss(self, said: str) -> str:
        lost = ", ".join(self.lost()) or "a worker"
        return (
            f"the Dask cluster lost {lost} during the training. Where a worker was killed for its memory, add workers "
            f"or give them more. {' '.join(said.split())[:300]}"
        )

    def lost(self) -> list[str]:
        """The addresses of workers that are gone by now; the scheduler where it is gone itself."""
        if self.client.status != "running":
            return ["its scheduler"]
        there = self.client.scheduler_info(n_workers=-1)["workers"]
        return [worker.address for worker in self.workers if worker.address not in there]


def scheduler_address(uri: str) -> str:
    """The scheduler's address in the URI of a connection: its host and port; `tls://` where it begins with that.

    >>> scheduler_address("tls://scheduler:8786"), scheduler_address("generic://scheduler:8786")
    ('tls://scheduler:8786', 'tcp://scheduler:8786')

    Raises:
        UsageError: when it has no host or no port.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(
            "training.engine: the connection is not that of a Dask scheduler: it needs a host and a port, as in "
            "tcp://scheduler:8786"
        )
    return f"{'tls' if parts.scheme == 'tls' else 'tcp'}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def connected(address: str, library: str, *others: str) -> Iterator[Cluster]:
    """The cluster of the scheduler at this address, whose workers have this library, and others, in the same versions.

    Certificates, for tls://, are those that Dask's own settings name.

    Raises:
        ServiceError: when the scheduler does not answer, or has no worker.
        UsageError: when Dask or the library is not installed here.
        TrainingError: when a worker lacks a library, or has another version of it.
    """
    if lacking := [name for name in ("distributed", library) if find_spec(name) is None]:
        raise UsageError(
            f"training.engine: {', '.join(lacking)} is not installed here: pip install 'titleholder[dask]'"
        )
    from titleholder.engines.ordered_client import OrderedClient

    try:
        client = OrderedClient(address, timeout=SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ServiceError(f"the Dask scheduler at {address} does not answer: {one_line(error)}. Start it") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError:
            raise ServiceError(f"the Dask cluster at {address} has no worker; start one at least") from None
        libraries = ("dask", "distributed", "titleholder", library, *others)
        packages = [name for each in libraries for name in _distributions(each)]
        _require_versions(client.get_versions(packages=packages), libraries)
        yield Cluster(client, _workers(client.scheduler_info(n_workers=-1)["workers"]))


def _workers(found: Mapping[str, Mapping[str, Any]]) -> tuple[Worker, ...]:
    named = sorted(found.items(), key=lambda each: (str(each[1]["name"]), each[0]))
    return tuple(Worker(address, about["nthreads"], int(about["memory_limit"] or 0)) for address, about in named)


def _distributions(library: str) -> Sequence[str]:
    return DISTRIBUTIONS.get(library, (library,))


def _require_versions(found: Mapping[str, Any], libraries: Sequence[str]) -> None:
    """Workers unpickle what this process pickles, and answer with models that it reads."""
    faults = []
    own = found["client"]
    for address, theirs in found["workers"].items():
        for name, (here, there) in _versions(own, theirs, libraries).items():
            if here != there:
                faults.append(f"{address} has {name} {there or '(not installed)'}, and {here} is installed here")
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise TrainingError(f"the workers of the Dask cluster need what this process has: {shown}")


def _versions(own: Mapping[str, Any], theirs: Mapping[str, Any], names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Of Python (its first two numbers) and each library: the version here, and that of a worker."""
    found = {name: (_version(own["packages"], name), _version(theirs["packages"], name)) for name in names}
    python = [".".join(str(each["host"]["python"]).split(".")[:2]) for each in (own, theirs)]
    return {"Python": (python[0], python[1]), **found}


def _version(packages: Mapping[str, str | None], library: str) -> str:
    return next((found for name in _distributions(library) if (found := packages.get(name))), "")
