"""`/federate`: the newest sample of every series that `match[]` chooses, in the text format.

Source: Prometheus' documentation "Federation". A series that ended is left out; external labels stand where the series
has no such label; an absent instance is written out empty, so that the scraping server does not put its own there.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.floats import go_g
from pyscrape.exposition.write import CONTENT_TYPE, write_label, write_name
from pyscrape.model.blocks import LabelFrame, Newest
from pyscrape.model.names import EscapingScheme, escape_name, valid_metric_name
from pyscrape.model.symbols import NAME
from pyscrape.model.value import STALE_BITS
from pyscrape.web.answers import Answer, ApiError, in_pieces, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.series_api import any_matcher_sets
from pyscrape.web.services import Services

ESCAPING_SCHEMES: tuple[EscapingScheme, ...] = ("allow-utf-8", "underscores", "dots", "values")
SERIES_OF_PIECE = 5000
"""So many lines are made at a time: a thread that holds the interpreter for longer delays scrapes."""

Lines = dict[str, dict[bytes, bytes]]
"""By metric name: the text of a series -> the rest of its line."""


def negotiated_escaping(accept: str) -> EscapingScheme:
    """How a client wants names that are not legacy ones: what it says with the text format, or before it.

    >>> negotiated_escaping("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3")
    'allow-utf-8'
    >>> negotiated_escaping("*/*")
    'underscores'
    """
    offers = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        values = dict(one.split("=", 1) for one in parameters if "=" in one)
        try:
            offers.append((-float(values.get("q", "1")), kind, values.get("escaping", "")))
        except ValueError:  # an offer without a readable quality is none
            continue
    found: EscapingScheme = "underscores"
    for _, kind, wanted in sorted(offers, key=lambda offer: offer[0]):
        found = next((scheme for scheme in ESCAPING_SCHEMES if scheme == wanted), found)
        if kind == "text/plain":
            break
    return found


def label_texts(frame: LabelFrame, external: Mapping[str, str], scheme: EscapingScheme) -> Iterator[bytes]:
    """The labels of each series as they stand between braces: its own by name, external ones that it has not, and an
    empty instance where it has none.
    """

    def written(name: str, value: str) -> bytes:
        return write_label(escape_name(name, scheme), value)

    texts = {k: frame.symbols.text(name) for k, name in enumerate(frame.names) if name != NAME}
    columns: list[Iterable[bytes]] = []
    added: list[Iterable[bytes]] = []
    for k in sorted(texts, key=texts.__getitem__):
        name = texts[k]
        codes, places = np.unique(frame.codes[:, k], return_inverse=True)
        own = [written(name, frame.symbols.text(code)) if code else b"" for code in codes.tolist()]
        columns.append([own[place] for place in places.tolist()])
        if name in external or name == "instance":
            instead = written(name, external.get(name, ""))
            added.append([b"" if code else instead for code in frame.codes[:, k].tolist()])
    outside = {"instance": "", **external}
    missing = sorted(outside.keys() - set(texts.values()), key=lambda name: (name == "instance", name))
    added += [repeat(written(name, outside[name]), len(frame)) for name in missing]
    return (b",".join(filter(None, row)) for row in zip(*columns, *added, strict=True))


def add_lines(
    lines: Lines, found: Newest, external: Mapping[str, str], scheme: EscapingScheme = "allow-utf-8"
) -> None:
    """Add the lines of the series that have not ended and have a name."""
    alive = found.values.view(np.uint64) != np.uint64(STALE_BITS)
    metric = found.frame.names.index(NAME)
    rows = np.flatnonzero(alive & (found.frame.codes[:, metric] != 0))
    for first in range(0, len(rows), SERIES_OF_PIECE):
        _add_some(lines, found, rows[first : first + SERIES_OF_PIECE], external, scheme)


def _add_some(
    lines: Lines, found: Newest, rows: NDArray[np.intp], external: Mapping[str, str], scheme: EscapingScheme
) -> None:
    frame = LabelFrame(found.frame.names, found.frame.codes[rows], found.frame.symbols)
    names = frame.codes[:, frame.names.index(NAME)].tolist()
    text_of = frame.symbols.text
    known = {code: lines.setdefault(escape_name(text_of(code), scheme), {}) for code in set(names)}
    values, times = found.values[rows].tolist(), found.times_ms[rows].tolist()
    every = zip(names, label_texts(frame, external, scheme), values, times, strict=True)
    for name, labels, value, at_ms in every:
        known[name][labels] = b"%s %d\n" % (go_g(value).encode(), at_ms)


def page(lines: Lines) -> list[bytes]:
    """The page in pieces, by metric name."""
    pieces = []
    for name in sorted(lines):
        shown = write_name(name).encode()
        start = shown + b"{" if valid_metric_name(name, "legacy") else b"{" + shown + b","
        pieces.append(b"# TYPE %s untyped\n" % shown)
        pieces += [b"%s%s} %s" % (start, labels, rest) for labels, rest in lines[name].items()]
    return pieces


class FederateApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [Mount("/federate", self.federate, place="thread")]

    def federate(self, call: Call) -> Answer:
        try:
            call.require_form()
            # One without any matcher chooses nothing, as in Prometheus.
            sets = [matchers for matchers in any_matcher_sets(call.params) if matchers]
        except ApiError as error:
            return text(error.message + "\n", 400)
        now_ms = round(self._services.now_s() * 1000)
        start_ms = now_ms - self._services.options.lookback_ms
        external = self._services.external_labels()
        scheme = negotiated_escaping(call.header("accept"))
        lines: Lines = {}
        for matchers in sets:
            add_lines(lines, self._services.store.newest(matchers, start_ms, now_ms), external, scheme)
        return in_pieces(page(lines), f"{CONTENT_TYPE}; escaping={scheme}")
