"""libvirt's errors, turned into `virt.errors`: the one place where an error code gets its meaning.

A test walks through libvirt's whole enumeration, so that a code added by a newer libvirt is seen and given a class.
Codes and what they mean: https://libvirt.org/html/libvirt-virterror.html
"""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import libvirt

from virt.errors import (
    GONE,
    LINK_ERRNOS,
    NO_ACCESS,
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

# libvirt prints every error to stderr unless told otherwise; here each one is raised
libvirt.registerErrorHandler(lambda _context, _error: None, None)


@contextmanager
def translate() -> Iterator[None]:
    """Turn what libvirt raises inside into the tree above (`raise … from exc`)."""
    try:
        yield
    except libvirt.libvirtError as exc:
        raise from_libvirt(exc) from exc


def answered(exc: libvirt.libvirtError, codes: Collection[int]) -> bool:
    """Whether the host said one of these codes. An internal error may also mean that it is not reached any more: that is no answer."""
    return exc.get_error_code() in codes and not isinstance(from_libvirt(exc), HostUnreachable)


def from_libvirt(exc: libvirt.libvirtError) -> VirtError:
    """The exception of our tree that says what `exc` says.

    Order: 1. what libvirt's text makes certain, for codes that mean many things; 2. the errno of a
    system error; 3. the table by code; 4. OperationFailed, for a code newer than this table.
    """
    code = exc.get_error_code() or 0
    detail = _OUR_FILES.sub("", exc.get_error_message() or str(exc) or "").strip()
    if code in _VAGUE and (program := _MISSING_PROGRAM.search(detail)):
        return Unsupported(_without(next(filter(None, program.groups()))), detail, code)
    if code in _VAGUE:
        for pattern, kind, words in _BY_TEXT:
            if pattern.search(detail):
                return kind(words or _sentence(detail), detail, code)
    if code == libvirt.VIR_ERR_SYSTEM_ERROR:
        found = _by_errno(exc, detail, code)
        if found:
            return found
    kind, words = _BY_CODE.get(code, (OperationFailed, ""))
    return kind(_named(words, detail) or _sentence(detail), detail, code)


def _without(program: str) -> str:
    name = program.rpartition("/")[2]
    package = _PACKAGES.get(name, "")
    return f"The program {name} is not on the host{f': install {package} there' if package else ''}."


def from_ssh(said: str) -> VirtError | None:
    """What ssh's own messages mean; None when they name no reason for a failure."""
    for pattern, kind, words in _BY_SSH:
        if pattern.search(said):
            return kind(words, said)
    return None


def _by_errno(exc: libvirt.libvirtError, detail: str, code: int) -> VirtError | None:
    number = exc.get_int1()
    if number in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("The host has no room left on the disk.", detail, code)
    if exc.get_error_domain() not in _LINK_DOMAINS:
        return None
    if number in (errno.EACCES, errno.EPERM):
        return PermissionRefused(NO_ACCESS, detail, code)
    if number in LINK_ERRNOS:
        return HostUnreachable(LINK_ERRNOS[number], detail, code)
    return None


def _named(words: str, detail: str) -> str:
    """ "The network is not …" with the name that was looked for, where libvirt tells it."""
    found = _LOOKED_FOR.search(detail)
    return words.replace(" is not", f" “{found[1]}” is not", 1) if found else words


_LOOKED_FOR = re.compile(r"with matching name '([^'\x00-\x1f]{1,200})'")


def _sentence(detail: str) -> str:
    """libvirt's text as a sentence of its own: its class prefix cut off, capitalised, with a full stop. Of a program that failed, what it said itself."""
    text = _PREFIX.sub("", detail).strip()
    if _PROGRAM.match(text):
        text = _PROGRAM.sub("", text).partition("\n")[0].strip() or text
    text = _SCHEMA.sub("", text)
    if not text:
        return "The operation failed, and libvirt did not say why."
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


# the directory of one opening (virt.ssh): no use to anybody once it is gone
_OUR_FILES = re.compile(r"(/[^\s/]+)*/webvirt-open-[0-9]+-[a-z0-9_]+/")

_PREFIX = re.compile(
    r"^(internal error|operation failed|Requested operation is not valid|unsupported configuration"
    r"|invalid argument|XML error|Operation not supported|argument unsupported|cannot execute command"
    r"|this function is not supported by the connection driver"
    r"|XML document failed to validate against schema): ",
    re.IGNORECASE,
)

_SCHEMA = re.compile(r"^Unable to validate doc against \S+\s+")
_PROGRAM = re.compile(r"^Child process \(.*?\) unexpected (exit )?status \d+: (libvirt:\s+error : )?", re.IGNORECASE | re.DOTALL)

# Storage is mostly done by programs, which a host may lack.
_MISSING_PROGRAM = re.compile(
    r"cannot execute binary (/[\w./-]+): No such file|Cannot find '([\w.-]+)' in path"
    r"|(/[\w./-]*iscsiadm) failed .* with status '127'|failed to find path for ([\w.-]+) binary"
)
_PACKAGES = {
    "iscsiadm": "open-iscsi",
    "zpool": "zfsutils-linux",
    "zfs": "zfsutils-linux",
    "parted": "parted",
    "mkfs": "util-linux and the tools of the file system",
    "showmount": "nfs-common",
    "scrub": "scrub",
    "qemu-img": "qemu-utils",
    **dict.fromkeys(("vgchange", "vgcreate", "vgremove", "vgs", "lvs", "lvcreate", "lvremove", "pvcreate", "pvremove", "pvs", "vgscan"), "lvm2"),
}

# libvirt's domains (who reports) that speak of the way to the host, not of something on it.
_LINK_DOMAINS = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_SSH, libvirt.VIR_FROM_LIBSSH})

# Codes whose meaning is in the text: libvirt uses each of them for many things.
_VAGUE = frozenset(
    {
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_ARG,
        libvirt.VIR_ERR_OPERATION_FAILED,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_GNUTLS_ERROR,
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    }
)

_Rule = tuple[re.Pattern[str], type[VirtError], str]


def _rule(pattern: str, kind: type[VirtError], words: str = "") -> _Rule:
    """Texts are matched as libvirt 9–12 and OpenSSH 8–10 write them; no words: libvirt's own serve."""
    return re.compile(pattern, re.IGNORECASE), kind, words


# OpenSSH's messages, most telling first
_BY_SSH: tuple[_Rule, ...] = (
    _rule(
        r"host identification has changed|offending \S+ key in|no matching host key type found",
        HostKeyChanged,
        "The host shows another SSH key than the confirmed one. Either it was reinstalled, or somebody "
        "stands between the portal and the host. Nothing was sent to it.",
    ),
    _rule(
        r"host key verification failed|host key is known for",
        HostKeyUnknown,
        "The host's SSH key is not confirmed yet. Compare its fingerprint and confirm it.",
    ),
    _rule(
        r"load key .*(invalid format|error in libcrypto|incorrect passphrase)",
        LoginRefused,
        "The portal's private key can't be read by ssh.",
    ),
    _rule(
        r"permission denied \(|too many authentication failures|no supported authentication methods",
        LoginRefused,
        "The host does not accept the portal's SSH key for this user. Add the portal's public key there.",
    ),
    _rule(
        r"could not resolve hostname",
        HostUnreachable,
        "The host's name can't be resolved.",
    ),
    _rule(r"during banner exchange", HostSilent, "The host accepted the connection, but its SSH service does not answer."),
    _rule(r"connect to (host|server).*connection refused", HostUnreachable, "The host refuses the connection: nothing listens on this port."),
    _rule(r"no route to host|network is unreachable", HostUnreachable, "There is no way through the network to the host."),
    _rule(r"connection timed out|timeout, server .* not responding", HostUnreachable, "The host did not answer in time."),
    _rule(r"kex_exchange_identification|connection closed by (remote host|\S+ port)", HostUnreachable, "The host closed the SSH connection before the login."),
)

_BY_TEXT: tuple[_Rule, ...] = (
    _rule(
        r"unable to resolve address|name or service not known",
        HostUnreachable,
        "The host's name can't be resolved.",
    ),
    # the way to the host: what runs on the far side of ssh, then libvirt's own sockets
    _rule(
        r"(nc|netcat|virt-ssh-helper|sh): .*not found|command not found",
        Unsupported,
        "The login works, but the host has neither virt-ssh-helper nor nc: install libvirt there.",
    ),
    _rule(
        r"bytes received from server too (large|small)|unexpected (message|rpc)|unknown program",
        Unsupported,
        "What answers is not libvirt. If it is SSH: does the user's shell print text, or refuse commands?",
    ),
    _rule(
        r"failed to connect socket to .*(libvirt|virt\w+d).*permission denied|unable to connect.*permission denied"
        r"|unix connect failed: permission denied",
        PermissionRefused,
        "The user may not open libvirt's socket on the host. Add the user to the group libvirt there.",
    ),
    _rule(
        r"failed to connect socket to|unix connect failed|cannot connect to .*socket",
        HostUnreachable,
        "libvirt's socket does not answer: libvirt is not installed or not running there.",
    ),
    # The way from libvirt to the machine's own QEMU, not ours to the host.
    _rule(r"unable to read from monitor|unexpectedly closed the monitor", OperationFailed, "The machine's QEMU ended in the middle of it."),
    _rule(r"keepalive", HostUnreachable, "The host stopped answering."),
    _rule(
        r"client socket is closed|connection (reset|closed)|broken pipe|end of file while reading"
        r"|cannot (recv|write) data|unable to (read|write) .*socket|disconnected from (host|hypervisor)",
        HostUnreachable,
        GONE,
    ),
    # TLS and SASL
    _rule(
        r"(failed to verify|verification of) peer'?s? certificate|certificate .*(not trusted|has expired|not yet active"
        r"|doesn't match|does not match|fails validation)|owner does not match|isn't signed|no certificate was found",
        HostKeyUnknown,
        "The host's TLS certificate is not trusted: other authority, other name, or out of date.",
    ),
    _rule(
        r"our own certificate .*failed validation",
        Invalid,
        "The client certificate was not signed by the authority given for this host, or is out of date.",
    ),
    _rule(
        r"cannot read (ca )?certificate|unable to (import|set) .*(certificate|key)|failed to load .*(certificate|key)",
        Invalid,
        "A TLS certificate or key given for this host can't be used.",
    ),
    _rule(
        r"unable to (read|write) tls confirmation|certificate (is )?required|bad certificate",
        LoginRefused,
        "The TLS connection was refused: the host does not accept the client certificate, or there is none.",
    ),
    _rule(
        r"tls handshake failed|packet was received",
        Unsupported,
        "What answers does not speak TLS as libvirt does. Is the port right?",
    ),
    _rule(
        r"failed to collect auth credentials",
        LoginRefused,
        "The host asks for a name and a password, and none is known.",
    ),
    _rule(
        r"unable to get (dbus )?system bus connection",
        PermissionRefused,
        "libvirt asks polkit who may manage it, and no system bus runs there to answer: only root may, then.",
    ),
    _rule(
        r"no polkit agent|polkit|not authorized|access denied by policy",
        PermissionRefused,
        "The portal's user may not manage libvirt on the host. Add it to the group libvirt.",
    ),
    _rule(
        r"unsupported authentication|no worthy mechs|failed to start sasl|authentication unavailable",
        LoginRefused,
        "The host offers no way to sign in that the portal and it have in common.",
    ),
    # machines
    _rule(r"unsupported flags|unknown (command|procedure)|unknown flags", Unsupported, "This hypervisor does not know this operation, or not in this form."),
    _rule(
        r"\bagent\b.*(not (configured|connected|available|responding)|unresponsive|unavailable)",
        GuestSilent,
        "The guest agent is not there or does not answer.",
    ),
    _rule(
        r"timed out during operation: cannot acquire|cannot acquire (state change|job) ?lock|monitor job", Busy, "Another operation on this machine is running."
    ),
    _rule(r"\bdomain\b.*(already (active|running)|is active\b)", WrongState, "The machine is running already."),
    _rule(r"\bdomain\b.*not (running|active)", WrongState, "The machine is not running."),
    _rule(r"domain is (already )?paused|already paused", WrongState, "The machine is paused already."),
    _rule(r"domain is not (paused|suspended)|not paused", WrongState, "The machine is not paused."),
    _rule(r"(no|without) (managed )?saved? (image|state)", WrongState, "The machine has no saved state."),
    _rule(r"transient domain|for transient|domain is transient", WrongState, "The machine is transient: it is gone once it stops, so this is not possible."),
    _rule(
        r"missing backend for pool type",
        Unsupported,
        "libvirt on the host can't make pools of this kind: its part for them is not installed (libvirt-daemon-driver-storage-…).",
    ),
    _rule(r"already exists|already defined|already in use by", Conflict),
    _rule(r"no space left on device|disk quota exceeded", NoSpace, "The host has no room left on the disk."),
    _rule(r"cannot allocate memory|cannot set up guest memory", OperationFailed, "The host has not enough free memory for this machine."),
)

_MISSING_MACHINE = "The machine is not on this host (any more)."
_NO_HYPERVISOR = "The host has no hypervisor that the portal can speak to."

_TABLE: dict[str, tuple[type[VirtError], str]] = {
    "VIR_ERR_OK": (OperationFailed, "The operation failed, and libvirt did not say why."),
    "VIR_ERR_INTERNAL_ERROR": (OperationFailed, ""),
    "VIR_ERR_NO_MEMORY": (OperationFailed, "The host is out of memory."),
    "VIR_ERR_NO_SUPPORT": (Unsupported, "This hypervisor does not know this operation."),
    "VIR_ERR_UNKNOWN_HOST": (HostUnreachable, "The host's name can't be resolved."),
    "VIR_ERR_NO_CONNECT": (HostUnreachable, _NO_HYPERVISOR),
    "VIR_ERR_INVALID_CONN": (HostUnreachable, "The connection to the host is closed."),
    "VIR_ERR_INVALID_DOMAIN": (NotFound, _MISSING_MACHINE),
    "VIR_ERR_INVALID_ARG": (Invalid, ""),
    "VIR_ERR_OPERATION_FAILED": (OperationFailed, ""),
    "VIR_ERR_GET_FAILED": (OperationFailed, ""),
    "VIR_ERR_POST_FAILED": (OperationFailed, ""),
    "VIR_ERR_HTTP_ERROR": (OperationFailed, ""),
    "VIR_ERR_SEXPR_SERIAL": (OperationFailed, ""),
    "VIR_ERR_NO_XEN": (Unsupported, _NO_HYPERVISOR),
    "VIR_ERR_XEN_CALL": (OperationFailed, ""),
    "VIR_ERR_OS_TYPE": (Unsupported, "The hypervisor can't run this type of operating system or machine."),
    "VIR_ERR_NO_KERNEL": (Invalid, "The kernel is missing in the definition."),
    "VIR_ERR_NO_ROOT": (Invalid, "The root device is missing in the definition."),
    "VIR_ERR_NO_SOURCE": (Invalid, "A disk in the definition has no source."),
    "VIR_ERR_NO_TARGET": (Invalid, "A disk in the definition has no target."),
    "VIR_ERR_NO_NAME": (Invalid, "The name is missing in the definition."),
    "VIR_ERR_NO_OS": (Invalid, "The operating system type is missing in the definition."),
    "VIR_ERR_NO_DEVICE": (Invalid, "A device is missing in the definition."),
    "VIR_ERR_NO_XENSTORE": (Unsupported, _NO_HYPERVISOR),
    "VIR_ERR_DRIVER_FULL": (OperationFailed, ""),
    "VIR_ERR_CALL_FAILED": (OperationFailed, ""),
    "VIR_ERR_XML_ERROR": (Invalid, ""),
    "VIR_ERR_DOM_EXIST": (Conflict, "A machine with this name or uuid exists already on this host."),
    "VIR_ERR_OPERATION_DENIED": (PermissionRefused, "This connection may only read."),
    "VIR_ERR_OPEN_FAILED": (OperationFailed, ""),
    "VIR_ERR_READ_FAILED": (OperationFailed, ""),
    "VIR_ERR_PARSE_FAILED": (Invalid, ""),
    "VIR_ERR_CONF_SYNTAX": (OperationFailed, ""),
    "VIR_ERR_WRITE_FAILED": (OperationFailed, ""),
    "VIR_ERR_XML_DETAIL": (Invalid, ""),
    "VIR_ERR_INVALID_NETWORK": (NotFound, "The network is not on this host (any more)."),
    "VIR_ERR_NETWORK_EXIST": (Conflict, "A network with this name or uuid exists already on this host."),
    "VIR_ERR_SYSTEM_ERROR": (OperationFailed, ""),
    "VIR_ERR_RPC": (HostUnreachable, "The conversation with libvirt on the host broke."),
    "VIR_ERR_GNUTLS_ERROR": (LoginRefused, "The TLS connection to the host failed."),
    "VIR_WAR_NO_NETWORK": (Unsupported, "The host does not manage networks."),
    "VIR_ERR_NO_DOMAIN": (NotFound, _MISSING_MACHINE),
    "VIR_ERR_NO_NETWORK": (NotFound, "The network is not on this host (any more)."),
    "VIR_ERR_INVALID_MAC": (Invalid, "This is not a MAC address."),
    "VIR_ERR_AUTH_FAILED": (LoginRefused, "The host refused the login: the name or the password is wrong."),
    "VIR_ERR_INVALID_STORAGE_POOL": (NotFound, "The storage pool is not on this host (any more)."),
    "VIR_ERR_INVALID_STORAGE_VOL": (NotFound, "The volume is not on this host (any more)."),
    "VIR_WAR_NO_STORAGE": (Unsupported, "The host does not manage storage."),
    "VIR_ERR_NO_STORAGE_POOL": (NotFound, "The storage pool is not on this host (any more)."),
    "VIR_ERR_NO_STORAGE_VOL": (NotFound, "The volume is not on this host (any more)."),
    "VIR_WAR_NO_NODE": (Unsupported, "The host does not list its devices."),
    "VIR_ERR_INVALID_NODE_DEVICE": (NotFound, "The device is not on this host (any more)."),
    "VIR_ERR_NO_NODE_DEVICE": (NotFound, "The device is not on this host (any more)."),
    "VIR_ERR_NO_SECURITY_MODEL": (Unsupported, "The host has no such security model."),
    "VIR_ERR_OPERATION_INVALID": (WrongState, ""),
    "VIR_WAR_NO_INTERFACE": (Unsupported, "The host does not manage network interfaces."),
    "VIR_ERR_NO_INTERFACE": (NotFound, "The network interface is not on this host (any more)."),
    "VIR_ERR_INVALID_INTERFACE": (NotFound, "The network interface is not on this host (any more)."),
    "VIR_ERR_MULTIPLE_INTERFACES": (Conflict, "Several network interfaces have this address."),
    "VIR_WAR_NO_NWFILTER": (Unsupported, "The host does not manage network filters."),
    "VIR_ERR_INVALID_NWFILTER": (NotFound, "The network filter is not on this host (any more)."),
    "VIR_ERR_NO_NWFILTER": (NotFound, "The network filter is not on this host (any more)."),
    "VIR_ERR_BUILD_FIREWALL": (OperationFailed, ""),
    "VIR_WAR_NO_SECRET": (Unsupported, "The host does not keep secrets."),
    "VIR_ERR_INVALID_SECRET": (NotFound, "The secret is not on this host (any more)."),
    "VIR_ERR_NO_SECRET": (NotFound, "The secret is not on this host (any more)."),
    "VIR_ERR_CONFIG_UNSUPPORTED": (Unsupported, ""),
    "VIR_ERR_OPERATION_TIMEOUT": (Busy, "The host did not finish in time: another operation may hold the machine."),
    "VIR_ERR_MIGRATE_PERSIST_FAILED": (OperationFailed, ""),
    "VIR_ERR_HOOK_SCRIPT_FAILED": (OperationFailed, ""),
    "VIR_ERR_INVALID_DOMAIN_SNAPSHOT": (NotFound, "The snapshot is not there (any more)."),
    "VIR_ERR_NO_DOMAIN_SNAPSHOT": (NotFound, "The snapshot is not there (any more)."),
    "VIR_ERR_INVALID_STREAM": (OperationFailed, ""),
    "VIR_ERR_ARGUMENT_UNSUPPORTED": (Unsupported, ""),
    "VIR_ERR_STORAGE_PROBE_FAILED": (OperationFailed, ""),
    "VIR_ERR_STORAGE_POOL_BUILT": (Conflict, "The storage pool is built already."),
    "VIR_ERR_SNAPSHOT_REVERT_RISKY": (WrongState, ""),
    "VIR_ERR_OPERATION_ABORTED": (OperationFailed, "The operation was cancelled."),
    "VIR_ERR_AUTH_CANCELLED": (LoginRefused, "The host asks for a name and a password, and none is known."),
    "VIR_ERR_NO_DOMAIN_METADATA": (NotFound, "The machine has no such metadata."),
    "VIR_ERR_MIGRATE_UNSAFE": (WrongState, ""),
    "VIR_ERR_OVERFLOW": (Invalid, "A number is too large."),
    "VIR_ERR_BLOCK_COPY_ACTIVE": (Busy, "A copy of one of the machine's disks is running."),
    "VIR_ERR_OPERATION_UNSUPPORTED": (Unsupported, ""),
    "VIR_ERR_SSH": (HostUnreachable, ""),
    "VIR_ERR_AGENT_UNRESPONSIVE": (GuestSilent, "The guest agent is not there or does not answer."),
    "VIR_ERR_RESOURCE_BUSY": (Busy, "Something else is using this at the moment."),
    "VIR_ERR_ACCESS_DENIED": (PermissionRefused, "The host's access rules do not allow this."),
    "VIR_ERR_DBUS_SERVICE": (OperationFailed, ""),
    "VIR_ERR_STORAGE_VOL_EXIST": (Conflict, "A volume with this name exists already in the pool."),
    "VIR_ERR_CPU_INCOMPATIBLE": (Unsupported, ""),
    "VIR_ERR_XML_INVALID_SCHEMA": (Invalid, ""),
    "VIR_ERR_MIGRATE_FINISH_OK": (OperationFailed, ""),
    "VIR_ERR_AUTH_UNAVAILABLE": (LoginRefused, "The host offers no way to sign in that the portal knows."),
    "VIR_ERR_NO_SERVER": (NotFound, ""),
    "VIR_ERR_NO_CLIENT": (NotFound, ""),
    "VIR_ERR_AGENT_UNSYNCED": (GuestSilent, "The guest agent is out of step; it may answer the next time."),
    "VIR_ERR_LIBSSH": (HostUnreachable, ""),
    "VIR_ERR_DEVICE_MISSING": (NotFound, "The machine has no such device."),
    "VIR_ERR_INVALID_NWFILTER_BINDING": (NotFound, "The network filter binding is not there (any more)."),
    "VIR_ERR_NO_NWFILTER_BINDING": (NotFound, "The network filter binding is not there (any more)."),
    "VIR_ERR_INVALID_DOMAIN_CHECKPOINT": (NotFound, "The checkpoint is not there (any more)."),
    "VIR_ERR_NO_DOMAIN_CHECKPOINT": (NotFound, "The checkpoint is not there (any more)."),
    "VIR_ERR_NO_DOMAIN_BACKUP": (NotFound, "No backup of this machine is running."),
    "VIR_ERR_INVALID_NETWORK_PORT": (NotFound, "The network port is not there (any more)."),
    "VIR_ERR_NETWORK_PORT_EXIST": (Conflict, "The network port exists already."),
    "VIR_ERR_NO_NETWORK_PORT": (NotFound, "The network port is not there (any more)."),
    "VIR_ERR_NO_HOSTNAME": (OperationFailed, "The host does not know its own name."),
    "VIR_ERR_CHECKPOINT_INCONSISTENT": (WrongState, ""),
    "VIR_ERR_MULTIPLE_DOMAINS": (Conflict, "Several machines match."),
    "VIR_ERR_NO_NETWORK_METADATA": (NotFound, "The network has no such metadata."),
}

# by number, as far as the libvirt that runs here knows the name
_BY_CODE: dict[int, tuple[type[VirtError], str]] = {getattr(libvirt, name): entry for name, entry in _TABLE.items() if hasattr(libvirt, name)}
