"""TLS towards a display. Who it is, is proved as the host is to libvirt: by a certificate of the same authority, made for the host's name."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from consoles.bridge.closing import Closing, Code
from hosts.credentials import credentials_of
from hosts.models import Host
from hosts.models import Kind as HostKind
from virt.connection import Credentials
from virt.errors import Invalid
from virt.tls import client_context

PLAIN = (
    "This display is not encrypted, and nothing else protects it on its way. Switch TLS on for displays on {host} "
    "(vnc_tls or spice_tls in qemu.conf), or let consoles go through SSH in the settings of the host."
)


class TlsSocket(ssl.SSLSocket):
    """To the pump a socket as any other, once it does not wait."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As much as there is: a record of TLS holds 16 KiB at most."""
        view = memoryview(buffer)
        got = 0
        while got < len(view):
            try:
                part = super().recv_into(view[got:])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as exc:
                if got:
                    break
                raise BlockingIOError from exc
            if not part:
                break
            got += part
        return got

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as exc:
            raise BlockingIOError from exc

    def shutdown(self, how: int) -> None:
        """Of the connection alone: the usual one goes on in the clear, and this is called while another thread reads."""
        socket.socket.shutdown(self, how)


@dataclass(frozen=True)
class Trust:
    """Which displays are believed: those with a certificate of the authority's, made for this name.

    demanded  a display that does not encrypt is refused
    """

    name: str
    demanded: bool
    credentials: Credentials = field(repr=False)

    @classmethod
    def of(cls, host: Host, *, tunnelled: bool) -> Trust | None:
        """None where no authority is known. Inside a tunnel nothing has to be encrypted once more."""
        if host.kind != HostKind.TLS:
            return None
        return cls(host.address, not tunnelled, credentials_of(host))

    def wrap(self, link: socket.socket) -> TlsSocket:
        """The connection, encrypted from now on, once it is proved who is at its other end. Raises Closing; the connection is closed then."""
        try:
            return self._context().wrap_socket(link, server_hostname=self.name)  # type: ignore[return-value]
        except ssl.SSLCertVerificationError as exc:
            why = exc.verify_message.rstrip(".")
            raise self._over(link, f"The display's certificate is not trusted: {why}. The host's authority has to have signed it, for {self.name}.") from exc
        except TimeoutError as exc:
            raise self._over(link, "The display began to encrypt and fell silent.") from exc
        except Invalid as exc:
            raise self._over(link, str(exc)) from exc
        except OSError as exc:
            raise self._over(link, f"No encrypted connection came about with the display: {getattr(exc, 'reason', '') or exc.strerror or exc}.") from exc

    def refuse_plain(self) -> None:
        if self.demanded:
            raise Closing(Code.UNREACHABLE, PLAIN.format(host=self.name))

    def _context(self) -> ssl.SSLContext:
        given = self.credentials
        context = client_context(given.ca_cert, given.client_cert, given.client_key)
        context.sslsocket_class = TlsSocket
        return context

    def _over(self, link: socket.socket, words: str) -> Closing:
        link.close()
        return Closing(Code.UNREACHABLE, words)
