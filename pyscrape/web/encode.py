"""Query results as the API's JSON, from columns: labels by distinct value, samples by rows (see `matrix`)."""

import numpy as np
import orjson

from pyscrape.model.blocks import LabelFrame
from pyscrape.promql.format import format_sample
from pyscrape.promql.result import Result, ResultType
from pyscrape.web.matrix import format_timestamp, matrix_rows, plain_rows, sample_texts


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
    codes, places = np.unique(frame.codes[:, column], return_inverse=True)
    texts = [frame.symbols.text(code) for code in codes.tolist()]
    values = orjson.dumps(texts)
    distinct = values[2:-2].split(b'","')
    if b'\\"' in values:  # a quote inside of a value: `","` need not stand between two of them
        distinct = [orjson.dumps(text)[1:-1] for text in texts]
    return [distinct[place] for place in places.tolist()]


def result_data(result: Result, stats: dict[str, object] | None = None) -> orjson.Fragment:
    """The API's `data` object."""
    tail = b"" if stats is None else b',"stats":' + orjson.dumps(stats)
    body = b'{"resultType":"%s","result":%s%s}' % (result.type.value.encode(), _result(result), tail)
    return orjson.Fragment(body)


def _result(result: Result) -> bytes:
    if result.type is ResultType.STRING:
        return b"[%s,%s]" % (format_timestamp(int(result.times_ms[0])).encode(), orjson.dumps(result.text))
    if result.type is ResultType.SCALAR:
        value = format_sample(float(result.values[0, 0])).encode()
        return b'[%s,"%s"]' % (format_timestamp(int(result.times_ms[0])).encode(), value)
    metrics = metric_objects(result.frame)
    if result.type is ResultType.VECTOR:
        at = format_timestamp(int(result.times_ms[0])).encode()
        values = sample_texts(result.values)[0] if metrics else []
        rows = [
            b'{"metric":%s,"value":[%s,"%s"]}' % (metric, at, value)
            for metric, value in zip(metrics, values, strict=True)
        ]
    else:
        points = _points(result)
        rows = [b'{"metric":%s,"values":%s}' % pair for pair in zip(metrics, points, strict=True)]
    return b"[" + b",".join(rows) + b"]"


def _points(result: Result) -> list[bytes]:
    if result.samples is None:
        present = None if result.present is None else np.ascontiguousarray(result.present.T)
        return matrix_rows(result.times_ms.tolist(), np.ascontiguousarray(result.values.T), present)
    rows: list[bytes] = []
    for samples in result.samples:
        times = [format_timestamp(at_ms) for at_ms in samples.times_ms.tolist()]
        rows.extend(plain_rows(times, samples.values[None, :], None))
    return rows
