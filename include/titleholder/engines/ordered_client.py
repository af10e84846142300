"""A Dask client whose answers keep the order of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distributed import Client


class OrderedClient(Client):  # type: ignore[misc]
    """LightGBM numbers its machines in the order in which `who_has` names their parts, and its bins depend on that.

    Dask's own client asks for a set of keys: the order would be another one in every process.
    """

    def who_has(self, futures: Sequence[Any] | None = None, **options: Any) -> Any:
        """The workers that have each of these futures, in their order."""
        found = super().who_has(futures, **options)
        return found if futures is None else {each.key: found[each.key] for each in futures}
