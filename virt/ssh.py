"""SSH for libvirt, held to one key of ours and one key of the host's.

libvirt's ssh transport runs the `ssh` program and ignores `known_hosts=`. So we give it a program of our own
(`ssh-pinned`) that runs ssh with a configuration written for this one opening: only our private key, only the
pinned host key, no agent, no forwarding, nothing from the user's or the system's configuration.
The directory with these files is private (0700) and goes away as soon as the opening has ended.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import os
import shutil
import signal
import tempfile
from pathlib import Path

from virt.errors import HostKeyUnknown, Invalid, LoginRefused

COMMAND = str(Path(__file__).with_name("ssh-pinned"))


class PinnedSsh:
    """The files for one opening. Use: make, open with `command` and `key_file`, then `remove()`."""

    def __init__(self, private_key: str, host_key: str, *, connect_timeout: int) -> None:
        """`connect_timeout` in whole seconds, for the connection and SSH's greeting.

        Raises HostKeyUnknown or LoginRefused when one of the keys is not there, Invalid for a malformed host key.
        """
        if not host_key:
            raise HostKeyUnknown("The host's SSH key is not confirmed yet. Compare its fingerprint and confirm it.")
        if not private_key:
            raise LoginRefused("There is no private key to sign in with.")
        algorithm, blob = split_host_key(host_key)
        self.directory = private_directory()
        self.command = COMMAND
        self.key_file = str(self.directory / "key")
        _write(self.directory / "key", private_key.strip() + "\n")
        _write(self.directory / "known_hosts", f"{_ALIAS} {algorithm} {blob}\n")
        _write(self.directory / "config", _config(self.directory, algorithm, connect_timeout))

    def give_up(self) -> None:
        """End the ssh that libvirt waits for, so that libvirt's call returns. Safe to call at any moment."""
        with contextlib.suppress(OSError):
            (self.directory / "config").unlink()
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "pid").read_text())
            if _is_child(pid):
                os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """What ssh itself had to say about the opening, "" when all went well."""
        with contextlib.suppress(OSError):
            text = (self.directory / "log").read_text(errors="replace")[:4000]
            return text.replace(f"{self.directory}/", "").replace("\r", "").strip()
        return ""

    def remove(self) -> None:
        """Remove the files. A connection that stands needs them no more."""
        shutil.rmtree(self.directory, ignore_errors=True)


def split_host_key(line: str) -> tuple[str, str]:
    """Algorithm and base64 blob of a public host key; raises Invalid.

    `line`: "ssh-ed25519 AAAA…", a comment may follow. The blob must say the same algorithm inside (RFC 4253, 6.6).
    """
    words = line.split()
    if len(words) < 2 or words[0] not in _HOST_KEY_ALGORITHMS or "\n" in line.strip():
        raise Invalid("A host key looks like “ssh-ed25519 AAAA…”.")
    algorithm, blob = words[0], words[1]
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Invalid("The host key is damaged: its second word is not base64.", str(exc)) from exc
    size = int.from_bytes(raw[:4], "big")
    if raw[4 : 4 + size] != algorithm.encode():
        raise Invalid("The host key is damaged: its inside names another algorithm.")
    return algorithm, blob


def private_directory() -> Path:
    """A new directory that only this user can enter, in memory where the system offers that."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (base and os.path.isdir(base) and os.access(base, os.W_OK | os.X_OK)):
        base = tempfile.gettempdir()
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))


@functools.cache
def _sweep(base: str) -> None:
    """Remove what a process that was killed in the middle of an opening left behind; once per process."""
    for directory in Path(base).glob(f"{_PREFIX}*"):
        pid = directory.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            ours = directory.lstat().st_uid == os.geteuid() and not directory.is_symlink()
            if ours and pid.isdigit() and not Path("/proc", pid).exists():
                shutil.rmtree(directory, ignore_errors=True)


_PREFIX = "webvirt-open-"
_ALIAS = "pinned-host"

# what a pinned key allows the host to sign with (ssh-rsa keys sign with SHA-2 only)
_HOST_KEY_ALGORITHMS = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
    "ssh-rsa": "rsa-sha2-512,rsa-sha2-256",
}

_CONFIG = """\
Host *
  HostKeyAlias {alias}
  HostKeyAlgorithms {algorithms}
  UserKnownHostsFile "{directory}/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  CheckHostIP no
  UpdateHostKeys no
  VerifyHostKeyDNS no
  IdentityFile "{directory}/key"
  IdentitiesOnly yes
  IdentityAgent none
  CertificateFile none
  PreferredAuthentications publickey
  PubkeyAuthentication yes
  PasswordAuthentication no
  KbdInteractiveAuthentication no
  BatchMode yes
  NumberOfPasswordPrompts 0
  ConnectTimeout {connect_timeout}
  ConnectionAttempts 1
  ServerAliveInterval 15
  ServerAliveCountMax 3
  ControlMaster no
  ControlPath none
  ProxyCommand none
  ProxyJump none
  CanonicalizeHostname no
  ClearAllForwardings yes
  ForwardAgent no
  ForwardX11 no
  AddKeysToAgent no
  PermitLocalCommand no
  RequestTTY no
  EscapeChar none
  LogLevel INFO
{ciphers}"""

# OpenSSH's own choice, in another order: where the processor has instructions for AES, GCM costs less than ChaCha20 (docs/decisions/0018).
_AES_FIRST = "  Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr\n"


def _config(directory: Path, algorithm: str, connect_timeout: int) -> str:
    return _CONFIG.format(
        alias=_ALIAS,
        algorithms=_HOST_KEY_ALGORITHMS[algorithm],
        directory=directory,
        connect_timeout=max(1, connect_timeout),
        ciphers=_AES_FIRST if _has_aes() else "",
    )


@functools.cache
def _has_aes() -> bool:
    """Whether this machine's processor encrypts by AES itself; false where nobody tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any("aes" in line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _is_child(pid: int) -> bool:
    """Whether `pid` is (still) a child of this process: a number may have been given to somebody else since."""
    status = Path(f"/proc/{pid}/status").read_text()
    return f"\nPPid:\t{os.getpid()}\n" in status
