"""The registry as one object: its runs and its models."""

from __future__ import annotations

from functools import lru_cache

from titleholder.registry.models import Models
from titleholder.registry.runs import Runs
from titleholder.registry.server import Server


class Registry:
    """One MLflow server: `runs` and `models`. Their methods raise ServiceError where it does not answer."""

    def __init__(self, tracking_uri: str) -> None:
        self.server = Server(tracking_uri)
        self.runs, self.models = Runs(self.server), Models(self.server)


@lru_cache(maxsize=1)
def registry_at(tracking_uri: str) -> Registry:
    """The registry of this process: the months of one command read a version once."""
    return Registry(tracking_uri)
