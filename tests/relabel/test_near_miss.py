import pytest

from pyscrape.model.regex import compile_re2
from pyscrape.relabel.near_miss import near_miss


@pytest.mark.parametrize(
    ("pattern", "value", "said"),
    [
        ("default;kubernetes;https", "default;kubernetes;http", 'the value lacks "s"'),
        ("true", "True", '"true" differs from it in case only'),
        ("true", "true ", "it would match without the white space around it"),
        ("prod|staging", "stagng", 'the value lacks "i"'),
        ("[a-z]+:[0-9]+", "db:80x ", 'it fits up to "db:80", but "x" cannot follow'),
        ("web", "website", 'without "site"'),
        ("web", "database", ""),
        (".*:10250", "a:10251", ""),
        ("[a-z]+:[0-9]+", "db:80x", 'it fits up to "db:80", but "x" cannot follow'),
        ("[a-z]+:[0-9]+", "db:", "it fits, but ends too early"),
        ("[a-z]+", "1", 'it cannot begin with "1"'),
        ("a", "", ""),
    ],
)
def test_near_misses(pattern: str, value: str, said: str) -> None:
    found = near_miss(compile_re2(pattern), value)
    assert said in found if said else found in ("", "it fits, but ends too early")
