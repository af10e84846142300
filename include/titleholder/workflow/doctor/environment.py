"""Variables, versions and modules of this process: nothing is connected to."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from titleholder.errors import UsageError
from titleholder.settings import SIGNING_KEY, SIGNING_KEY_BYTES, code_version
from titleholder.workflow.doctor.report import Check, ok, skipped, warning, wrong
from titleholder.workflow.doctor.services import Service

PACKAGE, AIRFLOW = "titleholder", "apache-airflow-core"
LOCAL_SETTINGS, MODELS = "airflow_local_settings", "TITLEHOLDER_MODELS"


def variables(service: Service) -> Iterator[Check]:
    """What must be set is; what is another service's secret is not."""
    for name in service.variables:
        if name == SIGNING_KEY:
            yield _signing_key()
        elif os.environ.get(name):
            yield ok(name, "set")
        else:
            yield wrong(name, "not set", "Set it where this service runs: docs/install-in-your-airflow.md, step 4")
    for name in service.foreign:
        if os.environ.get(name):
            yield warning(name, "set", "This service does not need it: remove it from its environment")


def _signing_key() -> Check:
    length = len(os.environ.get(SIGNING_KEY, "").encode())
    if length >= SIGNING_KEY_BYTES:
        return ok(SIGNING_KEY, f"{length} bytes")
    found = f"{length} bytes, of which {SIGNING_KEY_BYTES} are needed" if length else "not set"
    make = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
    return wrong(SIGNING_KEY, found, f"Make one with `{make}`, and set the same one on every worker, and nowhere else")


def versions() -> Iterator[Check]:
    """Python, this package, Airflow, and every library in the range that this package states."""
    try:
        about = metadata.metadata(PACKAGE)
        wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    except metadata.PackageNotFoundError:
        yield wrong(PACKAGE, "its files are here, it is not installed", "pip install titleholder: entry points lack")
        return
    yield ok(PACKAGE, code_version())
    yield _python(str(about["Requires-Python"] or ""))
    found = _version(AIRFLOW)
    yield ok("Airflow", found) if found else skipped("Airflow", "not installed in this environment")
    yield _libraries(wanted)


def _python(wanted: str) -> Check:
    found = platform.python_version()
    if Requirement(f"python{wanted}").specifier.contains(found, prereleases=True):
        return ok("Python", found)
    return wrong("Python", f"{found}, not {wanted}", "Use such a Python")


def _libraries(wanted: list[Requirement]) -> Check:
    """Those of extras too, where they are installed."""
    bad, good = [], 0
    for requirement in wanted:
        always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        found = _version(requirement.name)
        if found is None and always:
            bad.append(f"{requirement.name} is not installed ({requirement.specifier})")
        elif found is not None and not requirement.specifier.contains(found, prereleases=True):
            bad.append(f"{requirement.name} {found} ({requirement.specifier})")
        else:
            good += found is not None
    if bad:
        remedy = "Install versions in these ranges; requirements.txt of the repository is a set that is tested together"
        return wrong("libraries", f"outside of the ranges: {', '.join(sorted(set(bad)))}", remedy)
    return ok("libraries", f"{good} in the ranges that titleholder states")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def models() -> Iterator[Check]:
    """The folder of specs, and whether each can be read. A DAG file may name its own."""
    from titleholder.spec.loader import load_specs, models_folder

    try:
        folder = models_folder(None)
    except UsageError as error:
        if os.environ.get(MODELS):
            raise
        yield skipped("models", str(error), "Only where people type commands")
        return
    specs = load_specs(folder)
    if specs.errors:
        remedy = "`titleholder models` says what is wrong with each"
        yield wrong("models", f"{folder}: cannot be read: {', '.join(sorted(specs.errors))}", remedy)
    else:
        yield ok("models", f"{folder}: {len(specs.models)} can be read")


def preload() -> Iterator[Check]:
    """Whether tasks are forked from a process that has imported the libraries already."""
    if _version(AIRFLOW) is None:
        yield skipped("preload", "Airflow is not installed in this environment")
        return
    file = _local_settings()
    if file and PACKAGE in file.read_text(encoding="utf-8", errors="replace"):
        yield ok("preload", f"{file} imports titleholder before tasks are forked")
        return
    found = f"{file} does not name titleholder" if file else f"there is no {LOCAL_SETTINGS}.py"
    remedy = (
        "Each task imports its libraries again, which takes seconds. Copy config/airflow_local_settings.py of the "
        "repository to $AIRFLOW_HOME/config/ of the scheduler (LocalExecutor) or the workers (CeleryExecutor)"
    )
    yield warning("preload", found, remedy)


def _local_settings() -> Path | None:
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    if (file := home / "config" / f"{LOCAL_SETTINGS}.py").is_file():
        return file
    spec = importlib.util.find_spec(LOCAL_SETTINGS)
    return Path(spec.origin) if spec and spec.origin else None
