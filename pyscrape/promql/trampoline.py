"""Recursion without Python's stack: a generator that yields a generator gets its result sent back.

Queries may nest as deep as their author (or a program) likes; the parser and the printers must answer with an
error or a text, not with the interpreter's limit.
"""

from collections.abc import Generator
from types import GeneratorType
from typing import Any, TypeVar

T = TypeVar("T")

Task = Generator[Any, Any, T]
"""A recursive function's body: `result = yield inner(...)` in place of `result = inner(...)`.

`inner` may as well be an ordinary function; what is yielded and is no task comes back as it is.
"""


def run(task: "Task[T]") -> T:
    """The result of a task; an exception leaves an inner task as it would leave a call."""
    stack: list[Task[Any]] = [task]
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            inner = stack[-1].send(value) if error is None else stack[-1].throw(error)
        except StopIteration as finished:
            stack.pop()
            value, error = finished.value, None
            if not stack:
                result: T = value
                return result
        except Exception as raised:
            stack.pop()
            if not stack:
                raise
            error = raised
        else:
            error = None
            if type(inner) is GeneratorType:
                stack.append(inner)
                value = None
            else:
                value = inner
