"""Are these keys and certificates usable? Asked while the person who pasted them still has them at hand."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from django.utils.translation import gettext as _


def problem_of_ssh_key(text: str) -> str:
    """What is wrong with a private SSH key, or ""."""
    data = _bytes(text)
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            serialization.load_ssh_private_key(data, password=None)
        else:
            serialization.load_pem_private_key(data, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        return _key_problem(text, exc)
    return ""


def problem_of_key(text: str) -> str:
    """What is wrong with a private key in PEM, or ""."""
    try:
        serialization.load_pem_private_key(_bytes(text), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        return _key_problem(text, exc)
    return ""


def problem_of_certificate(text: str) -> str:
    """What is wrong with one or more certificates in PEM, or ""."""
    try:
        x509.load_pem_x509_certificates(_bytes(text))
    except (TypeError, ValueError, UnsupportedAlgorithm):
        if "PRIVATE KEY" in text:
            return _("This is a private key. A certificate begins with -----BEGIN CERTIFICATE-----.")
        return _("This is no certificate. One begins with -----BEGIN CERTIFICATE-----.")
    return ""


def belong_together(certificate: str, key: str) -> bool:
    """Whether the key is the one that the (first) certificate speaks of. Both are known to be well formed."""
    ours = serialization.load_pem_private_key(_bytes(key), password=None).public_key()
    theirs = x509.load_pem_x509_certificates(_bytes(certificate))[0].public_key()
    shape = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return ours.public_bytes(*shape) == theirs.public_bytes(*shape)


def _key_problem(text: str, exc: Exception) -> str:
    if text.startswith(("ssh-", "ecdsa-")):
        return _("This is the public half. The private one begins with -----BEGIN.")
    if "ENCRYPTED" in text or "password" in str(exc).lower() or "passphrase" in str(exc).lower():
        return _("This key has a passphrase. WebVirt needs one without.")
    return _("This is no private key that can be read. One begins with -----BEGIN.")


def _bytes(text: str) -> bytes:
    return (text.strip().replace("\r\n", "\n") + "\n").encode()
