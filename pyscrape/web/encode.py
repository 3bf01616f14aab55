"""Query results as the API's JSON, from columns: labels by distinct value, samples by rows (see `matrix`)."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import NamedTuple

import numpy as np
import orjson

from pyscrape.model.blocks import Codes, LabelFrame
from pyscrape.promql.format import format_float
from pyscrape.promql.result import Result, ResultType
from pyscrape.web.matrix import format_timestamp, matrix_rows, plain_rows, sample_texts

NUMBERS_OF_PIECE = 10_000
MOST_SORTED = 10_000
FEW_ROWS = 64
"""So many values are escaped one by one in less time than it takes to find the distinct ones."""
MOST_KEPT, MOST_KEPT_BYTES = 256, 4 << 20
_TIME = b"\0"
"""Stands for the time of a vector in `Labelled.vector`; JSON has no such byte."""


class Labelled(NamedTuple):
    """The labels of some series as JSON, and a vector of them with `_TIME` and %s for their times and values."""

    metrics: list[bytes]
    vector: bytes


class KeptLabels:
    """The JSON of labels that are asked for again and again; safe to share between threads.

    A store gives the same codes, which nobody may write, for as long as no series comes or goes; those stay in memory
    as long as their JSON does, so that no others can take their place. Codes that may change are not kept.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Codes, Labelled]] = {}
        self._bytes = 0
        self._lock = Lock()

    def of(self, frame: LabelFrame) -> Labelled | None:
        """The labels of a frame, None where they are not to be kept."""
        codes = frame.codes
        if codes.flags.writeable or codes.base is not None:
            return None
        known = self._kept.get(id(codes))
        if known is not None:
            return known[1]
        metrics = metric_objects(frame)
        quoted = [metric.replace(b"%", b"%%") for metric in metrics]
        labelled = Labelled(metrics, b",".join([b'{"metric":%s,"value":[\0,"%%s"]}' % one for one in quoted]))
        size = 2 * len(labelled.vector)
        with self._lock:
            if len(self._kept) >= MOST_KEPT or self._bytes + size > MOST_KEPT_BYTES:
                self._kept.clear()
                self._bytes = 0
            if size <= MOST_KEPT_BYTES:
                self._kept[id(codes)] = codes, labelled
                self._bytes += size
        return labelled


def metric_objects(frame: LabelFrame) -> list[bytes]:
    """Each series' labels as a JSON object, names in order; every distinct value is escaped once."""
    texts = [frame.symbols.text(name) for name in frame.names]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    if not order:
        return [b"{}"] * len(frame)
    columns = [_escaped(frame, k) for k in order]
    names = [orjson.dumps(texts[k]) for k in order]
    if frame.codes.all():  # every series has every label, as a rule
        template = b"{" + b",".join(name.replace(b"%", b"%%") + b':"%s"' for name in names) + b"}"
        return [template % row for row in zip(*columns, strict=True)]
    pairs = [
        [b'%s:"%s"' % (name, value) if value else b"" for value in column]
        for name, column in zip(names, columns, strict=True)
    ]
    return [b"{" + b",".join(filter(None, row)) + b"}" for row in zip(*pairs, strict=True)]


def _escaped(frame: LabelFrame, column: int) -> list[bytes]:
    """A column's values as the inside of JSON strings; empty where there is no such label."""
    if len(frame) <= FEW_ROWS:
        return [orjson.dumps(frame.symbols.text(code))[1:-1] for code in frame.codes[:, column].tolist()]
    codes, places = np.unique(frame.codes[:, column], return_inverse=True)
    texts = frame.symbols.texts(codes.tolist())
    values = orjson.dumps(texts)
    distinct = values[2:-2].split(b'","')
    if b'\\"' in values:  # a quote inside of a value: `","` need not stand between two of them
        distinct = [orjson.dumps(text)[1:-1] for text in texts]
    return [distinct[place] for place in places.tolist()]


def result_data(
    result: Result, stats: dict[str, object] | None = None, labels: KeptLabels | None = None
) -> Iterator[bytes]:
    """The API's `data` object in pieces: no call works on so much at a time that the scrapes notice.

    What `labels` has of the series is not made again.
    """
    yield b'{"resultType":"%s","result":' % result.type.value.encode()
    if result.type is ResultType.STRING:
        yield b"[%s,%s]" % (format_timestamp(int(result.times_ms[0])).encode(), orjson.dumps(result.text))
    elif result.type is ResultType.SCALAR:
        value = format_float(float(result.values[0, 0])).encode()
        yield b'[%s,"%s"]' % (format_timestamp(int(result.times_ms[0])).encode(), value)
    else:
        series = max(1, NUMBERS_OF_PIECE // max(1, len(result.times_ms)))
        yield from json_list(
            _series(result, slice(first, first + series), labels)
            for first in range(0, len(result.frame), series)
        )
    yield b"}" if stats is None else b',"stats":%s}' % orjson.dumps(stats)


def label_data(frame: LabelFrame) -> Iterator[bytes]:
    """A list of label sets in pieces; sorted while it is short enough to be read."""
    if len(frame) <= MOST_SORTED:
        return json_list([sorted(metric_objects(frame))])
    starts = range(0, len(frame), NUMBERS_OF_PIECE)
    return json_list(metric_objects(_part(frame, slice(k, k + NUMBERS_OF_PIECE))) for k in starts)


def json_list(groups: Iterable[list[bytes]]) -> Iterator[bytes]:
    """A JSON list of items that come in groups, a piece for each group.

    >>> b"".join(json_list([[b"1", b"2"], [], [b"3"]]))
    b'[1,2,3]'
    """
    before = b"["
    for group in filter(None, groups):
        yield before + b",".join(group)
        before = b","
    yield b"]" if before == b"," else b"[]"


def _part(frame: LabelFrame, series: slice) -> LabelFrame:
    if series.start == 0 and series.stop >= len(frame):
        return frame
    return LabelFrame(frame.names, frame.codes[series], frame.symbols)


def _series(result: Result, series: slice, labels: KeptLabels | None) -> list[bytes]:
    """Some series of a vector or matrix, each by itself or all together."""
    frame = _part(result.frame, series)
    kept = None if labels is None else labels.of(frame)
    metrics = metric_objects(frame) if kept is None else kept.metrics
    if result.type is ResultType.VECTOR:
        at = format_timestamp(int(result.times_ms[0])).encode()
        values = sample_texts(result.values[:1, series])[0]
        if kept is not None:
            return [kept.vector.replace(_TIME, at) % tuple(values)]
        return [
            b'{"metric":%s,"value":[%s,"%s"]}' % (metric, at, value)
            for metric, value in zip(metrics, values, strict=True)
        ]
    points = _points(result, series)
    return [b'{"metric":%s,"values":%s}' % pair for pair in zip(metrics, points, strict=True)]


def _points(result: Result, series: slice) -> list[bytes]:
    if result.samples is None:
        present = None if result.present is None else np.ascontiguousarray(result.present.T[series])
        return matrix_rows(result.times_ms.tolist(), np.ascontiguousarray(result.values.T[series]), present)
    rows: list[bytes] = []
    for samples in result.samples[series]:
        times = [format_timestamp(at_ms) for at_ms in samples.times_ms.tolist()]
        rows.extend(plain_rows(times, samples.values[None, :], None))
    return rows
