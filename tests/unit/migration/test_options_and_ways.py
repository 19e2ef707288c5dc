"""How a machine is to be moved, kept as JSON; what goes together; how one host calls another."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from machines.migration import ways
from machines.migration.options import Options
from virt.errors import Invalid
from virt.migration import Order
from virt.xml.edit.moved import with_disks_at

_DISKS = """<domain type='kvm'><name>m</name><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a/one.qcow2' index='1'><seclabel model='dac' relabel='no'/></source>
<backingStore type='file'><source file='/a/base.qcow2'/></backingStore><target dev='vda' bus='virtio'/></disk>
<disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='disk'><source file='/a/three.raw'/><target dev='vdc' bus='virtio'/></disk>
<custom xmlns='urn:x'>kept</custom></devices></domain>"""


def test_options_survive_json() -> None:
    changed = Options(
        live=False, storage={"vda": "fast"}, post_copy=True, auto_converge=True, parallel=3, tls=True, tunnelled=True, bandwidth_mib=7,
        max_downtime_ms=9, persist=False, undefine=False,
    )  # fmt: skip
    assert all(getattr(changed, each.name) != getattr(Options(), each.name) for each in fields(Options)), "each is tried"
    assert Options.from_json(json.loads(json.dumps(changed.as_json()))) == changed
    assert Options.from_json({"of_a_later_version": 1}) == Options()


@pytest.mark.parametrize(
    "bad", [Options(tunnelled=True, tls=True), Options(tunnelled=True, storage={"vda": "p"}), Options(post_copy=True, live=False), Options(parallel=17)]
)
def test_what_does_not_go_together_is_said(bad: Options) -> None:
    assert bad.problem and not Options().problem


def test_a_host_is_called_by_a_uri_that_can_do_nothing_else() -> None:
    assert ways.checked_libvirt("qemu+tls://kvm-2.example.org/system") == "qemu+tls://kvm-2.example.org/system"
    assert ways.checked_libvirt("") == ways.checked_data("") == ""
    for text in (
        "qemu:///system",
        "qemu+unix:///system?socket=/run/x",
        "qemu+ssh://h/system?command=/bin/sh",
        "test+tcp://h/default",
        "qemu+ssh://-oProxyCommand=x/",
    ):
        with pytest.raises(Invalid):
            ways.checked_libvirt(text)


def test_data_go_to_a_host_and_a_port() -> None:
    for text in ("tcp://10.0.0.2", "tcp://[fd00::2]:49152", "tcp://kvm-2.example.org"):
        assert ways.checked_data(text) == text
    for text in ("tcp://", "tcp://h:0", "tcp://h:99999", "unix:///run/x", "exec:sh", "tcp://h/x", "rdma://h", "tcp://-x"):
        with pytest.raises(Invalid):
            ways.checked_data(text)


def test_disks_are_where_the_target_has_them_and_nothing_else_changes() -> None:
    made = with_disks_at(_DISKS, {"vda": "/b/one.qcow2", "vdb": "/dev/vg/v"})
    assert '<source file="/b/one.qcow2"><seclabel' in made and "base.qcow2" not in made
    assert '<disk type="block" device="disk"><source dev="/dev/vg/v"/>' in made
    assert "/a/three.raw" in made and ">kept</custom>" in made
    assert with_disks_at(_DISKS, {}).count("file=") == _DISKS.count("file=")


def test_an_order_says_only_what_libvirt_takes_for_it() -> None:
    assert Order("qemu+tcp://h2/system", offline=True, copy=("vda",), parallel=2, bandwidth=5, data="tcp://x").parameters == {"migrate_uri": "tcp://x"}
    assert Order("t", data="tcp://x", tunnelled=True).parameters == {}
    assert Order("t", copy=("vda",), xml="<x/>", stored_xml="<y/>", parallel=2, bandwidth=5).parameters == {
        "migrate_disks": ["vda"], "destination_xml": "<x/>", "persistent_xml": "<y/>", "parallel.connections": 2, "bandwidth": 5,
    }  # fmt: skip
