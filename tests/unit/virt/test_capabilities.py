"""What a host offers machines, read from a real host's documents."""

from __future__ import annotations

import json
from pathlib import Path

import libvirt
import pytest

from hosts.devices.inventory import plain
from virt import capabilities
from virt.connection import Connection
from virt.errors import Invalid
from virt.uri import parse
from virt.xml.read.capabilities import read_capabilities
from virt.xml.read.domcapabilities import read_nested, read_offer

DATA = Path(__file__).parent / "data"


class Link:
    """Stands for the virConnect of a host that has no machines of type "pc"."""

    def getCapabilities(self) -> str:
        return (DATA / "capabilities.xml").read_text()

    def getDomainCapabilities(self, _emulator: str | None, arch: str, machine: str | None, _virt_type: str, _flags: int) -> str:
        if machine == "pc":
            error = libvirt.libvirtError("invalid argument")
            error.err = (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_FROM_QEMU, "the machine 'pc' is not supported", 2, "", None, None, 0, 0)
            raise error
        assert arch == "x86_64"
        return (DATA / "domcapabilities.xml").read_text()


def test_an_offer_of_a_real_host() -> None:
    offer = read_offer((DATA / "domcapabilities.xml").read_text(), "q35")
    assert (offer.arch, offer.virt_type, offer.board, offer.canonical) == ("x86_64", "qemu", "q35", "pc-q35-7.2")
    assert offer.emulator == "/usr/bin/qemu-system-x86_64"
    assert offer.max_vcpus == 288
    assert "virtio" in offer.devices["disk.bus"]
    assert "vnc" in offer.devices["graphics.type"]
    assert {model.name for model in offer.models} >= {"qemu64", "EPYC"}
    assert "backup" in offer.features
    assert offer.maximum


def test_what_is_not_supported_is_missing() -> None:
    offer = read_offer("<domainCapabilities><devices><tpm supported='no'><enum name='model'><value>x</value></enum></tpm></devices></domainCapabilities>", "")
    assert offer.devices == {}
    assert offer.models == ()
    assert not offer.passthrough


@pytest.mark.parametrize("xml", ["", "<domain/>", "<domainCapabilities>", "<!DOCTYPE a [<!ENTITY b 'c'>]><domainCapabilities/>"])
def test_what_is_no_offer_is_refused(xml: str) -> None:
    with pytest.raises(Invalid):
        read_offer(xml, "q35")


def test_boards_pages_and_other_architectures() -> None:
    seen = read_capabilities((DATA / "capabilities.xml").read_text())
    own = seen.own_guests
    assert own is not None
    assert {"q35", "pc"} <= {board.name for board in own.boards}
    assert next(board for board in own.boards if board.name == "q35").canonical.startswith("pc-q35-")
    assert seen.page_sizes[0] == 4096


def test_all_of_it_and_as_json() -> None:
    found = capabilities.offers(Connection(parse("test:///default"), Link()))  # type: ignore[arg-type]
    assert [offer.board for offer in found.offers] == ["q35"] * len(found.offers)
    assert found.offers
    data = plain(found)
    assert json.loads(json.dumps(data)) == data


def test_what_of_readiness_the_documents_tell() -> None:
    xml = """<capabilities><host><cpu><arch>x86_64</arch><model>EPYC-Milan</model><feature name='svm'/></cpu>
    <topology><cells num='2'><cell id='0'><pages unit='KiB' size='4'>100</pages><pages unit='KiB' size='2048'>16</pages></cell>
    <cell id='1'><pages unit='KiB' size='4'>100</pages><pages unit='KiB' size='2048'>8</pages></cell></cells></topology>
    <secmodel><model>none</model></secmodel><secmodel><model>selinux</model></secmodel><secmodel><model>dac</model></secmodel></host></capabilities>"""
    seen = read_capabilities(xml)
    assert (seen.page_counts, seen.features, seen.confined_by) == (((2**21, 24),), frozenset({"svm"}), ("selinux",))


@pytest.mark.parametrize(
    ("vendor", "model", "feature", "nested"),
    [
        ("Intel", "Icelake-Server", "<feature policy='require' name='vmx'/>", True),
        ("Intel", "Icelake-Server", "", False),
        ("AMD", "EPYC-Milan", "", True),
        ("AMD", "EPYC-Milan", "<feature policy='disable' name='svm'/>", False),
        ("AMD", "Opteron_G3", "", None),
    ],
)
def test_nested_virtualisation(vendor: str, model: str, feature: str, nested: bool | None) -> None:
    mode = f"<mode name='host-model' supported='yes'><model>{model}</model><vendor>{vendor}</vendor>{feature}</mode>"
    assert read_nested(f"<domainCapabilities><cpu>{mode}</cpu></domainCapabilities>") is nested
    assert read_nested("<domainCapabilities/>") is None
