"""What OpenSSL says, in the words of Go's crypto/tls and crypto/x509, which users search for."""

import ssl

from pyscrape.net.errors import ExchangeError

_VERIFY = "tls: failed to verify certificate: x509: "
# X509_V_ERR_* of OpenSSL to Go's texts.
_VERIFY_TEXTS = {
    10: "certificate has expired or is not yet valid",
    9: "certificate has expired or is not yet valid",
    18: "certificate signed by unknown authority",
    19: "certificate signed by unknown authority",
    20: "certificate signed by unknown authority",
    21: "certificate signed by unknown authority",
    24: "certificate signed by unknown authority",
    62: "certificate is not valid for this name",
    64: "certificate is not valid for this IP address",
}
_PLAIN_ANSWER = frozenset(
    ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
)


def tls_error(error: ssl.SSLError) -> ExchangeError:
    """The failure of a handshake as an exchange's error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _VERIFY_TEXTS.get(error.verify_code, error.verify_message)
        return ExchangeError("tls", f"{_VERIFY}{text} ({error.verify_message})")
    if error.reason in _PLAIN_ANSWER:
        return ExchangeError("tls_to_http", "http: server gave HTTP response to HTTPS client")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ExchangeError("tls", "EOF")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    prefix = "remote error: tls: " if "alert" in reason else "tls: "
    return ExchangeError("tls", prefix + reason)
