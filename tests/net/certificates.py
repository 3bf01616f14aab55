"""Certificates for tests: an authority, a server's and a client's, made once a session."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM form; the server's certificate is for 127.0.0.1, localhost and target.test."""

    ca: str
    other_ca: str
    server: str
    server_key: str
    client: str
    client_key: str

    def server_context(self, *, client_wanted: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if client_wanted:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def _certificate(name: str, key: Key, issuer: str, issuer_key: Key, *, authority: bool) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName("target.test")]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@lru_cache(maxsize=1)
def certificates() -> Certificates:
    """The session's certificates, in a temporary folder."""
    folder = Path(mkdtemp(prefix="pyscrape-test-"))

    def written(name: str, data: bytes) -> str:
        (folder / name).write_bytes(data)
        return str(folder / name)

    def pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)

    def private(key: Key) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    ca_key, other_key, server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    return Certificates(
        ca=written("ca.pem", pem(_certificate("ca", ca_key, "ca", ca_key, authority=True))),
        other_ca=written("other.pem", pem(_certificate("o", other_key, "o", other_key, authority=True))),
        server=written("server.pem", pem(_certificate("server", server_key, "ca", ca_key, authority=False))),
        server_key=written("server.key", private(server_key)),
        client=written("client.pem", pem(_certificate("client", client_key, "ca", ca_key, authority=False))),
        client_key=written("client.key", private(client_key)),
    )
