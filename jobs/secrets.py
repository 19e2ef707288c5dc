"""Passwords and keys on their way to a job: sealed, in Redis, for a short time, and taken out once. Neither parameters nor messages hold them."""

from __future__ import annotations

import secrets
from datetime import timedelta

from accounts import secrets as box
from jobs.submit import Refused
from live import metrics

_KEY = "wv:jobs:secret:"
_KEPT = timedelta(minutes=30)  # a job may wait its turn


def put(plain: str) -> str:
    """What a job's parameters name it by."""
    token = secrets.token_urlsafe(18)
    metrics.store().set(_KEY + token, box.seal(plain), ex=_KEPT)
    return token


def take(token: str) -> str:
    """The secret, which is then gone; raises Refused when it is not there any more."""
    sealed = metrics.store().getdel(_KEY + token)
    if not sealed:
        raise Refused("What was entered is not kept any more. Enter it again.")
    return box.unseal(sealed.decode() if isinstance(sealed, bytes) else str(sealed))


def drop(token: str) -> None:
    metrics.store().delete(_KEY + token)
