"""What can go wrong between the portal and a hypervisor, in words for the person who asked.

VirtError
├── HostUnreachable      (retry)  name, route, port, refused, time-out, keepalive lost, libvirtd gone
│   └── HostSilent       (retry)  accepted the connection, never answered
├── HostKeyChanged                the host shows another key than the pinned one
├── HostKeyUnknown                no key or certificate is known by which to recognise the host
├── LoginRefused                  key, password or client certificate not accepted
├── PermissionRefused             signed in, but may not do this
├── NotFound                      machine, pool, network … is not there
├── WrongState                    "the machine is not running" and the like
├── Busy                 (retry)  another operation holds the object
├── Unsupported                   this hypervisor or libvirt can't do it
├── Invalid                       wrong XML or argument
├── GuestSilent          (retry)  the guest agent is missing or does not answer
├── Conflict                      name or uuid exists already
├── NoSpace                       disk full on the host
└── OperationFailed               anything else; libvirt's own words are kept

libvirt's errors become these in `virt.translation`; this module imports no libvirt, so that everybody may import it.

`retry` says whether trying the same again, without changing anything, can help.
`str(exc)` is written for a person; `exc.detail` holds libvirt's own words: data, never HTML.
"""

from __future__ import annotations

import errno
import socket
from typing import ClassVar


class VirtError(Exception):
    """Something a hypervisor, or the way to it, did not do.

    `detail`: libvirt's own words, may be empty. `code`: libvirt's error code, None if it came from us.
    """

    retry: ClassVar[bool] = False

    def __init__(self, words: str, detail: str = "", code: int | None = None) -> None:
        super().__init__(words)
        self.detail = detail
        self.code = code


class HostUnreachable(VirtError):
    """The host can't be reached, or the connection to it broke."""

    retry = True


class HostSilent(HostUnreachable):
    """The host accepted the connection and never answered."""


class HostKeyChanged(VirtError):
    """The host shows another key than the pinned one: reinstalled, or somebody in between."""


class HostKeyUnknown(VirtError):
    """There is no confirmed key or trusted certificate by which to recognise the host."""


class LoginRefused(VirtError):
    """The host did not accept our key, password or certificate."""


class PermissionRefused(VirtError):
    """The login worked, but it may not do what was asked."""


class NotFound(VirtError):
    """The object is not on the host (any more)."""


class WrongState(VirtError):
    """The object's state does not allow what was asked."""


class Busy(VirtError):
    """Another operation holds the object."""

    retry = True


class Unsupported(VirtError):
    """This hypervisor, libvirt or guest can't do what was asked."""


class Invalid(VirtError):
    """A wrong argument, address or XML."""


class GuestSilent(VirtError):
    """The guest agent is missing or does not answer."""

    retry = True


class Conflict(VirtError):
    """Something with this name or uuid exists already."""


class NoSpace(VirtError):
    """The host has no room left on a disk."""


class OperationFailed(VirtError):
    """Any other failure, told in libvirt's words."""


def from_os_error(exc: OSError) -> VirtError:
    """The same tree for our own sockets (the greeting before a connection is opened, the connection test)."""
    if isinstance(exc, socket.gaierror):
        return HostUnreachable("The host's name can't be resolved.", str(exc))
    if isinstance(exc, TimeoutError):
        return HostUnreachable("The host did not answer in time.", str(exc))
    if exc.errno in (errno.EACCES, errno.EPERM):
        return PermissionRefused(NO_ACCESS, str(exc))
    return HostUnreachable(LINK_ERRNOS.get(exc.errno or 0, "The host can't be reached."), str(exc))


NO_ACCESS = "The portal may not open libvirt's socket. Add its user to the group libvirt."
GONE = "The connection to the host broke."
LINK_ERRNOS = {
    errno.ECONNREFUSED: "The host refuses the connection: libvirt is not running or listens elsewhere.",
    errno.ENOENT: "libvirt's socket is not there: libvirt is not installed or not running.",
    errno.EHOSTUNREACH: "There is no way through the network to the host.",
    errno.ENETUNREACH: "There is no way through the network to the host.",
    errno.ETIMEDOUT: "The host did not answer in time.",
    errno.ECONNRESET: GONE,
    errno.ECONNABORTED: GONE,
    errno.EPIPE: GONE,
    errno.EIO: GONE,
    errno.ENOTCONN: GONE,
    errno.EBADF: GONE,
}
