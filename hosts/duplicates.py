"""The same daemon under two names: each of its machines would stand in the fleet twice.

libvirt's host uuid comes from the machine's firmware, and some vendors give all of their boards the same one. So this
is said, and a person decides; nothing is refused for good.
"""

from __future__ import annotations

from hosts import log
from hosts.models import Host, Kind


def others(host: Host, host_uuid: str = "") -> list[Host]:
    """Hosts besides `host` that are the same libvirt daemon, by name. `host_uuid`: as seen just now, else the row's."""
    uuid = host_uuid or host.host_uuid
    if not uuid:
        return []  # the test driver tells none
    same_machine = Host.objects.filter(host_uuid=uuid, driver=host.driver).exclude(pk=host.pk).defer("capabilities")
    return [other for other in same_machine.order_by("name") if _daemon(other) == _daemon(host)]


def note(host: Host, host_uuid: str = "") -> list[Host]:
    """The same, with a line in the host's log the first time. For the watcher, when a connection stands."""
    found = others(host, host_uuid)
    if found:
        words = sentence(found)
        if not host.events.filter(kind="duplicate", words=words[:400]).exists():
            log.write(host, "duplicate", words)
    return found


def sentence(found: list[Host]) -> str:
    return f"This is the same host as {', '.join(other.name for other in found)}: each of its machines is listed twice."


def _daemon(host: Host) -> str:
    """A machine runs one system daemon, and one session daemon for each of its users."""
    if host.kind == Kind.SESSION or host.session:
        return f"session of {host.login}"
    return "system"
