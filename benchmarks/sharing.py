"""Overlapping months: rows, megabytes and seconds from PostgreSQL with and without shared cohorts, in the same run.

Extraction only, no training; every snapshot of the two ways is compared. Each month is extracted both ways, one after
the other, the first of them in turns. `near` is the warehouse as it is; `100 Mbit/s` reaches it through a relay in this
process that lets so much through. Needs PostgreSQL of the local stack (`make up`); fills it with the demo's lender
unless it is there. Lending Club is measured where its file was loaded.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from dateutil.relativedelta import relativedelta

MEGABIT = 1_000_000 / 8
LINKS: dict[str, float | None] = {"near": None, "100 Mbit/s": 100 * MEGABIT}
WAYS = {"whole": False, "shared": True}


class Relay:
    """Passes connections on to a server; what comes back is counted, and takes its time."""

    def __init__(self, url: str, bytes_per_second: float) -> None:
        parts = urlsplit(url)
        self._server, self._rate, self.received = (parts.hostname, parts.port), bytes_per_second, 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self._door.getsockname()[1]}")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, server = self._door.accept()[0], socket.create_connection(self._server)
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, slowly: bool) -> None:
        try:
            while data := source.recv(65_536):
                if slowly:
                    self.received += len(data)
                    time.sleep(len(data) / self._rate)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def lent() -> Iterator[None]:
    """The demo's lender in the warehouse."""
    from demo.__main__ import MONTHS, PER_MONTH, SEED
    from demo.lender import simulate
    from demo.load import load, loaded

    url, end = os.environ["TITLEHOLDER_LOADER_URL"], this_month() + relativedelta(months=1)
    from demo.lender import fingerprint

    if loaded(url) != fingerprint(end, MONTHS, PER_MONTH, SEED):
        load(url, simulate(end, MONTHS, PER_MONTH, SEED))
    yield


def this_month() -> date:
    """Its first day."""
    return datetime.now(UTC).date().replace(day=1)


def has_loans() -> bool:
    """Whether Lending Club was loaded."""
    from sqlalchemy import create_engine

    with create_engine(os.environ["TITLEHOLDER_LOADER_URL"]).connect() as connection:
        return bool(connection.exec_driver_sql("select to_regclass('lending_club')").scalar())


def measure(model: str, months: list[date], link: str) -> dict[str, dict[str, float]]:
    """Rows, megabytes and seconds of each way, summed over the months."""
    from titleholder.data import extraction
    from titleholder.settings import connection_url
    from titleholder.spec import windows
    from titleholder.spec.loader import DEFAULT_FOLDER, load_specs

    spec, url, rate = load_specs(DEFAULT_FOLDER)[model], connection_url("warehouse"), LINKS[link]
    relay = Relay(url, rate) if rate else None
    found: dict[str, dict[str, float]] = {way: dict.fromkeys(("rows", "MB", "first", "rest"), 0.0) for way in WAYS}
    with tempfile.TemporaryDirectory() as root:
        for turn, as_of in enumerate(months):
            hashes = set()
            for way in sorted(WAYS, reverse=bool(turn % 2)):
                before, began = relay.received if relay else 0, time.perf_counter()
                done = extraction.extract(
                    relay.url if relay else url, spec, windows.intervals(spec, as_of), as_of, f"{root}/{way}",
                    share=WAYS[way],
                )  # fmt: skip
                found[way]["rest" if turn else "first"] += time.perf_counter() - began
                found[way]["rows"] += done.rows_read
                found[way]["MB"] += ((relay.received - before) if relay else 0) / 1e6
                hashes.add(done.sha256)
            if len(hashes) != 1:
                raise SystemExit(f"{model} as of {as_of}: the two ways differ")
    return found


def main() -> None:
    """Measure the models over both links and print a table."""
    from titleholder.cli.local_stack import use_addresses

    use_addresses()
    last = this_month()
    demo = [last - relativedelta(months=n) for n in range(35, -1, -1)]
    loans = [date(2011, 1, 1) + relativedelta(months=n) for n in range(30)]
    runs: list[tuple[str, list[date], Any]] = [("demo_default", demo, lent()), ("demo_loss", demo, nullcontext())]
    if has_loans():
        runs.append(("lending_club_default", loans, nullcontext()))
    else:
        sys.stderr.write("No table lending_club: docs/add-a-model.md loads it.\n")
    print(f"{'model':22} {'link':11} {'way':7} {'months':>6} {'rows':>10} {'MB':>7} {'first s':>8} {'s a month':>10}")
    for model, months, setting in runs:
        with setting:
            for link in LINKS:
                for way, f in measure(model, months, link).items():
                    size = f"{f['MB']:.1f}" if LINKS[link] else ""
                    print(
                        f"{model:22} {link:11} {way:7} {len(months):>6} {f['rows']:>10,.0f} {size:>7} "
                        f"{f['first']:>8.2f} {f['rest'] / (len(months) - 1):>10.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
