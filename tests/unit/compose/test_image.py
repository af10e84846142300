"""The Dockerfile: who runs, what is copied, what is installed."""

from __future__ import annotations

import re

from localstack.state import PROJECT
from support.compose_file import OURS, SECRETS, image_environment


def test_image_runs_as_nobody_special_and_copies_no_secret() -> None:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert "." not in copied
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        path.rstrip("/").replace("[t]", "t")
        for path in copied  # a pattern, because the file may be absent
    }
    assert not set(image_environment()) & SECRETS


def test_image_takes_the_lock() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert "--require-hashes --requirement requirements-build.txt --requirement requirements.txt" in text
    assert "pip install --no-deps --no-build-isolation --editable ." in text, (
        "the models are looked for beside the package's folder"
    )


def test_folders_of_volumes_are_made_in_the_image_with_their_owner() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    made = text[text.index("install --directory") : text.index("WORKDIR")]
    for service in OURS.values():
        for mount in service.get("volumes", []):
            assert re.search(rf"\s{re.escape(mount.split(':')[1])}\s", made), mount
