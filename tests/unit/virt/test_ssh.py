"""The ssh that libvirt runs: one key of ours, one key of the host's, and nothing from anybody else's configuration."""

from __future__ import annotations

import base64
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from virt import ssh
from virt.errors import HostKeyUnknown, Invalid, LoginRefused
from virt.ssh import PinnedSsh, split_host_key


def _key(algorithm: str, rest: bytes = b"\0" * 36) -> str:
    blob = len(algorithm).to_bytes(4, "big") + algorithm.encode() + rest
    return f"{algorithm} {base64.b64encode(blob).decode()}"


@pytest.fixture
def pinned() -> Iterator[PinnedSsh]:
    pinned = PinnedSsh("PRIVATE", _key("ssh-ed25519") + " comment\n", connect_timeout=4)
    yield pinned
    pinned.remove()


def test_what_ssh_makes_of_the_configuration(pinned: PinnedSsh) -> None:
    """`ssh -G` prints what would be in force, after every default and file."""
    said = subprocess.run(["ssh", "-G", "-F", pinned.directory / "config", "-l", "root", "h1"], capture_output=True, text=True, check=True)
    lines = [line.partition(" ") for line in said.stdout.splitlines()]
    force = {name: value for name, _, value in lines}
    assert {
        "stricthostkeychecking": "true",
        "userknownhostsfile": f"{pinned.directory}/known_hosts",
        "globalknownhostsfile": "/dev/null",
        "hostkeyalias": "pinned-host",
        "hostkeyalgorithms": "ssh-ed25519",
        "checkhostip": "no",
        "updatehostkeys": "false",
        "verifyhostkeydns": "false",
        "identityfile": f"{pinned.directory}/key",
        "identitiesonly": "yes",
        "identityagent": "none",
        "preferredauthentications": "publickey",
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "batchmode": "yes",
        "connecttimeout": "4",
        "controlmaster": "false",
        "clearallforwardings": "yes",
        "forwardagent": "no",
        "forwardx11": "no",
        "permitlocalcommand": "no",
        "requesttty": "false",
        "canonicalizehostname": "false",
    }.items() <= force.items()
    assert [value for name, _, value in lines if name == "identityfile"] == [f"{pinned.directory}/key"]
    assert not {"proxycommand", "proxyjump", "controlpath", "localcommand", "knownhostscommand", "remotecommand"} & force.keys()


@pytest.mark.parametrize(("has_aes", "first"), [(True, "aes128-gcm@openssh.com"), (False, "chacha20-poly1305@openssh.com")])
def test_where_the_processor_has_aes_it_comes_first_and_nothing_is_added_or_left_out(has_aes: bool, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_has_aes", lambda: has_aes)
    pinned = PinnedSsh("PRIVATE", _key("ssh-ed25519"), connect_timeout=4)
    try:
        ciphers = [_ciphers(str(pinned.directory / "config")), _ciphers("/dev/null")]
    finally:
        pinned.remove()
    assert ciphers[0][0] == first
    assert sorted(ciphers[0]) == sorted(ciphers[1])


def _ciphers(config: str) -> list[str]:
    said = subprocess.run(["ssh", "-G", "-F", config, "h1"], capture_output=True, text=True, check=True).stdout
    return next(line for line in said.splitlines() if line.startswith("ciphers ")).removeprefix("ciphers ").split(",")


@pytest.mark.parametrize(
    ("algorithm", "accepted"),
    [("ssh-ed25519", "ssh-ed25519"), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"), ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256")],
)
def test_only_the_pinned_keys_own_kind_is_negotiated(algorithm: str, accepted: str) -> None:
    pinned = PinnedSsh("PRIVATE", _key(algorithm), connect_timeout=4)
    try:
        assert f"HostKeyAlgorithms {accepted}\n" in (pinned.directory / "config").read_text()
        assert (pinned.directory / "known_hosts").read_text() == f"pinned-host {_key(algorithm)}\n"
    finally:
        pinned.remove()


def test_nobody_else_can_read_the_key(pinned: PinnedSsh) -> None:
    assert stat.S_IMODE(pinned.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in pinned.directory.iterdir()} == {0o600}
    pinned.remove()
    assert not pinned.directory.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, running, strange = (tmp_path / f"webvirt-open-{name}-abcd" for name in (str(ended.pid), str(os.getpid()), "x"))
    for each in (left, running, strange):
        each.mkdir()
        (each / "key").write_text("PRIVATE")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = ssh.private_directory()
    assert set(tmp_path.iterdir()) == {running, strange, made}


def test_both_keys_are_needed() -> None:
    with pytest.raises(HostKeyUnknown):
        PinnedSsh("PRIVATE", "", connect_timeout=4)
    with pytest.raises(LoginRefused):
        PinnedSsh("", _key("ssh-ed25519"), connect_timeout=4)


@pytest.mark.parametrize(
    "line",
    [
        "ssh-ed25519",
        "ssh-ed25519 %%%",
        "ssh-dss " + _key("ssh-dss").split()[1],
        "ssh-rsa " + _key("ssh-ed25519").split()[1],
        "* " + _key("ssh-ed25519"),
        "@cert-authority * " + _key("ssh-ed25519"),
        _key("ssh-ed25519") + "\nevil " + _key("ssh-ed25519"),
        "ssh-ed25519 AAAA",
    ],
)
def test_malformed_host_key(line: str) -> None:
    with pytest.raises(Invalid):
        split_host_key(line)


class TestTheProgram:
    """`ssh-pinned`, with a stand-in for ssh first on the path."""

    @pytest.fixture
    def run(self, pinned: PinnedSsh, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        stand_in = tmp_path / "ssh"
        stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$LC_ALL" "$@"\nexec sleep 30\n')
        stand_in.chmod(0o755)
        process = _start(pinned, tmp_path)
        yield process
        process.kill()
        process.wait()

    def test_passes_everything_on_behind_our_options(self, run: subprocess.Popen[str], pinned: PinnedSsh) -> None:
        assert run.stdout
        said = [run.stdout.readline().rstrip("\n") for _ in range(13)]
        ours = ["C", "-F", f"{pinned.directory}/config", "-E", f"{pinned.directory}/log"]
        assert said == [*ours, "-p", "22", "-i", pinned.key_file, "--", "-oProxyCommand=x", "sh -c 'a b'", "-i"]

    def test_is_ended_when_given_up(self, run: subprocess.Popen[str], pinned: PinnedSsh) -> None:
        assert run.stdout and run.stdout.readline()
        pinned.give_up()
        assert run.wait(5) == -signal.SIGKILL

    def test_does_not_start_once_given_up(self, pinned: PinnedSsh, tmp_path: Path) -> None:
        pinned.give_up()
        process = _start(pinned, tmp_path)
        assert process.wait(5) == 255

    def test_does_not_start_without_our_directory(self, tmp_path: Path) -> None:
        for arguments in (["--", "h1"], ["-i", "key", "--", "h1"], ["--", "-i", str(tmp_path / "key")]):
            assert subprocess.run([ssh.COMMAND, *arguments], capture_output=True).returncode == 255


def test_a_number_that_was_given_to_somebody_else_is_spared(pinned: PinnedSsh) -> None:
    stranger = subprocess.Popen(["sh", "-c", "sleep 30 & echo $!; wait"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert stranger.stdout
        grandchild = int(stranger.stdout.readline())
        (pinned.directory / "pid").write_text(f"{grandchild}\n")
        pinned.give_up()
        time.sleep(0.1)
        os.kill(grandchild, 0)
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        stranger.wait()


def test_what_ssh_said_names_no_file_of_ours(pinned: PinnedSsh) -> None:
    assert pinned.said() == ""
    (pinned.directory / "log").write_text(f"Offending key in {pinned.directory}/known_hosts:1\r\n")
    assert pinned.said() == "Offending key in known_hosts:1"


def _start(pinned: PinnedSsh, path: Path) -> subprocess.Popen[str]:
    arguments = ["-p", "22", "-i", pinned.key_file, "--", "-oProxyCommand=x", "sh -c 'a b'", "-i"]
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "LC_ALL": "de_DE.UTF-8"}
    return subprocess.Popen([pinned.command, *arguments], stdout=subprocess.PIPE, text=True, env=environment)
