"""xxHash64 with seed 0: the hash by which Prometheus decides which series `limit_ratio` keeps."""

_MASK = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _rotl(x: int, bits: int) -> int:
    return (x << bits | x >> (64 - bits)) & _MASK


def _round(acc: int, lane: int) -> int:
    return _rotl((acc + lane * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64(text: bytes) -> int:
    """The 64-bit hash of `text`.

    >>> hex(xxhash64(b""))
    '0xef46db3751d8e999'
    """
    size, at = len(text), 0
    if size >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= size:
            for k in range(4):
                lanes[k] = _round(lanes[k], int.from_bytes(text[at + 8 * k : at + 8 * k + 8], "little"))
            at += 32
        acc = sum(_rotl(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            acc = ((acc ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        acc = _P5
    acc = (acc + size) & _MASK
    while at + 8 <= size:
        acc ^= _round(0, int.from_bytes(text[at : at + 8], "little"))
        acc = (_rotl(acc, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= size:
        acc ^= int.from_bytes(text[at : at + 4], "little") * _P1 & _MASK
        acc = (_rotl(acc, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in text[at:]:
        acc = _rotl(acc ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    acc = (acc ^ acc >> 33) * _P2 & _MASK
    acc = (acc ^ acc >> 29) * _P3 & _MASK
    return acc ^ acc >> 32
