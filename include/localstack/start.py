"""Bring services up side by side, in one thread: each chain of steps is a generator that yields while it waits."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

from localstack import environments, postgres, processes, roles
from localstack.keys import Keys
from localstack.services import Service, installed, migrations
from localstack.state import Record, Running, State
from titleholder.errors import ServiceError

Watch = Callable[[str, str], None]
Steps = Generator[None, None, None]
_PAUSE = 0.1


def ignore(service: str, step: str) -> None:
    """A `Watch` that does nothing."""


@dataclass
class Starter:
    """Starts services of one stack and records each the moment it exists."""

    state: State
    keys: Keys
    record: Record
    watch: Watch
    fresh: bool = False

    def run(self, chains: Iterable[Steps], meanwhile: Sequence[Callable[[], None]] = ()) -> None:
        """Advance all chains in turn until each is done; `meanwhile` is called once they have all begun."""
        pending = [chain for chain in chains if _advance(chain)]
        for call in meanwhile:
            call()
        while pending:
            time.sleep(_PAUSE)
            pending = [chain for chain in pending if _advance(chain)]

    def postgres(self, service: Service) -> Steps:
        """PostgreSQL with all its databases and roles."""
        if service.name not in self.record.services:
            self.watch(service.name, "preparing")
            for folder in postgres.make_traversable(self.state) if service.user else ():
                self.watch(service.name, f"made {folder} traversable for other users (chmod o+x)")
            self.fresh = postgres.prepare(self.state, self.keys, service.user)
        yield from self.chain([service])
        roles.provision(self.keys, self.record.ports["postgres"])

    def chain(self, group: Sequence[Service]) -> Steps:
        """Migrate if the installed version has not been migrated to, start the group, wait for each."""
        migration = group[0].migration
        # MLflow's server makes the tables of an empty database itself, which saves one slow start of Python.
        unneeded = self.fresh and migration == "mlflow-migration"
        if migration and not unneeded and self.record.migrated.get(migration) != installed(migration):
            yield from self._migrate(migration, group)
        waits = [self._start_and_wait(service) for service in group]
        while waits := [wait for wait in waits if _advance(wait)]:
            yield
        if migration:
            self.record.migrated[migration] = installed(migration)
            self.state.write(self.record)

    def _migrate(self, migration: str, group: Sequence[Service]) -> Steps:
        for service in group:
            self.watch(service.name, "migrating its database")
        process = self._spawn(migration, migrations(self.record.ports)[migration], group[0])
        yield from self._until_done(migration, process, deadline=time.monotonic() + group[0].patience)
        self.record.migrated[migration] = installed(migration)
        self.state.write(self.record)

    def _until_done(self, name: str, process: subprocess.Popen[bytes], deadline: float) -> Steps:
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise self._failure(name, "did not finish in time")
                yield
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise self._failure(name, f"failed with exit code {process.returncode}")

    def _start_and_wait(self, service: Service) -> Steps:
        """Where it runs already and dies meanwhile, of what `up` is called to mend for example, it is started too."""
        running, child = self.record.services.get(service.name), None
        deadline = time.monotonic() + service.patience
        while running is None or not (processes.is_alive(running) and service.healthy(running)):
            if child is None and not processes.is_alive(running):
                self.watch(service.name, "starting")
                child = self._spawn(service.name, service.argv, service)
                running = self._record(service, child)
            elif child is not None and not processes.is_alive(running):
                raise self._failure(service.name, f"ended with exit code {child.poll()} while it was starting")
            if time.monotonic() > deadline:
                raise self._failure(service.name, f"did not answer within {service.patience:.0f} s")
            yield
        self.watch(service.name, "ready")

    def _record(self, service: Service, child: subprocess.Popen[bytes]) -> Running:
        running = processes.identify(child.pid)
        if running is None:
            raise self._failure(service.name, "ended at once")
        self.record.services[service.name] = running
        self.state.write(self.record)
        return running

    def _spawn(self, name: str, argv: Sequence[str], service: Service) -> subprocess.Popen[bytes]:
        return processes.start(
            name,
            argv,
            mark=str(self.state.root),
            log=self.state.log(name),
            cwd=service.cwd,
            env=environments.of(name, self.state, self.keys, self.record.ports),
            user=service.user,
        )

    def _failure(self, name: str, what: str) -> ServiceError:
        return ServiceError(f"{name} {what}. {processes.log_tail(self.state.log(name))}")


def _advance(steps: Steps) -> bool:
    """Run to the next `yield`; False at the end."""
    try:
        next(steps)
    except StopIteration:
        return False
    return True
