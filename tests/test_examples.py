"""The examples in docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import rabit

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(rabit.__path__, "rabit.")
    if not name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_there_are_examples() -> None:
    module = importlib.import_module("rabit.functional.topk")
    assert doctest.testmod(module).attempted > 0
