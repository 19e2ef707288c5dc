"""Encryption of what must be kept and never shown: keys outside the database, rotated by putting a new one first."""

from __future__ import annotations

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretUnreadable(Exception):
    """The key file does not fit what is stored: it was lost or exchanged."""


def seal(plain: str) -> str:
    return _box().encrypt(plain.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """The plain text; raises SecretUnreadable when none of the keys made it."""
    try:
        return _box().decrypt(sealed.encode("ascii")).decode()
    except InvalidToken as exc:
        raise SecretUnreadable("A stored secret cannot be read with the present key file.") from exc


@cache
def _box() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEYS])
