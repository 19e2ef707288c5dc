"""The portal's own SSH key: its public half is what an operator puts on a host."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction

from accounts import secrets
from hosts.models import PortalKey


def portal_key() -> PortalKey:
    """The portal's key pair, made on first use."""
    key = PortalKey.objects.order_by("pk").first()
    if key is None:
        try:
            with transaction.atomic():
                key = _new_key()
        except IntegrityError:  # another process was first
            key = PortalKey.objects.get(pk=1)
    return key


def _new_key() -> PortalKey:
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode("ascii")
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return PortalKey.objects.create(pk=1, public=f"{public.decode('ascii')} webvirt", sealed_private=secrets.seal(text))
