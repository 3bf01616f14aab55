"""What the documentation of the store shows is what happens."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import pyscrape

MODULES = ("pyscrape.store.arrays", "pyscrape.store.store")


def test_the_topic() -> None:
    page = Path(pyscrape.__file__).parent / "docs" / "store.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 8
    assert not found.failed


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert not found.failed
