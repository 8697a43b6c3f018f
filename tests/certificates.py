"""An authority that nobody knows, and certificates for servers on loopback: good, expired, of another, its own."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Authority:
    """Signs certificates; `ca_file` is what who trusts it has to have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("an authority of its own")
        self.ca_file = folder / "authority.pem"
        self.ca_file.write_bytes(_pem(self._signed(self._name, self._key, "authority", NOW + DAY, is_ca=True)))

    def server(self, host: str = "127.0.0.1", ends: datetime = NOW + DAY, signs_itself: bool = False) -> ssl.SSLContext:
        """Return what a server needs that claims to be an address, until some time."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(_named(host), key, host, ends, signs_itself=signs_itself)
        path = self._folder / "server.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(secret + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        host: str,
        ends: datetime,
        is_ca: bool = False,
        signs_itself: bool = False,
    ) -> x509.Certificate:
        issuer, signer = (name, key) if signs_itself else (self._name, self._key)
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number(), NOW - DAY, ends)
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if not is_ca:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signer, hashes.SHA256())


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
