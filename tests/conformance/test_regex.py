"""Go's own answers about patterns: refused with which words, matched with which groups, expanded to what.

No line is excepted: verdicts, texts and groups all agree.
"""

from typing import Any

import pytest

from pyscrape.model.regex import RegexError, compile_re2
from pyscrape.model.regex_linear import LinearMatcher
from pyscrape.model.regex_syntax import parse, unwrap
from tests.conformance.relabel_cases import WITHOUT, cases

LINES = cases("regex.jsonl")
SHARES = 8  # a test per share rather than per line: collecting 1,500 tests takes longer than running them

pytestmark = pytest.mark.skipif(not LINES, reason=WITHOUT)


def share(number: int) -> list[dict[str, Any]]:
    return LINES[number::SHARES]


@pytest.mark.parametrize("number", range(SHARES))
def test_refused_with_go_s_words(number: int) -> None:
    for line in share(number):
        try:
            compile_re2(line["pattern"])
            found = None
        except RegexError as error:
            found = str(error)
        assert found == line.get("error"), line["pattern"]


@pytest.mark.parametrize("number", range(SHARES))
def test_match_groups_and_expansion(number: int) -> None:
    for line in share(number):
        if "error" in line:
            continue
        pattern = compile_re2(line["pattern"])
        for case in line["cases"]:
            match = pattern.fullmatch(case["subject"])
            groups = None if match is None else [match.group(0), *match.groups()]
            assert groups == case["groups"], (line["pattern"], case["subject"])
            assert pattern.matches(case["subject"]) is (groups is not None)
            for template, expanded in case.get("expand", {}).items():
                assert match is not None
                assert match.expand(template) == expanded, (line["pattern"], case["subject"], template)


@pytest.mark.parametrize("number", range(SHARES))
def test_the_linear_matcher_alone_agrees(number: int) -> None:
    for line in share(number):
        if "error" in line:
            continue
        parsed = parse(f"^(?s:{line['pattern']})$")
        inner = unwrap(parsed.node)
        matcher = LinearMatcher(parsed.node if inner is None else inner, parsed.groups, inner is not None)
        for case in line["cases"]:
            groups = matcher.captures(case["subject"], 10**10)
            found = None if groups is None else list(groups)
            assert found == case["groups"], (line["pattern"], case["subject"])
