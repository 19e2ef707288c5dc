"""Every error of libvirt's gets a class on purpose, and the words are for a person. Texts are as libvirt 9.0 and OpenSSH 9.2 wrote them."""

from __future__ import annotations

import errno

import libvirt
import pytest

from virt import translation
from virt.errors import (
    Busy,
    Conflict,
    GuestSilent,
    HostKeyChanged,
    HostKeyUnknown,
    HostSilent,
    HostUnreachable,
    Invalid,
    LoginRefused,
    NoSpace,
    NotFound,
    OperationFailed,
    PermissionRefused,
    Unsupported,
    VirtError,
    WrongState,
)
from virt.testing import libvirt_error
from virt.translation import answered, from_libvirt, from_ssh, translate

# names that are levels (virErrorLevel), not codes
_LEVELS = {"VIR_ERR_NONE", "VIR_ERR_WARNING", "VIR_ERR_ERROR"}
_CODES = {name: value for name, value in vars(libvirt).items() if name.startswith(("VIR_ERR_", "VIR_WAR_")) and name not in _LEVELS}
_RPC, _QEMU = libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_QEMU


def test_no_code_of_this_libvirt_falls_through() -> None:
    assert len(_CODES) > 100
    assert set(_CODES) - set(translation._TABLE) == set()


@pytest.mark.parametrize("name", sorted(_CODES))
@pytest.mark.parametrize("detail", ["some words of libvirt's", ""])
def test_every_code_speaks(name: str, detail: str) -> None:
    found = from_libvirt(libvirt_error(_CODES[name], detail, domain=libvirt.VIR_FROM_NONE))
    assert type(found) is translation._TABLE[name][0]
    assert str(found)[0].isupper() or str(found).startswith("libvirt")
    assert str(found).endswith((".", "!", "?"))
    assert found.code == _CODES[name]


def test_code_of_a_newer_libvirt() -> None:
    found = from_libvirt(libvirt_error(4711, "something new"))
    assert type(found) is OperationFailed
    assert str(found) == "Something new."


def test_error_without_anything() -> None:
    found = from_libvirt(libvirt.libvirtError("virDomainCreate() failed"))
    assert type(found) is OperationFailed
    assert str(found)


def test_the_cause_is_kept() -> None:
    with pytest.raises(NotFound) as raised, translate():
        raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, "Domain not found: no domain with matching uuid 'x'")
    assert isinstance(raised.value.__cause__, libvirt.libvirtError)
    assert raised.value.detail == "Domain not found: no domain with matching uuid 'x'"


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), translate():
        raise ZeroDivisionError


def test_a_broken_link_is_no_answer() -> None:
    codes = (libvirt.VIR_ERR_INTERNAL_ERROR,)
    there_is_none = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: no such volume", domain=libvirt.VIR_FROM_STORAGE)
    assert answered(there_is_none, codes) and not answered(there_is_none, ())
    assert not answered(libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed", domain=_RPC), codes)


@pytest.mark.parametrize(
    ("code", "domain", "text", "kind", "words"),
    [
        # machines
        (55, _QEMU, "Requested operation is not valid: domain is not running", WrongState, "The machine is not running."),
        (55, _QEMU, "Requested operation is not valid: domain is already running", WrongState, "The machine is running already."),
        (1, libvirt.VIR_FROM_TEST, "internal error: Domain 'test' is already running", WrongState, "The machine is running already."),
        (1, libvirt.VIR_FROM_TEST, "internal error: domain 'test' not running", WrongState, "The machine is not running."),
        (55, _QEMU, "Requested operation is not valid: cannot do managed save for transient domain", WrongState, "transient"),
        (55, libvirt.VIR_FROM_STORAGE, "Requested operation is not valid: storage pool 'x' is not active", WrongState, "Storage pool 'x' is not active."),
        (8, libvirt.VIR_FROM_TEST, "unsupported flags (0x1) in function testDomainCreateWithFlags", Unsupported, "does not know"),
        (68, _QEMU, "Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainSuspend)", Busy, "Another operation"),
        (86, _QEMU, "Guest agent is not responding: QEMU guest agent is not connected", GuestSilent, "agent"),
        (74, _QEMU, "argument unsupported: QEMU guest agent is not configured", GuestSilent, "agent"),
        (9, libvirt.VIR_FROM_DOMAIN, "operation failed: domain 'web1' already exists with uuid 1234", Conflict, "already exists"),
        (
            1,
            _QEMU,
            "internal error: process exited while connecting to monitor: qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            OperationFailed,
            "free memory",
        ),
        (1, _QEMU, "internal error: unable to write '/x': No space left on device", NoSpace, "no room"),
        (27, libvirt.VIR_FROM_DOMAIN, "XML error: expecting root element of 'domain', not 'a'", Invalid, "Expecting root element"),
        (67, _QEMU, "unsupported configuration: CPU mode 'host-passthrough' … is only supported with kvm", Unsupported, "CPU mode"),
        (43, libvirt.VIR_FROM_NETWORK, "Network not found: no network with matching name 'lan'", NotFound, "The network “lan” is not on this host (any more)."),
        (42, _QEMU, "Domain not found: no domain with matching uuid '0f2a'", NotFound, "The machine is not on this host (any more)."),
        # the way to the host
        (38, _RPC, "packet 1416128879 bytes received from server too large, want 33554432", Unsupported, "not libvirt"),
        (39, _RPC, "packet 1397966889 bytes received from server too large, want 33554432", Unsupported, "not libvirt"),
        (38, _RPC, "End of file while reading data: sh: 1: nc: not found: Input/output error", Unsupported, "virt-ssh-helper"),
        (38, _RPC, "Unable to resolve address 'nosuch.invalid' service '16509': Name or service not known", HostUnreachable, "resolved"),
        (38, _RPC, "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory", HostUnreachable, "not installed or not running"),
        (38, _RPC, "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied", PermissionRefused, "group libvirt"),
        (38, _RPC, "Cannot recv data: Connection reset by peer", HostUnreachable, "broke"),
        (1, _RPC, "internal error: client socket is closed", HostUnreachable, "broke"),
        (1, _RPC, "internal error: connection closed due to keepalive timeout", HostUnreachable, "stopped answering"),
        # TLS, SASL, polkit
        (45, _RPC, "authentication failed: Failed to verify peer's certificate", HostKeyUnknown, "certificate is not trusted"),
        (38, _RPC, "Unable to read TLS confirmation: Input/output error", LoginRefused, "client certificate"),
        (45, _RPC, "authentication failed: TLS handshake failed An unexpected TLS packet was received.", Unsupported, "does not speak TLS"),
        (
            1,
            _RPC,
            "Our own certificate /run/webvirt-open-12-x1_y2z3a/clientcert.pem failed validation against /run/webvirt-open-12-x1_y2z3a/cacert.pem: …",
            Invalid,
            "not signed by",
        ),
        (45, libvirt.VIR_FROM_AUTH, "authentication failed: authentication failed", LoginRefused, "password is wrong"),
        (45, libvirt.VIR_FROM_AUTH, "authentication failed: Failed to collect auth credentials", LoginRefused, "none is known"),
        (
            94,
            _RPC,
            "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'",
            PermissionRefused,
            "group libvirt",
        ),
    ],
)
def test_texts(code: int, domain: int, text: str, kind: type[VirtError], words: str) -> None:
    found = from_libvirt(libvirt_error(code, text, domain=domain))
    assert type(found) is kind
    assert words in str(found)
    assert "webvirt-" not in found.detail


@pytest.mark.parametrize(
    ("number", "domain", "kind"),
    [
        (errno.ENOSPC, _QEMU, NoSpace),
        (errno.EDQUOT, libvirt.VIR_FROM_STORAGE, NoSpace),
        (errno.ECONNREFUSED, _RPC, HostUnreachable),
        (errno.EACCES, _RPC, PermissionRefused),
        # a file on the host that can't be read is not a host that can't be reached
        (errno.EACCES, libvirt.VIR_FROM_STORAGE, OperationFailed),
        (errno.ENOENT, _QEMU, OperationFailed),
    ],
)
def test_system_errors_by_their_number(number: int, domain: int, kind: type[VirtError]) -> None:
    assert type(from_libvirt(libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, "whatever it says", domain=domain, int1=number))) is kind


_CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Offending ED25519 key in known_hosts:1
Host key verification failed."""


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (_CHANGED, HostKeyChanged),
        ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-ed25519", HostKeyChanged),
        ("No ED25519 host key is known for pinned-host and you have requested strict checking.\nHost key verification failed.", HostKeyUnknown),
        ("root@10.0.0.1: Permission denied (publickey).", LoginRefused),
        ('Load key "key": error in libcrypto\nroot@10.0.0.1: Permission denied (publickey).', LoginRefused),
        ("ssh: Could not resolve hostname nosuch.invalid: Name or service not known", HostUnreachable),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", HostUnreachable),
        ("ssh: connect to host 10.0.0.1 port 22: No route to host", HostUnreachable),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", HostUnreachable),
        ("Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out", HostSilent),
        ("kex_exchange_identification: read: Connection reset by peer", HostUnreachable),
        ("Connection closed by 10.0.0.1 port 22", HostUnreachable),
    ],
)
def test_what_ssh_says(said: str, kind: type[VirtError]) -> None:
    found = from_ssh(said)
    assert type(found) is kind
    assert found.detail == said


def test_ssh_that_says_nothing_of_a_failure() -> None:
    assert from_ssh("Warning: remote port forwarding failed for listen port 1") is None


_NFS = (
    "Child process (/bin/mount -o nodev,nosuid,noexec -t nfs nas:/export /mnt) unexpected exit status 32: mount: /mnt: unknown filesystem type 'nfs'.\n"
    "       dmesg(1) may have more information after failed mount system call.\n"
)
_ISCSI = "Child process (/usr/bin/iscsiadm --mode discovery) unexpected exit status 127: libvirt:  error : cannot execute binary {}: No such file or directory"


@pytest.mark.parametrize(
    ("code", "detail", "kind", "words"),
    [
        (libvirt.VIR_ERR_INTERNAL_ERROR, _NFS, OperationFailed, "Mount: /mnt: unknown filesystem type 'nfs'."),
        (libvirt.VIR_ERR_INTERNAL_ERROR, _ISCSI.format("/usr/bin/iscsiadm"), Unsupported, "The program iscsiadm is not on the host: install open-iscsi there."),
        (
            libvirt.VIR_ERR_INTERNAL_ERROR,
            "internal error: /usr/bin/iscsiadm failed new mode for target 'iqn.x' with status '127'",
            Unsupported,
            "The program iscsiadm is not on the host: install open-iscsi there.",
        ),
        (
            libvirt.VIR_ERR_SYSTEM_ERROR,
            "Cannot find 'zpool' in path: No such file or directory",
            Unsupported,
            "The program zpool is not on the host: install zfsutils-linux there.",
        ),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot find 'frob' in path: No such file or directory", Unsupported, "The program frob is not on the host."),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "missing backend for pool type 7 (rbd)", Unsupported, "libvirt on the host can't make pools of this kind"),
        (
            libvirt.VIR_ERR_XML_INVALID_SCHEMA,
            "XML document failed to validate against schema: Unable to validate doc against /usr/share/x.rng\nExpecting an element target, got nothing",
            Invalid,
            "Expecting an element target, got nothing.",
        ),
    ],
)
def test_what_storage_says(code: int, detail: str, kind: type[VirtError], words: str) -> None:
    found = from_libvirt(libvirt_error(code, detail))
    assert type(found) is kind
    assert str(found).startswith(words)
    assert found.detail == detail.strip()
