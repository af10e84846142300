"""What can go wrong, drawn as a tree.

    TitleholderError
    ├── SpecError        a model's YAML or SQL is wrong                  (exit code 2)
    ├── UsageError       a request makes no sense                        (exit code 2)
    ├── DataError        the warehouse gave something unusable           (exit code 1)
    │   ├── ContractError    a snapshot broke its contract
    │   └── ColumnsError     a model is asked about rows that lack what it needs
    ├── TrainingError    no candidate could be trained                   (exit code 1)
    └── ServiceError     PostgreSQL, MLflow or Airflow is not there      (exit code 3)

"Not better" and "a person said no" are outcomes, not errors: they are rows of the ledger.
"""

from __future__ import annotations


class TitleholderError(Exception):
    """Base of every error this package raises on purpose. Its text says what, where, and what to do."""

    exit_code = 1


class SpecError(TitleholderError):
    """A model's specification is wrong. Names the file, the key, the value and the valid choices."""

    exit_code = 2


class UsageError(TitleholderError):
    """A request that makes no sense, such as a model nobody specified or a window before any data."""

    exit_code = 2


class DataError(TitleholderError):
    """The warehouse answered with something that cannot be used."""


class ContractError(DataError):
    """A snapshot broke its contract. Lists every violation, not the first."""


class ColumnsError(DataError):
    """A model is asked about rows that lack columns which it needs."""


class TrainingError(TitleholderError):
    """A candidate cannot be trained as specified."""


class ServiceError(TitleholderError):
    """A service is not there. Names it, its address without its password, and how to start it."""

    exit_code = 3
