"""`--web.config.file` on a real socket: TLS, users, headers, a certificate that is renewed."""

import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.helpers.processes import HOST, free_port, started, wait_for


def write_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for the loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def get(
    port: int, path: str, ca: Path, user: str = "", password: str = ""
) -> tuple[int, dict[str, str], bytes]:
    context = ssl.create_default_context(cafile=str(ca))
    request = urllib.request.Request(f"https://{HOST}:{port}{path}")
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if user:
        manager.add_password(None, request.full_url, user, password)
        handlers.append(urllib.request.HTTPBasicAuthHandler(manager))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_tls_users_and_headers(tmp_path: Path) -> None:
    write_certificate(tmp_path, "first")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    config = tmp_path / "web.yml"
    config.write_text(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
        f"basic_auth_users:\n  ann: {hashed}\n"
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    )
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    port = free_port()
    command = [
        "--config.file=prometheus.yml",
        f"--web.listen-address={HOST}:{port}",
        f"--web.config.file={config}",
    ]
    with started([*run_command(), *command], tmp_path, port, ready="", name="pyscrape") as process:
        ca = tmp_path / "cert.pem"
        wait_for("an answer", lambda: get(port, "/-/ready", ca)[0] == 401)
        status, headers, _ = get(port, "/-/ready", ca, "ann", "secret")
        assert status == 200 and headers["x-frame-options"] == "deny"
        assert get(port, "/-/ready", ca, "ann", "wrong")[0] == 401
        assert hashed not in process.logged() and "secret" not in process.logged()
        old = ca.read_bytes()
        write_certificate(tmp_path, "second")
        assert ca.read_bytes() != old
        wait_for("the new certificate", lambda: get(port, "/-/ready", ca, "ann", "secret")[0] == 200, 20, 0.5)


def run_command() -> list[str]:
    import sys

    return [sys.executable, "-m", "pyscrape", "run"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("tls_server_config:\n  cert_file: no.pem\n  key_file: no.pem\n", "", "cannot load"),
        ("basic_auth_user: {}\n", "1:1", "unknown field `basic_auth_user`"),
        ("rate_limit: {burst: 1}\n", "1:", "rate_limit is not supported"),
    ],
)
def test_mistakes_are_refused_at_start(tmp_path: Path, text: str, place: str, message: str) -> None:
    import subprocess

    (tmp_path / "web.yml").write_text(text)
    command = [*run_command(), f"--web.listen-address={HOST}:{free_port()}", "--web.config.file=web.yml"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert run.returncode == 2
    assert message in run.stderr and place in run.stderr
