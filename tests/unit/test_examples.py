"""The examples in docstrings run and print what they promise."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import demo
import titleholder

MODULES = [
    name
    for package in (titleholder, demo)
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if "migrations" not in name and ">>>" in Path(str(importlib.util.find_spec(name).origin)).read_text()
]


def test_there_are_examples() -> None:
    assert len(MODULES) > 5


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=options)
    assert tried
    assert not failed
