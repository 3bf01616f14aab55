"""The grammar of Kubernetes' label and field selectors, as far as it decides whether a text is one."""

import re

from pyscrape.model.names import quoted

_KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_TOKEN = re.compile(r"\s*(==|!=|=|<|>|!|,|\(|\)|[^\s=!<>,()]+)")


def field_mistake(text: str) -> str:
    """What the API machinery says about a field selector that it refuses, or "".

    >>> field_mistake("status.phase=Running,metadata.name!=x"), field_mistake("foo")
    ('', "invalid selector: 'foo'; can't understand 'foo'")
    """
    for term in _split_terms(text):
        if term and not any(operator in term for operator in ("!=", "==", "=")):
            return f"invalid selector: '{text}'; can't understand '{term}'"
    return ""


def _split_terms(text: str) -> list[str]:
    terms, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == ",":
            terms.append(text[start:position])
            start = position + 1
        position += 1
    return [*terms, text[start:]]


class _Tokens:
    """The tokens of a label selector, and where reading is."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token


def label_mistake(text: str) -> str:
    """What the API machinery says about a label selector that it refuses, or "".

    >>> label_mistake("app in (a, b),tier!=x,!old,env"), label_mistake("a in b")
    ('', "unable to parse requirement: found 'b' expected: '('")
    """
    tokens = _Tokens(text)
    if not tokens.tokens:
        return ""
    while True:
        if message := _requirement(tokens):
            return f"unable to parse requirement: {message}"
        following = tokens.take()
        if following == "":
            return ""
        if following != ",":
            return f"found '{following}', expected: ',' or 'end of string'"
        if tokens.peek() in {"", ","}:
            return f"found '{tokens.peek()}', expected: identifier after ','"


def _requirement(tokens: _Tokens) -> str:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    key = tokens.take()
    if not key or key in "=!<>,()" or key in {"==", "!="}:
        return f"found '{key}', expected: !, identifier, or 'end of string'"
    if not _KEY.fullmatch(key):
        rule = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
            " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
            " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
        return f"<nil>: Invalid value: {quoted(key)}: {rule}"
    operator = tokens.peek()
    if operator in {"", ","}:
        return ""
    if negated:
        return f"found '{operator}', expected: ',' or 'end of string'"
    tokens.take()
    if operator in {"in", "notin"}:
        return _value_list(tokens)
    if operator not in {"=", "==", "!=", "<", ">"}:
        return f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
    value = "" if tokens.peek() in {"", ","} else tokens.take()
    if operator in {"<", ">"}:
        return (
            ""
            if value.lstrip("-").isdigit()
            else f"for 'Gt', 'Lt' operators, the value must be an integer: '{value}'"
        )
    return _value_mistake(value)


def _value_list(tokens: _Tokens) -> str:
    if tokens.peek() != "(":
        return f"found '{tokens.peek()}' expected: '('"
    tokens.take()
    after_value = False
    while (word := tokens.take()) != ")":
        if word == "" or (after_value and word != ","):
            return f"found '{word}', expected: ',' or ')'"
        after_value = word != ","
        if after_value and (message := _value_mistake(word)):
            return message
    return ""


def _value_mistake(value: str) -> str:
    if _VALUE.fullmatch(value):
        return ""
    return (
        f"values[0][key]: Invalid value: {quoted(value)}: a valid label must be an empty string or consist of"
        " alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g."
        " 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
        " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )
