"""Where `titleholder doctor` runs, and what is needed there (see docs/install-in-your-airflow.md)."""

from __future__ import annotations

from typing import NamedTuple

from titleholder.settings import SIGNING_KEY

LEDGER, MLFLOW, SNAPSHOTS = "TITLEHOLDER_LEDGER_URL", "MLFLOW_TRACKING_URI", "TITLEHOLDER_SNAPSHOTS"
OWNER = "TITLEHOLDER_LEDGER_OWNER_URL"


class Service(NamedTuple):
    """A place with an environment of its own.

    `variables` must be set; `appends` says whether it writes to the ledger and the registry, or only reads;
    `reads_models`, whether it reads specs; `foreign` are secrets that it does not need.
    """

    variables: tuple[str, ...]
    appends: bool = False
    reads_models: bool = True
    foreign: tuple[str, ...] = (SIGNING_KEY, OWNER)

    @property
    def extracts(self) -> bool:
        """Whether it reads the warehouse and writes snapshots."""
        return SNAPSHOTS in self.variables


SERVICES = {
    "command-line": Service((LEDGER, MLFLOW, SNAPSHOTS), appends=True, foreign=()),
    "worker": Service((LEDGER, MLFLOW, SNAPSHOTS, SIGNING_KEY), appends=True, foreign=(OWNER,)),
    "api-server": Service((LEDGER, MLFLOW), reads_models=False),
    "dag-processor": Service((LEDGER,)),
    "triggerer": Service((), reads_models=False),
}
"""By name: where people type commands, and the services of Airflow. The scheduler is `worker` with LocalExecutor."""
