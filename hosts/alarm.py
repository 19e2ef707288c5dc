"""The alarm on a changed host key: the host is stopped until a person confirms the new key."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from hosts import keys, log
from hosts.models import Host, State
from jobs import submit as jobs
from live import facts

WORDS = (
    "The host shows another SSH key than the confirmed one. Either it was installed anew, or somebody stands between "
    "WebVirt and the host. Nothing is sent to it until the new key is confirmed."
)


def raise_alarm(host: Host, offered: str = "") -> bool:
    """Stop the host; said once, however many notice it. `offered` is the key line that it showed, if known.

    Returns whether this call raised it. Works on fresh rows: the revision of `host` does not matter, because a changed
    key outweighs every edit but the one that pins a new key.
    """
    same_pin = Host.objects.filter(pk=host.pk, host_key=host.host_key)
    with transaction.atomic():
        if offered:
            same_pin.update(host_key_offered=offered)
        raised = (
            same_pin.filter(enabled=True)
            .exclude(state=State.ALARM)
            .update(state=State.ALARM, state_since=timezone.now(), error=WORDS, error_detail="", revision=F("revision") + 1)
        )
        if raised:
            _say(host, offered)
            if not offered:
                _look_at_the_key(host)
    return bool(raised)


def _look_at_the_key(host: Host) -> None:
    """ssh said that the key is another one, not which: a test asks for it, so that the page can show both."""
    revision = Host.objects.values_list("revision", flat=True).get(pk=host.pk)
    jobs.submit("hosts.test", host.subject, asked_by=None, params={"revision": revision})


def _say(host: Host, offered: str) -> None:
    new = f" It shows {keys.fingerprint(offered)}." if offered else ""
    log.write(host, "alarm", f"The host key changed.{new} The confirmed one is {keys.fingerprint(host.host_key)}.")
    audit.record("hosts.key-changed", host.name, result="refused", detail={"pinned": keys.fingerprint(host.host_key), "shown": keys.fingerprint(offered)})
    facts.publish(host.topics, "alarm", host_id=host.pk)
