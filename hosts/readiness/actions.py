"""What a person may ask about readiness. No job: nothing changes on the host, the watcher only looks sooner."""

from __future__ import annotations

from hosts.models import Host
from jobs.submit import Refused
from live.wishes import wish

STUDIES = ("readiness", "capabilities")


def check_again(host: Host) -> None:
    """Have the host looked at within a second or two. Raises Refused while it does not answer."""
    if not host.is_online:
        raise Refused(f"{host.name} does not answer.")
    for study in STUDIES:
        wish(host.pk, study)
