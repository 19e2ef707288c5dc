"""Each kind of device, added to a machine that is off, is accepted by a real libvirt, found again in what it wrote, changed, and removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.lab.guests import Recipe
from tests.lab.lab import Guest, Lab
from virt import connection, hardware
from virt.connection import Connection
from virt.uri import Endpoint
from virt.xml import tree
from virt.xml.devices import KINDS
from virt.xml.edit import edits
from virt.xml.edit.edits import Edit

# What a kind needs beside its defaults.
NEEDS = {
    "disk": {"source": "/srv/shared/more.qcow2", "cache": "none", "total_iops_sec": "500"},
    "cdrom": {"bus": "ide"},
    "nic": {"source": "default", "down": "yes"},
    "filesystem": {"driver": "path", "source": "/srv/shared", "target": "share"},
    "graphics": {"type": "spice", "listen": "127.0.0.1"},
    "panic": {"model": "isa"},
    "controller": {"type": "scsi", "model": "virtio-scsi"},
    "video": {"model": "virtio"},
}
# A TPM needs swtpm on the host: without it libvirt says so, in words that a person understands.
MISSING = {"tpm": "TPM version '2.0' is not supported."} if shutil.which("swtpm") is None else {}
# A change of one field afterwards.
CHANGES = {
    "disk": {"cache": "writeback"},
    "nic": {"model": "e1000", "vlan": ""},
    "watchdog": {"action": "pause"},
    "sound": {"model": "ac97"},
    "memballoon": {"period": "7"},
    "rng": {"source": "/dev/random"},
    "cpu": {"vcpus": "4", "current": "2", "sockets": "1", "cores": "4", "threads": "1"},
    "memory": {"memory": str(512 * 2**20), "current": str(256 * 2**20)},
    "options": {"clock": "localtime", "hyperv": "yes", "on_crash": "restart"},
    "general": {"title": "Ünïted <&>", "description": "one\ntwo"},
    "boot": {"menu": "yes"},
}


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Connection]:
    opened = connection.open(Endpoint(kind="socket", path=str(lab["h1"].socket)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Guest:
    return lab["h1"].define(Recipe("of-parts"))


def test_every_kind(host: Connection, guest: Guest) -> None:
    for name, kind in KINDS.items():
        if kind.addable and kind.is_device:
            before = tree.parse(hardware.read(host, guest.uuid).stored)
            edit = edits.completed(Edit("add", name, values=NEEDS.get(name, {})), [before])
            if name in MISSING:
                with pytest.raises(AssertionError, match=MISSING[name]):
                    _do(host, guest, edit)
                continue
            _do(host, guest, edit)
            after = tree.parse(hardware.read(host, guest.uuid).stored)
            assert edits.is_done(after, edit), f"{name}: {[kind.read(node) for node in kind.nodes(after)]} for {edit.values}"
        if name in CHANGES:
            key = list(kind.keyed(tree.parse(hardware.read(host, guest.uuid).stored)))[-1][0]
            edit = Edit("change", name, key, CHANGES[name])
            _do(host, guest, edit)
            assert edits.is_done(tree.parse(hardware.read(host, guest.uuid).stored), edit), name
    stored = tree.parse(hardware.read(host, guest.uuid).stored)
    disk, nic = KINDS["disk"].nodes(stored)[-1], KINDS["nic"].nodes(stored)[-1]
    order = Edit("change", "boot", "0", {"order": f"interface {KINDS['nic'].key_of(nic, 0)}\ndisk {KINDS['disk'].key_of(disk, 0)}"})
    _do(host, guest, order)
    assert edits.is_done(tree.parse(hardware.read(host, guest.uuid).stored), order)
    for name, kind in KINDS.items():
        if kind.addable and kind.is_device and name not in MISSING:
            stored = tree.parse(hardware.read(host, guest.uuid).stored)
            count = len(kind.nodes(stored))
            _do(host, guest, Edit("remove", name, list(kind.keyed(stored))[-1][0]))
            assert len(kind.nodes(tree.parse(hardware.read(host, guest.uuid).stored))) == count - 1, name


def _do(host: Connection, guest: Guest, edit: Edit) -> None:
    root = tree.parse(hardware.read(host, guest.uuid).stored)
    edits.apply(root, edit)
    try:
        hardware.define(host, tree.text_of(root))
    except Exception as error:
        raise AssertionError(f"{edit}: {error} {getattr(error, 'detail', '')}") from error
