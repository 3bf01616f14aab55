"""Remote write 2.0 requests in the form of 1.0: the table of symbols is put back into the series' labels.

Samples are the same bytes in both. Metadata and exemplars are passed over, as they are in 1.0.
"""

from pyscrape.remote.encode import field, label_pairs
from pyscrape.remote.receive import BadWriteError, fields_of, read_varint

_SYMBOL, _SERIES = 4, 5
_LABEL_REFS, _SAMPLES, _HISTOGRAMS = 1, 2, 3


def as_version_1(data: bytes) -> bytes:
    """A 1.0 request with the series of a 2.0 request; neither is compressed.

    Raises:
        BadWriteError: it is no such request, or refers to symbols that are not there.
    """
    try:
        symbols: list[str] = []
        messages: list[bytes] = []
        for number, _, content in fields_of(data):
            if number == _SYMBOL and isinstance(content, bytes):
                symbols.append(content.decode())
            elif number == _SERIES and isinstance(content, bytes):
                messages.append(content)
        pairs: dict[tuple[int, int], bytes] = {}
        return b"".join([field(0x0A, _series(message, symbols, pairs)) for message in messages])
    except (IndexError, UnicodeDecodeError) as error:
        raise BadWriteError(f"proto: {error}") from error


def _series(message: bytes, symbols: list[str], pairs: dict[tuple[int, int], bytes]) -> bytes:
    refs: list[int] = []
    rest = []
    for number, kind, content in fields_of(message):
        if number == _LABEL_REFS and kind == 0 and isinstance(content, int):
            refs.append(content)
        elif isinstance(content, int):
            continue
        elif number == _LABEL_REFS:
            at = 0
            while at < len(content):
                ref, at = read_varint(content, at)
                refs.append(ref)
        elif number == _SAMPLES:
            rest.append(field(0x12, content))
        elif number == _HISTOGRAMS:
            rest.append(field(0x22, content))
    if not rest:
        raise BadWriteError("TimeSeries must contain at least one sample or histogram for series")
    return _labels(refs, symbols, pairs) + b"".join(rest)


def _labels(refs: list[int], symbols: list[str], pairs: dict[tuple[int, int], bytes]) -> bytes:
    """The labels as fields of a 1.0 series; `pairs` remembers those that were made before."""
    if len(refs) % 2 or max(refs, default=0) >= len(symbols):
        raise BadWriteError(f"invalid labelRefs {refs} for {len(symbols)} symbols")
    parts = []
    for pair in zip(refs[::2], refs[1::2], strict=True):
        made = pairs.get(pair)
        if made is None:
            made = pairs[pair] = label_pairs({symbols[pair[0]]: symbols[pair[1]]})
        parts.append(made)
    return b"".join(parts)
