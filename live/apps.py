from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "live"

    def ready(self) -> None:
        from accounts import signals

        signals.rights_changed.connect(_tell_rights, dispatch_uid="live.rights")
        signals.session_ended.connect(_tell_sign_out, dispatch_uid="live.sign-out")
        signals.session_renewed.connect(_tell_renewed, dispatch_uid="live.renewed")
        signals.people_changed.connect(_tell_people, dispatch_uid="live.people")


def _tell_rights(sender: Any, user_id: int, **kwargs: Any) -> None:
    from live import facts

    facts.publish_rights(user_id)


def _tell_sign_out(sender: Any, session_key: str, **kwargs: Any) -> None:
    from live import facts

    facts.publish_sign_out(session_key)


def _tell_renewed(sender: Any, session_key: str, **kwargs: Any) -> None:
    from live import facts

    facts.publish_renewed(session_key)


def _tell_people(sender: Any, **kwargs: Any) -> None:
    from live import facts

    facts.publish(["people"], "changed")
