"""What a host's thread needs to know of its row, and whether an edit concerns it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from hosts import credentials
from hosts.endpoints import endpoint_of
from hosts.models import Host, HostSecret
from virt.connection import Credentials
from virt.uri import Endpoint


@dataclass(frozen=True, slots=True)
class Target:
    """`fingerprint` differs when another connection is needed; another name or other notes change only `revision`."""

    pk: int
    name: str
    revision: int
    endpoint: Endpoint
    credentials: Credentials = field(repr=False)
    fingerprint: str


def load(pk: int) -> Target | None:
    """The target as the row has it now, None when there is no such row.

    Raises virt.errors.Invalid or accounts.secrets.SecretUnreadable when no connection can be made of it.
    """
    host = Host.objects.filter(pk=pk).defer("capabilities", "pools", "networks").first()
    if host is None:
        return None
    return Target(host.pk, host.name, host.revision, endpoint_of(host), credentials.credentials_of(host), _fingerprint(host))


def _fingerprint(host: Host) -> str:
    sealed = HostSecret.objects.filter(host=host).order_by("name").values_list("name", "sealed")
    text = repr((endpoint_of(host), host.host_key, list(sealed)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
