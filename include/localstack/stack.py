"""Up, down and status of the whole stack. Each may be repeated, and may follow a crash."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from localstack import postgres
from localstack.keys import Keys, ensure_keys, load_keys
from localstack.ports import choose_ports
from localstack.processes import find, is_alive, recorded, stop
from localstack.services import AIRFLOW, MIGRATIONS, ORDER, PORT_OF, Service, address, installed, services
from localstack.settings import (
    AIRFLOW_USERS_VARIABLE,
    PASSWORDS_FILE,
    USERS_VARIABLE,
    airflow_users,
    ledger_url,
    passwords,
    users,
)
from localstack.start import Starter, Watch, ignore
from localstack.state import Record, Running, State, write_private

Hook = Callable[[str], None]
"""Called with the address of the ledger as its owner."""


@dataclass(frozen=True)
class Status:
    """One service as it is now. `up` means that it answers, not only that its process exists."""

    name: str
    up: bool
    pid: int | None
    address: str
    log: str


def up(
    state: State, *, airflow: bool = True, after_postgres: Sequence[Hook] = (), watch: Watch = ignore
) -> list[Status]:
    """Start what is not running, and return when everything answers. Without `airflow`: PostgreSQL and MLflow only.

    Each hook of `after_postgres` is called with the owner's address of the ledger as soon as PostgreSQL answers, on
    every `up`, so it must be safe to repeat. `watch(service, step)` is called with progress.

    Raises:
        ServiceError: a service died or did not answer in time; names it, its log file and the last lines.
    """
    state.prepare()
    with state.lock(lambda: watch("stack", "waiting for another command")):
        keys = ensure_keys(state)
        record = prepare_record(state, keys)
        _write_passwords(state)
        known = services(state, keys, record.ports)
        starter = Starter(state, keys, record, watch)
        starter.run([starter.postgres(known["postgres"])])
        starter.run(
            [starter.chain([known["mlflow"]]), *([starter.chain([known[n] for n in AIRFLOW])] if airflow else [])],
            meanwhile=[partial(hook, ledger_url(state, "ledger_owner")) for hook in after_postgres],
        )
    return status(state)


def down(state: State, *, watch: Watch = ignore) -> bool:
    """Stop every process of the stack, recorded or not. Data stays. Returns whether anything was running."""
    if not state.root.is_dir():
        return False
    with state.lock(lambda: watch("stack", "waiting for another command")):
        record = state.read()
        stopped = stop_services(state, record, watch)
        record.services.clear()
        if state.exists():
            state.write(record)
        return stopped


def clean(state: State, *, watch: Watch = ignore) -> None:
    """Stop everything, then delete all that the stack made, data included."""
    down(state, watch=watch)
    if state.root.is_dir():
        state.delete()


def status(state: State) -> list[Status]:
    """Each service: whether it answers, its process, its address, its log."""
    record = state.read()
    known = services(state, load_keys(state), record.ports) if state.secrets.exists() and record.ports else {}
    return [_status(state, record, name, known.get(name)) for name in ORDER]


def _status(state: State, record: Record, name: str, service: Service | None) -> Status:
    running = record.services.get(name)
    alive = running is not None and is_alive(running)
    answers = alive and running is not None and service is not None and service.healthy(running)
    return Status(
        name=name,
        up=answers,
        pid=running.pid if alive and running else None,
        address=address(name, record.ports),
        log=str(state.log(name)),
    )


def prepare_record(state: State, keys: Keys) -> Record:
    """Stop what is broken or left over, choose ports for what has to start, and write the record."""
    record = state.read()
    keep = _healthy(state, keys, record)
    if _users_changed(record):
        keep -= set(AIRFLOW)
    if "postgres" not in keep:
        keep = set()  # a service that outlived its database is in an unknown state
    stop_services(state, record, ignore, keep=keep)
    ports = choose_ports(record.ports, {PORT_OF[name] for name in keep if name in PORT_OF}, str(state.root))
    if keep and ports != record.ports:
        keep = set()  # they were started with the old addresses
        stop_services(state, record, ignore)
        ports = choose_ports(record.ports, (), str(state.root))
    kept = {name: running for name, running in record.services.items() if name in keep}
    prepared = Record(ports=ports, services=kept, migrated=record.migrated)
    state.write(prepared)
    return prepared


def _healthy(state: State, keys: Keys, record: Record) -> set[str]:
    """The services that run and answer, or that started so recently that they may still be starting."""
    if not record.services or not record.ports:
        return set()
    healthy = set()
    for name, service in services(state, keys, record.ports).items():
        running = record.services.get(name)
        if running is None or not is_alive(running):
            continue
        if service.migration and record.migrated.get(service.migration) != installed(service.migration):
            continue
        young = time.time() - running.created < service.patience
        unknown = name in AIRFLOW[1:] and "api-server" not in healthy  # their health is known from the api-server only
        if young or unknown or _answers(service, running):
            healthy.add(name)
    return healthy


def _users_changed(record: Record) -> bool:
    """Whether TITLEHOLDER_USERS differs from the users that the running Airflow was started with."""
    running = record.services.get("api-server")
    if USERS_VARIABLE not in os.environ or running is None:
        return False
    try:
        known = psutil.Process(running.pid).environ().get(AIRFLOW_USERS_VARIABLE)
    except psutil.Error:
        return False  # it has ended, or belongs to another user; the next start uses the new users
    return known != airflow_users()


def _answers(service: Service, running: Running, tries: int = 3) -> bool:
    """Whether one of several attempts is answered: a busy machine misses one now and then."""
    for attempt in range(tries):
        if service.healthy(running):
            return True
        time.sleep(1 if attempt < tries - 1 else 0)
    return False


def stop_services(state: State, record: Record, watch: Watch, keep: Iterable[str] = ()) -> bool:
    """Airflow first, then MLflow, then PostgreSQL, because each uses the next while it shuts down."""
    found = False
    for group in (AIRFLOW, MIGRATIONS, ("mlflow",)):
        found |= _stop_group(state, record, [name for name in group if name not in keep], watch)
    if "postgres" not in keep:
        watch("postgres", "stopping")
        found |= postgres.stop_server(state)
    leftovers = [process for name, group in find(str(state.root)).items() if name not in keep for process in group]
    stop(leftovers, grace=1)
    return found or bool(leftovers)


def _stop_group(state: State, record: Record, names: Sequence[str], watch: Watch) -> bool:
    marked = find(str(state.root))
    processes = {process.pid: process for name in names for process in marked.get(name, [])}
    known = recorded(record.services[name] for name in names if name in record.services)
    processes |= {process.pid: process for process in known}
    for name in names if processes else ():
        watch(name, "stopping")
    stop(processes.values())
    return bool(processes)


def _write_passwords(state: State) -> None:
    """Write the users' passwords; otherwise Airflow would generate its own and print them into a log."""
    known = passwords(state)
    made = {user: known.get(user) or secrets.token_urlsafe(16) for user in users()}
    write_private(state.airflow / PASSWORDS_FILE, json.dumps({**known, **made}) + "\n")
