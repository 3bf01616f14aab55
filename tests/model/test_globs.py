"""Go's file patterns and Python's name the same files."""

import fnmatch

import pytest

from pyscrape.model.globs import python_pattern


@pytest.mark.parametrize(
    ("pattern", "written", "named", "not_named"),
    [
        ("*.json", "*.json", "a.json", "a.yml"),
        ("[^x]y.yml", "[!x]y.yml", "ay.yml", "xy.yml"),
        ("[a-c^]y.yml", "[a-c^]y.yml", "^y.yml", "dy.yml"),
        ("[!x]y.yml", "[x!]y.yml", "xy.yml", "ay.yml"),
        (r"\*.yml", "[*].yml", "*.yml", "a.yml"),
        (r"\a\[1].yml", "a[[]1].yml", "a[1].yml", "a1.yml"),
    ],
)
def test_python_pattern(pattern: str, written: str, named: str, not_named: str) -> None:
    assert python_pattern(pattern) == written
    assert fnmatch.fnmatchcase(named, python_pattern(pattern))
    assert not fnmatch.fnmatchcase(not_named, python_pattern(pattern))
