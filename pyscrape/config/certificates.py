"""TLS material: does a key belong to its certificate, is a certificate still valid.

The validity is read from the certificate's DER form by a small walk, since the standard library shows it for
certificates of a connection only.
"""

import re
import ssl
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyscrape.config.files import NamedFile

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SOON = timedelta(days=14)
_SEQUENCE, _UTC_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0xA0


class TLSFinding(NamedTuple):
    """A finding about one of the files."""

    named: "NamedFile"
    severity: str
    id: str
    message: str
    hint: str = ""


def check_tls(fields: Mapping[str, "NamedFile"]) -> Iterator[TLSFinding]:
    """Look at the files of one tls_config."""
    cert, key = fields.get("cert_file"), fields.get("key_file")
    for named in (fields.get("ca_file"), cert):
        if named is not None:
            yield from _check_certificates(named)
    if cert is not None and key is not None:
        try:
            # Only to see whether the two belong together; no connection is made with it.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert.path, key.path, password="")
        except ssl.SSLError as error:
            reason = (
                "the key does not belong to the certificate"
                if "MISMATCH" in str(error).upper()
                else str(error)
            )
            yield TLSFinding(key, "error", "bad-certificate", f"key_file: {reason}")


def _check_certificates(named: "NamedFile") -> Iterator[TLSFinding]:
    with open(named.path, "rb") as file:  # noqa: PTH123 - as in files
        found = _PEM.findall(file.read())
    if not found:
        yield TLSFinding(
            named, "error", "bad-certificate", f"{named.field}: {named.path} holds no PEM certificate"
        )
        return
    now = datetime.now(UTC)
    for body in found:
        try:
            starts, ends = validity(
                ssl.PEM_cert_to_DER_cert(f"{ssl.PEM_HEADER}{body.decode()}{ssl.PEM_FOOTER}")
            )
        except (ValueError, IndexError, Base64Error):
            yield TLSFinding(named, "error", "bad-certificate", f"{named.field}: {named.path} cannot be read")
            continue
        if now > ends:
            yield TLSFinding(
                named, "warning", "expired-certificate", f"{named.field}: expired on {ends:%Y-%m-%d}"
            )
        elif now < starts:
            yield TLSFinding(
                named, "warning", "expired-certificate", f"{named.field}: valid from {starts:%Y-%m-%d} on"
            )
        elif ends - now < _SOON:
            yield TLSFinding(
                named, "info", "expired-certificate", f"{named.field}: expires on {ends:%Y-%m-%d}"
            )


def validity(der: bytes) -> tuple[datetime, datetime]:
    """When a certificate (in DER form) begins and ends to be valid; ValueError or IndexError when it is none."""
    certificate = _element(der, 0)
    to_be_signed = _element(certificate.content, 0)
    position = 0
    fields: list[_Element] = []
    while position < len(to_be_signed.content) and len(fields) < 5:
        element = _element(to_be_signed.content, position)
        position = element.end
        if element.tag != _EXPLICIT_VERSION:
            fields.append(element)
    times = fields[3].content  # serial number, algorithm, issuer, validity
    if fields[3].tag != _SEQUENCE:
        raise ValueError("no validity")
    first = _element(times, 0)
    second = _element(times, first.end)
    return _time(first), _time(second)


class _Element(NamedTuple):
    tag: int
    content: bytes
    end: int


def _element(data: bytes, start: int) -> _Element:
    tag, length, position = data[start], data[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[position : position + size], "big")
        position += size
    if position + length > len(data):
        raise ValueError("truncated")
    return _Element(tag, data[position : position + length], position + length)


def _time(element: _Element) -> datetime:
    form = "%y%m%d%H%M%SZ" if element.tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(element.content.decode("ascii"), form).replace(tzinfo=UTC)
