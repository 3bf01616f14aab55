"""Values as people read them: ages, durations, sizes, and long texts cut. Pure functions, used as template filters."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_VALUE = 500
"""A label value longer than this is cut where many are listed, so that no page grows without bound."""


def ago(seconds: float | None) -> str:
    """
    >>> ago(3.21), ago(75), ago(4000), ago(None)
    ('3.2s', '1m 15s', '1h 6m', '')
    """
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, left = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {left}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours < 48 else f"{hours // 24}d {hours % 24}h"


def took(seconds: float) -> str:
    """
    >>> took(0.00321), took(2.5)
    ('3.2ms', '2.50s')
    """
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1000:.1f}ms"


def size(count: float) -> str:
    """
    >>> size(512), size(2048), size(5 * 2**30)
    ('512 B', '2.0 KiB', '5.0 GiB')
    """
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def number(count: float) -> str:
    """
    >>> number(1234567)
    '1,234,567'
    """
    return f"{count:,}"


def counted(count: int, forms: str) -> str:
    """A number with its noun; `forms` is "one|many".

    >>> counted(1, "target|targets"), counted(1200, "target|targets")
    ('1 target', '1,200 targets')
    """
    one, many = forms.split("|")
    return f"{number(count)} {one if count == 1 else many}"


# What turns the direction of what stands around it, even out of a <bdi>: an open isolate takes the element's own end.
_TURNING = {
    code: f"\\u{code:04x}" for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def visible(text: str) -> str:
    """`text` with marks of writing direction as their escapes.

    >>> visible("a\\u202eb")
    'a\\\\u202eb'
    """
    return text if text.isascii() else text.translate(_TURNING)


def cut(text: str) -> str:
    """`text` to be shown, or its start and how much is missing; see `visible`."""
    if len(text) <= LONGEST_VALUE:
        return visible(text)
    return f"{visible(text[:LONGEST_VALUE])}… ({len(text) - LONGEST_VALUE:,} more characters)"


def moment(at_s: float | None) -> str:
    """A time in UTC to the second; empty for None."""
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def pairs(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Label pairs by name, cut values."""
    items = labels.items() if isinstance(labels, Mapping) else labels
    return [(name, cut(value)) for name, value in sorted(items)]


# What people know a target by: its address, what discovery found it as, and what the configuration calls it.
_TELLING = re.compile(
    r"__address__|(?!__).*|__meta_[a-z]+_(?:namespace|(?:pod|service|node|container|endpoints|ingress|instance)_name)"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The labels of a target that say which it is, and the rest."""

    first: Mapping[str, str]
    rest: Mapping[str, str]


def telling(labels: Mapping[str, str]) -> Parts:
    """
    >>> telling({"__address__": "a:1", "__meta_docker_container_name": "web", "job": "j", "__scheme__": "http"}).rest
    {'__scheme__': 'http'}
    """
    first = {name: value for name, value in labels.items() if _TELLING.fullmatch(name)}
    return Parts(first, {name: value for name, value in labels.items() if name not in first})


def weight(labels: Iterable[tuple[str, str]]) -> int:
    """About how many bytes a list of pairs takes on a page."""
    return sum(60 + 2 * len(name) + 3 * min(len(value), LONGEST_VALUE) for name, value in labels)


def label_id(labels: Mapping[str, str]) -> str:
    """16 hex digits that name a set of discovered labels in links."""
    text = "\x00".join(f"{name}\x01{labels[name]}" for name in sorted(labels))
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


FILTERS = {
    "ago": ago,
    "took": took,
    "size": size,
    "number": number,
    "counted": counted,
    "cut": cut,
    "moment": moment,
    "pairs": pairs,
    "telling": telling,
}
