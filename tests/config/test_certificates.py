"""TLS material that a configuration names."""

# ruff: noqa: E501  (cases are data, one line each)

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyscrape.config.certificates import validity
from pyscrape.config.check import check_bytes

NOW = datetime.now(UTC).replace(microsecond=0)


def make(starts: datetime, ends: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, starts, ends)
    return builder.sign(key, hashes.SHA256()), key


def write(folder: Path, name: str, starts: datetime, ends: datetime) -> None:
    certificate, key = make(starts, ends)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    year = timedelta(days=365)
    write(folder, "good", NOW - year, NOW + year)
    write(folder, "other", NOW - year, NOW + year)
    write(folder, "old", NOW - 2 * year, NOW - year)
    write(folder, "future", NOW + year, NOW + 2 * year)
    write(folder, "ending", NOW - year, NOW + timedelta(days=3))
    (folder / "none.pem").write_text("no certificate")
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return folder


CASES = [
    ("{ca_file: good.pem, cert_file: good.pem, key_file: good.key}", []),
    ("{cert_file: good.pem, key_file: other.key}", [("error", "bad-certificate")]),
    ("{ca_file: old.pem}", [("warning", "expired-certificate")]),
    ("{ca_file: future.pem}", [("warning", "expired-certificate")]),
    ("{ca_file: ending.pem}", [("info", "expired-certificate")]),
    ("{ca_file: none.pem}", [("error", "bad-certificate")]),
    ("{ca_file: broken.pem}", [("error", "bad-certificate")]),
]


@pytest.mark.parametrize(("tls", "expected"), CASES)
def test_material(folder: Path, tls: str, expected: list[tuple[str, str]]) -> None:
    text = f"scrape_configs: [{{job_name: a, scheme: https, tls_config: {tls}, static_configs: [{{targets: ['a:1']}}]}}]"
    problems = check_bytes(text.encode(), "a.yml", str(folder)).problems
    assert [(problem.severity, problem.id) for problem in problems] == expected


@pytest.mark.parametrize("ends", [NOW + timedelta(days=1), datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)])
def test_validity(ends: datetime) -> None:
    """Before 2050 times are written with two digits of the year, from then on with four."""
    certificate, _ = make(NOW, ends)
    assert validity(certificate.public_bytes(serialization.Encoding.DER)) == (NOW, ends)
