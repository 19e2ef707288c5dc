from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        user_logged_out.connect(_session_ends, dispatch_uid="accounts.session-ends")


def _session_ends(sender: Any, request: Any, **kwargs: Any) -> None:
    """Called before the session is flushed, while its key is still known."""
    from accounts import signals

    if request is not None and request.session.session_key:
        signals.session_ended.send(sender, session_key=request.session.session_key)
