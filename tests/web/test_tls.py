"""Who may connect where `client_auth_type` asks for certificates, over real handshakes on loopback."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from pyscrape.app.web_config import web_security
from pyscrape.web.server import WebServer, bind
from pyscrape.web.tls import TLSError
from tests.helpers.certificates import Authority


async def _empty(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def first_line(port: int, context: ssl.SSLContext) -> bytes:
    """What a client is answered; empty where it is not let in."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        line = await reader.readline()
    except (ssl.SSLError, ConnectionError):
        return b""
    writer.close()
    return line


@pytest.mark.parametrize(
    ("settings", "names", "let_in"),
    [
        ("client_auth_type: RequireAndVerifyClientCert", (), False),
        ("client_auth_type: RequireAndVerifyClientCert", ("any.example",), True),
        ("client_auth_type: VerifyClientCertIfGiven", (), True),
        ("client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a.b, c.d]", ("c.d",), True),
        ("client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a.b]", ("c.d",), False),
        ("client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: ['::1']", ("x", "::1"), True),
        ("client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a.b]", (), False),
        ("client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a.b]", ("a.b",), True),
        ("client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a.b]", ("c.d",), False),
    ],
)
async def test_client_certificates(
    tmp_path: Path, settings: str, names: tuple[str, ...], let_in: bool
) -> None:
    authority = Authority(tmp_path)
    pem = authority.certificate("127.0.0.1")
    config = tmp_path / "web.yml"
    config.write_text(
        f"tls_server_config:\n  cert_file: {pem}\n  key_file: {pem}\n"
        f"  client_ca_file: {authority.ca_file}\n  {settings}\n"
    )
    tls = web_security(str(config)).tls
    assert tls is not None
    sockets = bind([("127.0.0.1", 0)])
    server = WebServer(_empty, sockets, idle_s=5, most_connections=5, tls=tls.context, admits=tls.admits)
    serving = asyncio.create_task(server.serve(), name="server")
    await server.started()
    answer = await first_line(sockets[0].getsockname()[1], authority.client(*names))
    server.stop()
    await serving
    assert answer.startswith(b"HTTP/1.1 204") is let_in


def test_a_cipher_that_there_is_not_is_said(tmp_path: Path) -> None:
    pem = Authority(tmp_path).certificate("127.0.0.1")
    config = tmp_path / "web.yml"
    config.write_text(
        f"tls_server_config:\n  cert_file: {pem}\n  key_file: {pem}\n"
        "  cipher_suites: [TLS_RSA_WITH_CHACHA20_POLY1305_SHA256]\n"
    )
    with pytest.raises(TLSError, match="cipher_suites"):
        web_security(str(config))
