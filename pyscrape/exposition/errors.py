"""The one error of both text formats: Prometheus' message, and the place that Prometheus does not tell.

Positions are offsets into the body; line and column are worked out only when an error is made.
"""

from pyscrape.model.names import quoted

_QUOTE_LIMIT_BYTES = 1000
_LINE_LIMIT_BYTES = 200


class ParseError(ValueError):
    """A page that is not in its format.

    `message` is what Prometheus says, `line` and `column` count from 1 (columns in characters), `text` is the
    line (its neighbourhood, where it is very long) and `caret` the index in `text` that the column points at.

    >>> print(ParseError("expected label value", b'up 1\\na{b=} 2\\n', 9).explain())
    expected label value (line 2, column 5)
      a{b=} 2
          ^
    """

    def __init__(self, message: str, body: bytes, position: int) -> None:
        position = min(max(position, 0), len(body))
        start = body.rfind(b"\n", 0, position) + 1
        end = body.find(b"\n", position)
        end = len(body) if end < 0 else end
        self.message = message
        self.position = position
        self.line = body.count(b"\n", 0, start) + 1
        self.column = len(decoded(body[start:position])) + 1
        shown = max(start, position - _LINE_LIMIT_BYTES // 2)
        self.text = decoded(body[shown : min(end, shown + _LINE_LIMIT_BYTES)])
        self.caret = len(decoded(body[shown:position]))
        super().__init__(f"{message} (line {self.line}, column {self.column})")

    def explain(self) -> str:
        """The message with the line and a caret below the place."""
        # A wide run of tabs or bytes that are no text would move the caret; show them as blanks and question marks.
        text = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in self.text)
        return f"{self}\n  {text}\n  {' ' * self.caret}^"


class NotLined(Exception):  # noqa: N818 (no error: another way takes over)
    """The page must be read by its grammar."""


def decoded(text: bytes) -> str:
    """Bytes of a page as text; bytes that are no UTF-8 survive as lone surrogates."""
    return text.decode("utf-8", "surrogateescape")


def go_quoted(text: bytes) -> str:
    """`text` as Go's %q prints it; a hostile megabyte is cut, which Prometheus does not do."""
    if len(text) > _QUOTE_LIMIT_BYTES:
        return quoted(decoded(text[:_QUOTE_LIMIT_BYTES]))[:-1] + '..."'
    return quoted(decoded(text))
