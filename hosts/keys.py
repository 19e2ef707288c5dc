"""SSH keys: the portal's own pair, whose public half an operator puts on a host, and the fingerprints of hosts' keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import shlex

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction

from accounts import secrets
from hosts.models import PortalKey

# What the portal does there needs no terminal and no agent; forwarding is for the screens of machines. See sshd(8).
_RESTRICTIONS = "restrict,port-forwarding"


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


def authorized_line(public: str) -> str:
    """The portal's line of `authorized_keys`."""
    return f"{_RESTRICTIONS} {public}"


def authorize_command(public: str) -> str:
    """The one line to run on a host, as the user that the portal signs in as."""
    file = "~/.ssh/authorized_keys"
    return f"mkdir -pm700 ~/.ssh && echo {shlex.quote(authorized_line(public))} >> {file} && chmod 600 {file}"


def fingerprint(line: str) -> str:
    """ "SHA256:…" of a public key line, as `ssh-keygen -l` shows it; "" for what is no key."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def algorithm(line: str) -> str:
    """ "ED25519", "ECDSA", "RSA": the word by which ssh-keygen and the files in /etc/ssh call it."""
    name = line.split(" ", 1)[0]
    return "ECDSA" if name.startswith("ecdsa-") else name.removeprefix("ssh-").upper()


def show_command(line: str) -> str:
    """What prints the fingerprint on the host itself, to compare with."""
    return f"ssh-keygen -lf /etc/ssh/ssh_host_{algorithm(line).lower()}_key.pub"


def _new_key() -> PortalKey:
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()).decode("ascii")
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return PortalKey.objects.create(pk=1, public=f"{public.decode('ascii')} webvirt", sealed_private=secrets.seal(text))
