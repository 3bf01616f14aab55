"""What a value that does not match came nearest to: the text that differs in one place, or how far it fitted."""

from pyscrape.model.names import quoted
from pyscrape.model.regex import Pattern


def near_miss(pattern: Pattern, value: str) -> str:
    """What a value that does not match came nearest to, "" where nothing did.

    >>> from pyscrape.model.regex import compile_re2
    >>> near_miss(compile_re2("svc-a|web"), "svc-b")
    'the nearest it takes is "svc-a", with "a" where the value has "b"'
    >>> near_miss(compile_re2("[0-9]+"), "80a")
    'it fits up to "80", but "a" cannot follow'
    """
    if not value:
        return ""
    if value.strip() != value and pattern.matches(value.strip()):
        return "it would match without the white space around it"
    if pattern.alternatives is not None:
        return _nearest_text(pattern.alternatives, value)
    from pyscrape.model.regex_linear import stops_at  # the rest of this module does without

    end = stops_at(pattern.pattern, value)
    if end is None:
        return ""
    if end == len(value):
        return "it fits, but ends too early"
    if end == 0:
        return f"it cannot begin with {quoted(value[0])}"
    return f"it fits up to {quoted(value[:end])}, but {quoted(value[end])} cannot follow"


def _nearest_text(texts: tuple[str, ...], value: str) -> str:
    for text in texts:
        if text.lower() == value.lower():
            return f"{quoted(text)} differs from it in case only"
    best = max(texts, key=lambda text: _common_start(text, value) + _common_end(text, value), default="")
    start = _common_start(best, value)
    end = min(_common_end(best, value), len(best) - start, len(value) - start)
    if start + end < max(2, 0.6 * min(len(best), len(value))):
        return ""
    wanted, found = best[start : len(best) - end], value[start : len(value) - end]
    if not wanted:
        return f"the nearest it takes is {quoted(best)}, without {quoted(found)}"
    if not found:
        return f"the nearest it takes is {quoted(best)}, and the value lacks {quoted(wanted)}"
    return (
        f"the nearest it takes is {quoted(best)}, with {quoted(wanted)} where the value has {quoted(found)}"
    )


def _common_start(left: str, right: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )


def _common_end(left: str, right: str) -> int:
    return _common_start(left[::-1], right[::-1])
