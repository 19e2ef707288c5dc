"""From a host's row and its sealed secrets to what virt.connection.open() takes."""

from __future__ import annotations

from accounts import secrets
from hosts.endpoints import endpoint_of as endpoint_of
from hosts.endpoints import uses_ssh
from hosts.keys import portal_key
from hosts.models import Host, HostSecret
from virt.connection import Credentials


def credentials_of(host: Host) -> Credentials:
    """The host's own key if it has one, else the portal's."""
    own = HostSecret.all_of(host)
    if uses_ssh(host.kind, host.console_way) and not own.get("private_key"):
        own["private_key"] = secrets.unseal(portal_key().sealed_private)
    return Credentials(host_key=host.host_key, **own)
