"""Certificates for libvirt's TLS transport, as files for one opening.

libvirt reads them by fixed names from the directory given as `pkipath` (https://libvirt.org/uri.html), while it opens;
afterwards they are not needed. The host's certificate is always verified: nothing here can switch that off.
"""

from __future__ import annotations

import os
import shutil
import ssl

from virt.errors import Invalid
from virt.ssh import private_directory


def client_context(ca_cert: str, client_cert: str = "", client_key: str = "") -> ssl.SSLContext:
    """For TLS of our own to what belongs to the host: this authority alone is believed, names are checked. Raises Invalid."""
    pki = ClientPki(ca_cert, client_cert, client_key)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_cert)
        if client_cert:
            context.load_cert_chain(pki.directory / "clientcert.pem", pki.directory / "clientkey.pem", password="")
    except (ssl.SSLError, ValueError) as exc:
        raise Invalid("The certificates that are stored for the host can't be used.", str(exc)) from exc
    finally:
        pki.remove()
    return context


class ClientPki:
    """The files for one opening; then `remove()`."""

    def __init__(self, ca_cert: str, client_cert: str = "", client_key: str = "") -> None:
        """All three as PEM text. Raises Invalid when the authority, or one half of the client's pair, is missing."""
        if not ca_cert:
            raise Invalid("A TLS connection needs the certificate of the authority that signed the host's.")
        if bool(client_cert) != bool(client_key):
            raise Invalid("A client certificate and its key belong together: one of them is missing.")
        self.directory = private_directory()
        for name, text in (("cacert", ca_cert), ("clientcert", client_cert), ("clientkey", client_key)):
            if text:
                path = self.directory / f"{name}.pem"
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(text.strip() + "\n")

    def remove(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.directory, ignore_errors=True)
