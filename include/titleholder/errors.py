"""The exceptions of this package, as a tree.

    TitleholderError
    ├── SpecError        a model's YAML or SQL is wrong                  (exit code 2)
    ├── UsageError       a request is invalid                            (exit code 2)
    ├── DataError        the warehouse returned unusable data            (exit code 1)
    │   ├── ContractError    a snapshot violates its contract
    │   └── ColumnsError     rows lack columns that a model needs
    ├── TrainingError    no candidate could be trained                   (exit code 1)
    ├── SignatureError   a task got what no task before it handed on     (exit code 1)
    └── ServiceError     PostgreSQL, MLflow or Airflow is not available  (exit code 3)

"Not better" and "a person said no" are outcomes, not errors: they are rows of the ledger.
"""

from __future__ import annotations

from titleholder.masking import mask

LONGEST = 600
"""The greatest length of a library's message in one of ours."""


def one_line(error: BaseException) -> str:
    """The message of any exception in one line, without a traceback that a library put into it; its type without one.

    >>> one_line(ValueError("all fits failed\\n  in fold 1\\nTraceback (most recent call last):\\n  ..."))
    'all fits failed in fold 1'
    >>> one_line(KeyError())
    'KeyError'
    """
    said = mask(" ".join(str(error).partition("Traceback (most recent call last)")[0].split()))
    return (said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…") or type(error).__name__


class TitleholderError(Exception):
    """Base of every error this package raises on purpose. The message says what, where, and what to do, and no secret.

    >>> {error.__name__: error.exit_code for error in TitleholderError.__subclasses__()}
    {'SpecError': 2, 'UsageError': 2, 'DataError': 1, 'TrainingError': 1, 'SignatureError': 1, 'ServiceError': 3}
    """

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(mask(str(message)))


class SpecError(TitleholderError):
    """A model's specification is wrong. Names the file, the key, the value and the valid choices."""

    exit_code = 2


class UsageError(TitleholderError):
    """An invalid request, such as an unknown model or a window before any data."""

    exit_code = 2


class DataError(TitleholderError):
    """The warehouse returned data that cannot be used.

    >>> ContractError("a column is missing").exit_code
    1
    """


class ContractError(DataError):
    """A snapshot violates its contract. The message lists every violation."""


class ColumnsError(DataError):
    """Rows to be scored lack columns that the model needs."""


class TrainingError(TitleholderError):
    """A candidate cannot be trained as specified."""


class SignatureError(TitleholderError):
    """What a task got is not what the task before it handed on. Names both and the run."""


class ServiceError(TitleholderError):
    """A service is not available. The message has its name, its address without password, and how to start it."""

    exit_code = 3
