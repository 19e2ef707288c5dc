"""What each check makes of what is known of a host."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hosts.readiness import checks
from hosts.readiness.checks import CHECKS, FINE, MISSING, STATES, UNKNOWN, WARNING, Finding
from virt.facts import HostFacts, Shown, Told

TOLD = Told(
    hypervisor="QEMU", hypervisor_version="7.2.22", libvirt_version="9.0.0", arch="x86_64", cpu_vendor="AMD", virtualisation="svm", kvm=True, nested=True,
    iommu=True, uefi=True, secure_boot=True, tpm=True, virtiofs=True, confined_by=("apparmor",),
)  # fmt: skip
SHOWN = Shown(
    system="debian", pretty="Debian GNU/Linux 12 (bookworm)", kernel="6.1.0-28-amd64", arch="x86_64", flags=("svm",), modules=("kvm", "kvm_amd", "vhost_net"),
    devices=(("/dev/kvm", "660 root kvm"), ("/dev/vhost-net", "600 root root")), nested="1", iommu_units=("ivhd0",), iommu_groups=84, cgroups=2,
    controllers=("cpu", "cpuset", "io", "memory", "pids"), transparent="madvise", qemu_img="7.2.22", swtpm="/usr/bin/swtpm", virtiofsd="/usr/libexec/virtiofsd",
    ntp=True,
)  # fmt: skip


def facts(told: dict[str, Any] | None = None, shown: dict[str, Any] | None = None) -> HostFacts:
    return HostFacts(replace(TOLD, **(told or {})), replace(SHOWN, **(shown or {})))


def find(name: str, known: HostFacts) -> Finding:
    return {check.name: finding for check, finding in checks.findings(known)}[name]


def text_of(finding: Finding) -> str:
    return "\n".join(command.text for command in finding.fix.commands) + str(finding.fix.words)


def test_a_host_that_has_everything() -> None:
    assert set(checks.states(facts()).values()) == {FINE}
    assert str(find("iommu", facts()).value) == "AMD-Vi, 84 groups"
    assert str(find("modules", facts()).value) == "kvm, kvm_amd"


@pytest.mark.parametrize(
    ("name", "told", "shown", "state", "words"),
    [
        ("virtualisation", {"kvm": False}, {"flags": ()}, MISSING, "SVM Mode"),
        ("virtualisation", {"kvm": False}, {"flags": ("hypervisor",)}, MISSING, "host-passthrough"),
        ("kvm", {"kvm": False}, {"devices": ()}, MISSING, "modprobe kvm_amd"),
        ("kvm", {"kvm": False, "cpu_vendor": "Intel"}, {"devices": ()}, MISSING, "modprobe kvm_intel"),
        ("kvm", {"kvm": False}, {}, MISSING, "chmod 660 /dev/kvm"),
        ("modules", {"kvm": False}, {"modules": ("kvm",)}, MISSING, "modprobe kvm_amd"),
        ("kernel", {}, {"kernel": "3.10.0-1160.el7.x86_64"}, WARNING, "Upgrade"),
        ("nested", {}, {"nested": "N"}, WARNING, "options kvm_amd nested=1"),
        ("iommu", {"iommu": False}, {"iommu_groups": 0}, WARNING, "update-grub"),
        ("iommu", {"iommu": False, "cpu_vendor": "Intel"}, {"iommu_groups": 0, "system": "rocky", "like": "rhel centos fedora"}, WARNING, "intel_iommu=on"),
        ("cgroups", {}, {"controllers": ("cpu", "cpuset", "io")}, WARNING, "cgroup_enable=memory"),
        ("cgroups", {}, {"cgroups": 0, "controllers": ()}, WARNING, "Boot a kernel"),
        ("huge-pages", {}, {"transparent": "never"}, WARNING, "transparent_hugepage"),
        ("vhost", {}, {"devices": ()}, WARNING, "modprobe vhost_net"),
        ("clock", {}, {"clock_off_seconds": -90}, WARNING, "apt install chrony"),
        ("clock", {}, {"ntp": False}, WARNING, "chrony"),
        ("qemu", {"hypervisor_version": ""}, {}, MISSING, "apt install qemu-system-x86"),
        ("qemu", {"hypervisor_version": "2.11.1"}, {}, WARNING, "Upgrade"),
        ("libvirt", {"libvirt_version": "4.0.0"}, {}, WARNING, "Upgrade"),
        ("qemu-img", {}, {"qemu_img": ""}, MISSING, "apt install qemu-utils"),
        ("qemu-img", {}, {"qemu_img": "", "system": "fedora"}, MISSING, "dnf install qemu-img"),
        ("uefi", {"uefi": False}, {}, WARNING, "apt install ovmf"),
        ("uefi", {"uefi": False, "arch": "aarch64"}, {"system": "almalinux", "like": "rhel centos fedora"}, WARNING, "dnf install edk2-aarch64"),
        ("tpm", {"tpm": False}, {"system": "opensuse-leap", "like": "suse opensuse"}, WARNING, "zypper install swtpm"),
        ("virtiofs", {}, {"virtiofsd": ""}, WARNING, "apt install virtiofsd"),
        ("virtiofs", {"virtiofs": False}, {}, WARNING, "Upgrade QEMU"),
        ("confinement", {"confined_by": ()}, {}, WARNING, "apparmor"),
    ],
)  # fmt: skip
def test_what_lacks_is_said_with_its_fix(name: str, told: dict[str, Any], shown: dict[str, Any], state: str, words: str) -> None:
    finding = find(name, facts(told, shown))
    assert finding.state == state
    assert words in text_of(finding)
    assert finding.means


def test_every_check_is_seen_to_fail() -> None:
    (mark,) = test_what_lacks_is_said_with_its_fix.pytestmark  # type: ignore[attr-defined]
    assert {check.name for check in CHECKS} == {case[0] for case in mark.args[1]}
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_libvirt_alone() -> None:
    """What it can't tell is not claimed either way."""
    known = HostFacts(TOLD, None, "It is not connected by SSH.")
    states = checks.states(known)
    assert {name for name, state in states.items() if state == UNKNOWN} == {"kernel", "cgroups", "vhost", "qemu-img", "virtiofs"}
    assert states["kvm"] == states["iommu"] == states["nested"] == FINE
    bare = HostFacts(replace(TOLD, kvm=False, virtualisation="", nested=None))
    assert checks.states(bare)["virtualisation"] == UNKNOWN
    assert checks.states(bare)["kvm"] == MISSING
    named = find("tpm", HostFacts(replace(TOLD, tpm=False)))
    assert [command.where.partition(",")[0] for command in named.fix.commands] == ["Debian", "Fedora", "openSUSE", "Arch"]


def test_other_hypervisors_and_other_processors() -> None:
    assert checks.findings(HostFacts(Told(hypervisor="TEST"))) == []
    arm = checks.states(facts({"arch": "aarch64", "cpu_vendor": "ARM"}, {"arch": "aarch64", "flags": (), "modules": ("kvm",)}))
    assert "virtualisation" not in arm and "nested" not in arm
    assert arm["modules"] == FINE


def test_a_kernel_whose_kvm_has_no_nesting_to_switch_on() -> None:
    assert find("nested", facts({"nested": False}, {"modules": ("kvm", "kvm_pvm"), "nested": ""})).state == UNKNOWN


def test_facts_survive_json_and_other_versions() -> None:
    known = facts(shown={"huge_pages": ((2**21, 16, 4),)})
    stored = json.loads(json.dumps(known.plain()))
    assert HostFacts.of(stored) == known
    stored["told"]["of a newer version"] = stored["shown"].pop("virtiofsd")
    assert HostFacts.of(stored).shown == replace(known.shown, virtiofsd="")  # type: ignore[type-var]
    assert find("huge-pages", known).value == "16 × 2 MiB"
    assert set(STATES) == {FINE, WARNING, MISSING, UNKNOWN}
