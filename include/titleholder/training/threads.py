"""One thread for numerical libraries: equal rows then give an equal model, and parallel tasks share the processors."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """While this lasts, BLAS and OpenMP use one thread.

    >>> from threadpoolctl import threadpool_info
    >>> with one_thread():
    ...     {library["num_threads"] for library in threadpool_info()} <= {1}
    True
    """
    limited: AbstractContextManager[Any] = _loaded_libraries(len(sys.modules)).limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _loaded_libraries(_modules: int) -> ThreadpoolController:
    """The libraries of this process; to look for them takes milliseconds, so only new modules make it look again."""
    return ThreadpoolController()
