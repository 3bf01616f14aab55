"""The lexer: kinds, texts, and the words for what it cannot read."""

import pytest

from pyscrape.promql.lexer import tokenize
from pyscrape.promql.tokens import END, ERROR, Token


def kinds(query: str) -> list[str]:
    return [token.kind for token in tokenize(query)[:-1]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("up", ["identifier"]),
        ("a:b", ["metric identifier"]),
        (":a", ["metric identifier"]),
        ("SUM By (a)", ["sum", "by", "(", "identifier", ")"]),
        ("1 0x1F .5 1e-3 1_000 Inf nAn", ["number"] * 7),
        ("5m 1h30m 100ms 1y2w3d", ["duration"] * 4),
        ("a == b != c >= d <= e < f > g", ["identifier", "==", "identifier", "!=", "identifier", ">=",
                                            "identifier", "<=", "identifier", "<", "identifier", ">", "identifier"]),
        ("{a=~'b',c!~\"d\",`e`!=`f`}", ["{", "identifier", "=~", "string", ",", "identifier", "!~", "string", ",",
                                        "string", "!=", "string", "}"]),
        ("{sum='1',by='2'}", ["{", "identifier", "=", "string", ",", "identifier", "=", "string", "}"]),
        ("a[5m:1m] # comment", ["identifier", "[", "duration", ":", "duration", "]"]),
        ("a[-step() + 2 * max_of(range(), 1)]", ["identifier", "[", "-", "step", "(", ")", "+", "number", "*",
                                                 "identifier", "(", "range", "(", ")", ",", "number", ")", "]"]),
        ("fill + fill(0)", ["identifier", "+", "fill", "(", "number", ")"]),
        ("a @ start()", ["identifier", "@", "start", "(", ")"]),
        ("# only a comment\n", []),
    ],
)  # fmt: skip
def test_kinds(query: str, expected: list[str]) -> None:
    assert kinds(query) == expected
    assert tokenize(query)[-1].kind == END


@pytest.mark.parametrize(
    ("query", "message", "start"),
    [
        ("(a", "unclosed left parenthesis", 2),
        ("a[5m", "unclosed left bracket", 4),
        ("a]", "unexpected right bracket ']'", 1),
        ("a)", "unexpected right parenthesis ')'", 2),
        ("a[5m[", "unexpected left bracket '['", 4),
        ("a[:", "unexpected colon before duration in duration expression", 3),
        ("a[5m:1m:", "unexpected colon ':'", 7),
        ("a{", "unexpected end of input inside braces", 2),
        ("a{{", "unexpected left brace '{'", 2),
        ("a{b!c}", "unexpected character after '!' inside braces: 'c'", 3),
        ("a{1}", "unexpected character inside braces: '1'", 2),
        ("a = ~", "unexpected character: '~'", 4),
        ("a =~ b", "unexpected character after '=': '~'", 2),
        ("!", "unexpected character after '!': '\N{REPLACEMENT CHARACTER}'", 0),
        ("ü", "unexpected character: 'ü'", 0),
        ("\x01", "unexpected character: '\\x01'", 0),
        ('"', "unterminated quoted string", 0),
        ('"a\nb"', "unterminated quoted string", 0),
        ("`a", "unterminated raw string", 0),
        (r'"\z"', "unknown escape sequence U+007A 'z'", 0),
        (r'"\400"', "escape sequence is an invalid Unicode code point", 0),
        (r'"\ud800"', "escape sequence is an invalid Unicode code point", 0),
        (r'"\u12g4"', "illegal character U+0067 'g' in escape sequence", 0),
        ('"\udcff"', "invalid UTF-8 rune", 0),
        ("1e", 'bad number or duration syntax: "1e"', 0),
        ("1..2", 'bad number or duration syntax: "1.."', 0),
        ("0xg", 'bad number or duration syntax: "0x"', 0),
        ("5mx", 'bad number or duration syntax: "5mx"', 0),
        ("a[b]", "unexpected character in duration expression: 'b'", 2),
        ("a[5m b]", "unexpected character: 'b', expected ':'", 5),
    ],
)
def test_messages(query: str, message: str, start: int) -> None:
    last = tokenize(query)[-1]
    assert (last.kind, last.text, last.start) == (ERROR, message, start)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (Token("+", "+", 0, 1), "<op:+>"),
        (Token("and", "AND", 0, 3), "<op:AND>"),
        (Token("sum", "sum", 0, 3), "<aggr:sum>"),
        (Token("by", "by", 0, 2), "<by>"),
        (Token("start", "start", 0, 5), '"start"'),
        (Token("identifier", "x" * 20, 0, 20), f'identifier "{"x" * 20}"'),
        (Token("string", '"0123456789"', 0, 12), r'string "\"012345678"...'),
        (Token("number", "1", 0, 1), 'number "1"'),
        (Token("=", "=", 0, 1), '"="'),
        (Token(END, "", 0, 0), "end of input"),
    ],
)
def test_how_messages_show_tokens(token: Token, shown: str) -> None:
    assert token.describe() == shown


def test_tokens_cover_the_text_but_for_blanks() -> None:
    query = 'sum by (a) (rate(x{b=~"c.*"}[5m] offset -1h)) / 2 # done'
    covered = "".join(token.text for token in tokenize(query))
    assert covered == query.split("#")[0].replace(" ", "")
