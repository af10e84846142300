"""The version of the DAG bundle that a task runs from. A Git bundle has one; a plain folder has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from titleholder.errors import UsageError

if TYPE_CHECKING:
    from titleholder.workflow.payloads import Bundle, ProposedDecision


def current(ti: Any) -> Bundle | None:
    """The bundle of a task instance; None where it has no versions.

    A run that is not pinned to a version (`disable_bundle_versioning`) runs from the newest one: each of its tasks says
    which that was.
    """
    from titleholder.workflow.payloads import Bundle

    bundle = getattr(ti, "bundle_instance", None)
    if bundle is None or not bundle.supports_versioning:
        return None
    version = bundle.version or bundle.get_current_version()
    return Bundle(name=bundle.name, version=str(getattr(version, "version", version)))


def refuse_changed(proposed: ProposedDecision, ti: Any) -> None:
    """Refuse to decide on what another version of the bundle extracted.

    Raises:
        UsageError: naming the run and both versions.
    """
    before, now = proposed.challenger.snapshot.origin.bundle, current(ti)
    if before == now:
        return
    raise UsageError(
        f"the DAG bundle of the run {ti.dag_id}/{ti.run_id} changed within the run: extract ran from {_said(before)}, "
        f"promote runs from {_said(now)}. Nothing was decided. Clear extract and the tasks after it, with the latest "
        "version of the bundle, or start another run. Where every push does this, runs do not keep their version: "
        "remove `disable_bundle_versioning` and `rerun_with_latest_version` from the settings"
    )


def _said(bundle: Bundle | None) -> str:
    return str(bundle) if bundle else "a bundle without a version"
