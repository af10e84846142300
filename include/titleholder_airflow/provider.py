"""What `airflow providers` shows about the installed package."""

from __future__ import annotations


def get_provider_info() -> dict[str, str]:
    """The package as an Airflow provider: its name and purpose. Airflow reads the version from the distribution."""
    return {
        "package-name": "titleholder",
        "name": "Titleholder",
        "description": "Scheduled retraining with MLflow; a new model takes over only when the evidence says so.",
    }
