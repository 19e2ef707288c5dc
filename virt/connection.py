"""Opening a hypervisor, with a deadline that holds, and the thin object that stands for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import libvirt

from virt import host, network, shell, storage
from virt.errors import HostSilent, HostUnreachable, Unsupported, VirtError
from virt.facts import Shown
from virt.greeting import greet
from virt.loop import Loop
from virt.ssh import PinnedSsh
from virt.tls import ClientPki
from virt.translation import from_ssh, translate
from virt.uri import Endpoint, compose

logger = logging.getLogger(__name__)

Seconds = float


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a host is signed in to with. Nothing of it shows in a repr, a log line or a traceback's locals dump.

    private_key             OpenSSH private key, text
    host_key                the confirmed host key, "ssh-ed25519 AAAA…"
    sasl_user, _password    for tcp (and tls) hosts that ask for them
    ca_cert, client_cert, client_key   PEM text, for tls
    """

    private_key: str = field(default="", repr=False)
    host_key: str = field(default="", repr=False)
    sasl_user: str = field(default="", repr=False)
    sasl_password: str = field(default="", repr=False)
    ca_cert: str = field(default="", repr=False)
    client_cert: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)


def open(
    endpoint: Endpoint,
    credentials: Credentials = Credentials(),
    *,
    deadline: Seconds = 5.0,
    keepalive: tuple[int, int] | None = None,
) -> Connection:
    """Connect, or raise a VirtError within `deadline` (and a few milliseconds).

    `keepalive`: (seconds between questions, unanswered ones until the host counts as lost); needs, and starts, the
    process's event loop. (2, 2) notices a frozen host in 6 s.
    """
    if keepalive:
        Loop.start()

    def connect() -> libvirt.virConnect:
        raw = _Opening(endpoint, credentials, deadline).result()
        if keepalive:
            with contextlib.suppress(libvirt.libvirtError):  # the test driver in our own process has none
                raw.setKeepAlive(*keepalive)
        return raw

    return Connection(endpoint, connect(), again=connect, shell=_shell_of(endpoint, credentials))


class Connection:
    """One open hypervisor. Calls may come from several threads; never use it across a fork.

    `raw` is libvirt's virConnect: only `virt` touches it. `again` opens another one to the same host; `shell` asks the host's own.
    """

    def __init__(
        self, endpoint: Endpoint, raw: libvirt.virConnect, *, again: Callable[[], libvirt.virConnect] | None = None, shell: Callable[[], Shown] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.raw = raw
        self.subscribed = False  # kept by virt.events: libvirt takes each event id once per connection
        self.vcpus: dict[str, tuple[Seconds, int]] = {}  # kept by virt.stats
        self.volumes: dict[str, Any] = {}  # kept by virt.pool: virt.volume.Memory by the pool's uuid
        self.refreshed: dict[str, Seconds] = {}  # kept by virt.pool
        self._shell = shell
        self._again = again if _one_wake_up_is_lost(endpoint) else None
        self._aside: libvirt.virConnect | None = None
        self._aside_lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def aside(self) -> libvirt.virConnect:
        """The virConnect for calls that a guest, a disk or a network may hold for seconds.

        The client of libvirt before 10.0 can lose the wake-up of a call made while another thread's waits for its answer
        (virNetClientIO quits a main loop that is not yet running again): the call is not sent before that answer, or the
        next keepalive, comes. Many calls in a row beside one that waits run into it surely. So on a connection whose
        events are followed, by one thread with others beside it, what may wait gets a link of its own, opened at first
        use. Elsewhere, and where no second link is to be had, it is `raw`.
        """
        if not self.subscribed:
            return self.raw
        with self._aside_lock:
            if self._aside and not _lives(self._aside):
                self._aside = None  # closed with its last reference: another thread may be inside a call
            if self._again and not self._aside and not self._closed.is_set():
                try:
                    self._aside = self._again()
                except VirtError as exc:
                    logger.info("%s: no second link, one must do: %s %s", self.endpoint.label, exc, exc.detail)
                    self._again = None
            return self._aside or self.raw

    def __repr__(self) -> str:
        return f"<Connection {self.endpoint.label}>"

    def close(self) -> None:
        """Close, waiting at most two seconds for the host's good-bye. Never raises; closing twice is fine."""
        if self._closed.is_set():
            return
        self._closed.set()
        # libvirt's good-bye is a call like any other: a mute host would hold us
        closing = threading.Thread(target=self._close_links, name="libvirt-close", daemon=True)
        closing.start()
        closing.join(2.0)

    def _close_links(self) -> None:
        _close_quietly(self.raw)
        with self._aside_lock:  # it may just be opening
            aside, self._aside = self._aside, None
        if aside:
            _close_quietly(aside)

    def is_alive(self) -> bool:
        """Whether the link stands, as far as is known without asking the host."""
        if self._closed.is_set():
            return False
        return _lives(self.raw)

    def info(self) -> host.HostInfo:
        """What the host is. Slow (up to a minute) the first time on a fresh libvirtd, which probes QEMU then."""
        with translate():
            return host.info(self.aside)

    def load(self) -> host.HostLoad:
        """What the host is doing: counters to compare with an earlier reading (`host.cpu_percent`)."""
        with translate():
            return host.load(self.aside)

    def shown(self) -> Shown:
        """What the host's own shell tells (virt.shell). Raises Unsupported where there is none to ask, and what virt.shell.ask() raises."""
        if self._shell is None:
            raise Unsupported("It is not connected by SSH.")
        return self._shell()

    def pools(self) -> list[storage.PoolBrief]:
        """Storage pools in short."""
        with translate():
            return storage.briefs(self.aside)

    def networks(self) -> list[network.NetworkBrief]:
        """Networks in short."""
        with translate():
            return network.briefs(self.aside)

    def leases(self) -> list[network.Lease]:
        """Addresses that the host's networks gave to machines."""
        with translate():
            return network.leases(self.aside)


class _Opening:
    """One attempt: libvirt works in a thread of its own, which is left behind when time is up.

    1. write the private files, 2. see that somebody answers at all (`greet`), 3. let libvirt connect. When the caller
    has given up, whatever the thread still gets is closed by it.
    """

    # openings per address that were given up and whose thread libvirt has not let go of yet
    _stuck: Counter[Endpoint] = Counter()
    _stuck_allowed = 8
    _lock = threading.Lock()

    def __init__(self, endpoint: Endpoint, credentials: Credentials, deadline: Seconds) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._deadline = deadline
        self._done = threading.Event()
        self._given_up = False
        self._ssh: PinnedSsh | None = None
        self._raw: libvirt.virConnect | None = None
        self._error: BaseException | None = None

    def result(self) -> libvirt.virConnect:
        if self._stuck[self._endpoint] >= self._stuck_allowed:
            raise HostSilent("The host accepts connections and never answers; earlier attempts still wait for it.")
        threading.Thread(target=self._run, name="libvirt-open", daemon=True).start()
        if not self._done.wait(self._deadline) and self._give_up():
            raise HostSilent(f"The host did not answer within {self._deadline:g} seconds.")
        if self._error is not None:
            raise self._error
        if self._raw is None:
            raise HostUnreachable("The host can't be reached.")
        return self._raw

    def _give_up(self) -> bool:
        """Leave the thread behind; False when it ended at the last moment."""
        with self._lock:
            if self._done.is_set():
                return False
            self._given_up = True
            self._stuck[self._endpoint] += 1
        if self._ssh:
            self._ssh.give_up()
        return True

    def _run(self) -> None:
        try:
            self._raw = self._connect()
        except BaseException as exc:
            self._error = exc
        with self._lock:
            self._done.set()
            late = self._given_up
            if late:
                self._stuck[self._endpoint] -= 1
        if late and self._raw is not None:
            _close_quietly(self._raw)

    def _connect(self) -> libvirt.virConnect:
        until = time.monotonic() + self._deadline
        with self._files() as (uri, pki_dir):
            greet(self._endpoint, deadline=self._deadline, pki_dir=pki_dir)
            if time.monotonic() >= until:
                raise HostSilent("The host answers too slowly.")
            try:
                with translate():
                    return libvirt.openAuth(uri, _sasl(self._credentials), 0)
            except VirtError as exc:
                # libvirt may not have read what ssh said before it hung up
                raise (self._ssh and from_ssh(self._ssh.said())) or exc from exc.__cause__

    @contextlib.contextmanager
    def _files(self) -> Iterator[tuple[str, str]]:
        """The URI, and the directory of certificates if any; the private files exist only inside."""
        given = self._credentials
        if self._endpoint.kind == "ssh":
            # a second less than the deadline, so that ssh itself says where it got stuck
            ssh = PinnedSsh(given.private_key, given.host_key, connect_timeout=int(self._deadline) - 1)
            self._ssh = ssh
            try:
                yield compose(self._endpoint, command=ssh.command, key_file=ssh.key_file), ""
            finally:
                ssh.remove()
        elif self._endpoint.kind == "tls":
            pki = ClientPki(given.ca_cert, given.client_cert, given.client_key)
            try:
                yield compose(self._endpoint, pki_dir=str(pki.directory)), str(pki.directory)
            finally:
                pki.remove()
        else:
            yield compose(self._endpoint), ""


def _shell_of(endpoint: Endpoint, credentials: Credentials) -> Callable[[], Shown] | None:
    if endpoint.kind != "ssh" or endpoint.driver == "test":
        return None
    return partial(shell.ask, endpoint, private_key=credentials.private_key, host_key=credentials.host_key)


def _sasl(credentials: Credentials) -> list[object]:
    """What libvirt calls back for a name and a password (virConnectAuth)."""
    answers = {
        libvirt.VIR_CRED_AUTHNAME: credentials.sasl_user,
        libvirt.VIR_CRED_USERNAME: credentials.sasl_user,
        libvirt.VIR_CRED_PASSPHRASE: credentials.sasl_password,
        libvirt.VIR_CRED_NOECHOPROMPT: credentials.sasl_password,
    }

    def answer(questions: list[list[object]], _: object) -> int:
        for question in questions:
            given = answers.get(question[0], "")  # type: ignore[call-overload]
            if not given:
                return -1
            question[4] = given
        return 0

    return [list(answers), answer, None]


def _one_wake_up_is_lost(endpoint: Endpoint) -> bool:
    """Whether libvirt's client here has the fault (seen with 9.0) that `Connection.aside` goes around; the test driver in this process has no client."""
    return endpoint.kind != "test" and libvirt.getVersion() < 10_000_000


def _lives(link: libvirt.virConnect) -> bool:
    """As far as is known without asking the host."""
    try:
        return bool(link.isAlive())
    except libvirt.libvirtError:
        return False


def _close_quietly(link: libvirt.virConnect) -> None:
    try:
        link.close()
    except libvirt.libvirtError as exc:
        logger.debug("a connection did not close cleanly: %s", exc)
