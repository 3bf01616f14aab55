"""Query results as the API's JSON, from columns: labels by distinct value, samples by rows (see `matrix`)."""

import numpy as np
import orjson

from pyscrape.model.blocks import LabelFrame
from pyscrape.promql.format import format_sample
from pyscrape.promql.result import Result, ResultType
from pyscrape.web.matrix import format_timestamp, matrix_rows, plain_rows


def metric_objects(frame: LabelFrame) -> list[bytes]:
    """Each series' labels as a JSON object, names in order; every distinct value is escaped once."""
    texts = [frame.symbols.text(name) for name in frame.names]
    columns = []
    for k in sorted(range(len(texts)), key=texts.__getitem__):
        codes = frame.codes[:, k]
        start = orjson.dumps(texts[k]) + b":"
        known = {
            code: start + orjson.dumps(frame.symbols.text(code)) for code in np.unique(codes).tolist() if code
        }
        known[0] = b""
        columns.append([known[code] for code in codes.tolist()])
    if not columns:
        return [b"{}"] * len(frame)
    return [b"{" + b",".join(filter(None, row)) + b"}" for row in zip(*columns, strict=True)]


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
        values = result.values[0].tolist() if len(metrics) else []
        rows = [
            b'{"metric":%s,"value":[%s,"%s"]}' % (metric, at, format_sample(value).encode())
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
