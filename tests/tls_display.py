"""A display that encrypts: an authority, certificates of it, and the server's side of VeNCrypt as QEMU speaks it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consoles.bridge import rfb

X509_NONE, X509_PASSWORD = 260, 261
CHALLENGE = bytes(range(16))


@dataclass(frozen=True)
class Certificate:
    """As PEM, with its key."""

    certificate: str
    key: str

    def server_context(self, folder: Path) -> ssl.SSLContext:
        for name, text in (("cert.pem", self.certificate), ("key.pem", self.key)):
            (folder / name).write_text(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return context


class Authority:
    """Signs for a day. `certificate`: its own, as PEM."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = _builder(self._name, self._name, self._key, dt.timedelta(days=1)).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = _pem(own.sign(self._key, hashes.SHA256()))

    def sign(self, name: str, *, valid: dt.timedelta = dt.timedelta(days=1)) -> Certificate:
        """For a host name or an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            known = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = _builder(subject, self._name, key, valid).add_extension(x509.SubjectAlternativeName([known]), critical=False)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Certificate(_pem(made.sign(self._key, hashes.SHA256())), private.decode())


def serve(link: socket.socket, context: ssl.SSLContext, *, kinds: tuple[int, ...] = (X509_NONE,), password: str = "") -> ssl.SSLSocket:
    """Greet a client up to where its ClientInit comes. Raises OSError when it hangs up, or does not trust us."""
    link.sendall(b"RFB 003.008\n")
    _hear(link, 12)
    link.sendall(b"\x01\x13")
    assert _hear(link, 1) == b"\x13"
    link.sendall(b"\0\2")
    assert _hear(link, 2) == b"\0\2"
    link.sendall(struct.pack(f">BB{len(kinds)}I", 0, len(kinds), *kinds))
    chosen = struct.unpack(">I", _hear(link, 4))[0]
    assert chosen in kinds
    link.sendall(b"\1")
    secured = context.wrap_socket(link, server_side=True)
    is_well = True
    if chosen == X509_PASSWORD:
        secured.sendall(CHALLENGE)
        is_well = _hear(secured, 16) == rfb.answer(CHALLENGE, password)
    secured.sendall(struct.pack(">I", 0 if is_well else 1))
    return secured


def _hear(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        part = link.recv(size - len(got))
        if not part:
            raise ConnectionResetError("it hung up")
        got += part
    return got


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: dt.timedelta) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - dt.timedelta(days=2)).not_valid_after(now + valid)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
