"""Fingerprints and the line for authorized_keys, held against OpenSSH's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hosts import keys


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_fingerprint_is_that_of_ssh_keygen(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "someone@somewhere", "-f", str(file)], check=True)
    public = file.with_suffix(".pub").read_text()
    shown = subprocess.run(["ssh-keygen", "-lf", str(file)], check=True, capture_output=True, text=True).stdout
    assert keys.fingerprint(public) == shown.split()[1]
    assert keys.algorithm(public) == kind.upper()
    assert kind in keys.show_command(public)


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 ###", "<b>"])
def test_no_key_has_no_fingerprint(line: str) -> None:
    assert keys.fingerprint(line) == ""


def test_the_one_line_makes_the_file_as_sshd_wants_it(tmp_path: Path) -> None:
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdOJxmYlKdQzvUXhk2Lf2cdsMTGOlvZsVDN8Ep5oyPa webvirt"
    for _ in range(2):
        subprocess.run(["sh", "-c", keys.authorize_command(public)], check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    file = tmp_path / ".ssh" / "authorized_keys"
    assert file.read_text() == f"restrict,port-forwarding {public}\n" * 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
