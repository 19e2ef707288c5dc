"""An SSH connection to forward through, in this process: held to one key of ours and one key of the host's, as libvirt's own is (virt/ssh.py)."""

from __future__ import annotations

import asyncio

import asyncssh

from virt.connection import Credentials
from virt.errors import HostKeyChanged, HostKeyUnknown, HostSilent, HostUnreachable, LoginRefused, VirtError, from_os_error
from virt.ssh import split_host_key
from virt.uri import DEFAULT_PORTS, Endpoint

Seconds = float

# A silent host is noticed in 15 s.
_KEEPALIVE = {"keepalive_interval": 5, "keepalive_count_max": 3}
_ALIAS = "pinned-host"


async def connect(endpoint: Endpoint, credentials: Credentials, *, deadline: Seconds) -> asyncssh.SSHClientConnection:
    """Sign in. Nothing of this machine's own configuration of ssh is read. Raises VirtError."""
    if not credentials.host_key:
        raise HostKeyUnknown("The host's SSH key is not confirmed yet.")
    algorithm, blob = split_host_key(credentials.host_key)
    login = {"username": endpoint.user} if endpoint.user else {}
    try:
        async with asyncio.timeout(deadline):
            return await asyncssh.connect(
                endpoint.host,
                endpoint.port or DEFAULT_PORTS["ssh"],
                **login,
                **_KEEPALIVE,
                client_keys=[asyncssh.import_private_key(credentials.private_key)],
                known_hosts=asyncssh.import_known_hosts(f"{_ALIAS} {algorithm} {blob}\n"),
                host_key_alias=_ALIAS,
                server_host_key_algs=["rsa-sha2-512", "rsa-sha2-256"] if algorithm == "ssh-rsa" else [algorithm],
                preferred_auth="publickey",
                agent_path=None,
                config=None,
                x509_trusted_certs=None,
            )
    except BaseException as exc:
        raise in_words(exc) from exc


def in_words(exc: BaseException) -> BaseException:
    """What asyncssh raises, in the tree of virt.errors; whatever else it is, as it is."""
    if isinstance(exc, asyncssh.HostKeyNotVerifiable):
        return HostKeyChanged("The host shows another key than the confirmed one. Nothing is sent to it.", str(exc))
    if isinstance(exc, asyncssh.PermissionDenied):
        return LoginRefused("The host does not accept the portal's SSH key.", str(exc))
    if isinstance(exc, asyncssh.KeyImportError):
        return LoginRefused("The private key can't be read.", str(exc))
    if isinstance(exc, TimeoutError):
        return HostSilent("The host did not answer in time.", str(exc))
    if isinstance(exc, asyncssh.Error):
        return HostUnreachable("The SSH connection to the host broke.", str(exc))
    return from_os_error(exc) if isinstance(exc, OSError) and not isinstance(exc, VirtError) else exc
