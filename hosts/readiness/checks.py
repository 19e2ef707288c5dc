"""What a host needs for its machines, one entry each: a further one is a function and a line of CHECKS.

A check looks at facts alone (virt/facts.py), so it costs a page nothing. It answers what was found, what that means for
machines, and how to mend it. Missing is what machines can't do without; what they only lack at times is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from hosts.readiness.fixes import NOTHING, Fix, install, per_family, run
from virt.facts import HostFacts

FINE, WARNING, MISSING, UNKNOWN = "fine", "warning", "missing", "unknown"
STATES = (MISSING, WARNING, UNKNOWN, FINE)

_OLDEST_KERNEL = (4, 18)  # of RHEL 8: the oldest that libvirt's own continuous tests still know
_OLDEST_QEMU = (4, 2)  # backups and incremental ones need it
_OLDEST_LIBVIRT = (6, 0)
_CLOCK_MAY_BE_OFF = 5  # seconds; asking takes some of that
_PC = ("x86_64", "i686")
_CONTROLLERS = {1: ("cpu", "cpuset", "memory", "blkio", "devices"), 2: ("cpu", "cpuset", "memory", "io")}


@dataclass(frozen=True)
class Finding:
    """`value`: what was found, short. `means`: for machines. Both may be ""."""

    state: str
    value: Any = ""
    means: Any = ""
    fix: Fix = NOTHING


@dataclass(frozen=True)
class Check:
    """`look` is asked of QEMU hosts alone; None: it does not concern this host."""

    name: str
    title: Any
    look: Callable[[HostFacts], Finding | None]


def findings(facts: HostFacts) -> list[tuple[Check, Finding]]:
    """Every check that concerns the host, in the order of CHECKS."""
    if facts.told.hypervisor != "QEMU":
        return []
    return [(check, found) for check in CHECKS if (found := check.look(facts))]


def states(facts: HostFacts) -> dict[str, str]:
    """Name of a check → how it stands."""
    return {check.name: found.state for check, found in findings(facts)}


# ── processor and kernel ──


def _virtualisation(facts: HostFacts) -> Finding | None:
    if facts.told.arch not in _PC:
        return None
    flags = facts.shown.flags if facts.shown else (facts.told.virtualisation,)
    name = {"vmx": "Intel VT-x", "svm": "AMD-V"}.get(next((flag for flag in ("vmx", "svm") if flag in flags), ""), "")
    if name:
        return Finding(FINE, _("%(name)s, passed on by another hypervisor") % {"name": name} if facts.shown and facts.shown.is_machine else name)
    if facts.told.kvm:
        return Finding(FINE, _("KVM works without VT-x or AMD-V"))
    if facts.shown is None:
        return Finding(UNKNOWN, _("libvirt does not name it"))
    if facts.shown.is_machine:
        words = _("The host is a machine itself: switch nested virtualisation on where it runs, and give it the processor as it is (host-passthrough).")
    else:
        words = _("Switch it on in the host's firmware: Intel Virtualization Technology, VT-x, or SVM Mode.")
    return Finding(MISSING, _("neither VT-x nor AMD-V"), _EMULATED, Fix(words))


def _kvm(facts: HostFacts) -> Finding:
    if facts.told.kvm:
        return Finding(FINE, _("QEMU uses it"))
    device = facts.shown.device("/dev/kvm") if facts.shown else ""
    if device:
        fix = run("chown root:kvm /dev/kvm", "chmod 660 /dev/kvm", "systemctl restart libvirtd || systemctl restart virtqemud")
        return Finding(MISSING, _("/dev/kvm is closed: %(mode)s") % {"mode": device}, _EMULATED, fix)
    value = _("/dev/kvm is missing") if facts.shown else _("libvirt offers emulation alone")
    return Finding(MISSING, value, _EMULATED, _load_kvm(facts))


def _modules(facts: HostFacts) -> Finding:
    if facts.shown is None:
        return Finding(FINE, _("loaded: KVM works")) if facts.told.kvm else Finding(UNKNOWN, _ASK_BY_SSH)
    loaded = [name for name in facts.shown.modules if name.startswith("kvm")]
    if "kvm" in loaded and (len(loaded) > 1 or facts.told.arch not in _PC):
        return Finding(FINE, ", ".join(loaded))
    if facts.told.kvm:  # an architecture, or a kernel, that needs no second one
        return Finding(FINE, ", ".join(loaded) or _("built in"))
    return Finding(MISSING, ", ".join(loaded) or _("none is loaded"), _EMULATED, _load_kvm(facts))


def _kernel(facts: HostFacts) -> Finding:
    if facts.shown is None:
        return Finding(UNKNOWN, _ASK_BY_SSH)
    system = f"{facts.shown.kernel}, {facts.shown.pretty}" if facts.shown.pretty else facts.shown.kernel
    if facts.shown.kernel and _version(facts.shown.kernel) < _OLDEST_KERNEL:
        means = _("Newer guests and processors run slower or not at all, and its gaps are not closed any more.")
        return Finding(WARNING, system, means, Fix(_("Upgrade the distribution.")))
    return Finding(FINE, system)


def _nested(facts: HostFacts) -> Finding | None:
    if facts.told.arch not in _PC or not facts.told.kvm:
        return None
    module = "kvm_amd" if facts.told.cpu_vendor == "AMD" else "kvm_intel"
    said = facts.shown.nested if facts.shown else ""
    on = {"y": True, "1": True, "n": False, "0": False}.get(said.lower(), facts.told.nested)
    if on:
        return Finding(FINE, _("on"))
    if on is None or (facts.shown and module not in facts.shown.modules):
        return Finding(UNKNOWN, _("not told"))
    fix = run(
        f"echo 'options {module} nested=1' > /etc/modprobe.d/kvm-nested.conf",
        f"modprobe -r {module} && modprobe {module}",
        words=_("No machine may run while the module is loaded again; a restart of the host does as well."),
    )
    return Finding(WARNING, _("off"), _("Machines can't run machines with KVM: no WSL 2, Hyper-V or Docker Desktop in them."), fix)


def _iommu(facts: HostFacts) -> Finding:
    if facts.shown and facts.shown.iommu_groups:
        units = {"dmar": "VT-d", "ivhd": "AMD-Vi", "smmu": "SMMU"}
        name = next((words for unit in facts.shown.iommu_units for prefix, words in units.items() if unit.startswith(prefix)), "IOMMU")
        groups = ngettext("%(n)d group", "%(n)d groups", facts.shown.iommu_groups) % {"n": facts.shown.iommu_groups}
        return Finding(FINE, f"{name}, {groups}")
    if facts.shown is None and facts.told.iommu:
        return Finding(FINE, _("in use"))
    if facts.shown is None and facts.told.iommu is None:
        return Finding(UNKNOWN, _ASK_BY_SSH)
    means = _("PCI devices, graphics cards and SR-IOV functions can't be passed through to machines.")
    return Finding(WARNING, _("none in use"), means, iommu_fix(facts))


def iommu_fix(facts: HostFacts) -> Fix:
    """How the kernel is made to use the IOMMU."""
    if facts.shown and facts.shown.is_machine:
        return Fix(_("The host is a machine itself: give it a virtual IOMMU where it runs."))
    arguments = "iommu=pt" if facts.told.cpu_vendor == "AMD" else "intel_iommu=on iommu=pt"
    words = _("Switch it on in the host's firmware (VT-d, AMD-Vi or IOMMU), then give the kernel its argument and restart the host.")
    if facts.told.arch not in _PC:
        return Fix(_("Switch it on in the host's firmware, then restart the host."))
    return per_family(
        facts,
        {
            "debian": f"echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {arguments}\"' > /etc/default/grub.d/iommu.cfg\nupdate-grub",
            "fedora": f'grubby --update-kernel=ALL --args="{arguments}"',
            "suse": f"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=\"/&{arguments} /' /etc/default/grub\ngrub2-mkconfig -o /boot/grub2/grub.cfg",
            "arch": f"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=\"/&{arguments} /' /etc/default/grub\ngrub-mkconfig -o /boot/grub/grub.cfg",
        },
        words=words,
    )


def _cgroups(facts: HostFacts) -> Finding:
    if facts.shown is None:
        return Finding(UNKNOWN, _ASK_BY_SSH)
    version = facts.shown.cgroups
    if not version:
        return Finding(WARNING, _("none"), _("Shares and limits of processor, memory and disks are not kept."), Fix(_("Boot a kernel with cgroups.")))
    lacking = [name for name in _CONTROLLERS.get(version, ()) if name not in facts.shown.controllers]
    if not lacking:
        return Finding(FINE, _("version %(n)d, all controllers") % {"n": version})
    value = _("version %(n)d without %(names)s") % {"n": version, "names": ", ".join(lacking)}
    means = _("libvirt can't keep what a machine's definition says of these: shares, limits and pinning.")
    memory = _("Give the kernel the argument cgroup_enable=memory, and restart the host.")
    return Finding(WARNING, value, means, Fix(memory if "memory" in lacking else _("Boot a kernel that has them.")))


def _huge_pages(facts: HostFacts) -> Finding:
    reserved = [(size, number) for size, number, _free in facts.shown.huge_pages if number] if facts.shown else []
    reserved = reserved or [(size, number) for size, number in facts.told.huge_pages if number]
    if reserved:
        return Finding(FINE, ", ".join(f"{number} × {_size(size)}" for size, number in reserved))
    if facts.shown is None:
        return Finding(FINE, _("none reserved"))
    if facts.shown.transparent != "never":
        return Finding(FINE, _("none reserved; transparent ones: %(when)s") % {"when": facts.shown.transparent or _("unknown")})
    fix = run("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", words=_("For good: transparent_hugepage=madvise on the kernel's command line."))
    return Finding(WARNING, _("none reserved, transparent ones are off"), _("Machines with much memory lose some percent of their speed."), fix)


def _vhost(facts: HostFacts) -> Finding:
    if facts.shown is None:
        return Finding(UNKNOWN, _ASK_BY_SSH)
    if facts.shown.device("/dev/vhost-net"):
        return Finding(FINE, _("/dev/vhost-net is there"))
    means = _("Each packet of a machine goes through QEMU: half the throughput, twice the processor time.")
    return Finding(WARNING, _("/dev/vhost-net is missing"), means, run("modprobe vhost_net", "echo vhost_net > /etc/modules-load.d/vhost_net.conf"))


def _clock(facts: HostFacts) -> Finding | None:
    if facts.shown is None:
        return None
    off = facts.shown.clock_off_seconds
    packages = dict.fromkeys(("debian", "fedora", "suse", "arch"), "chrony")
    fix = install(facts, packages, "systemctl enable --now chronyd || systemctl enable --now chrony")
    means = _("Machines take their time from it; certificates, logs and moves between hosts go wrong.")
    if abs(off) > _CLOCK_MAY_BE_OFF:
        value = _("%(seconds)d s ahead of ours") if off > 0 else _("%(seconds)d s behind ours")
        return Finding(WARNING, value % {"seconds": abs(off)}, means, fix)
    if facts.shown.ntp is False:
        return Finding(WARNING, _("nobody keeps it in step"), means, fix)
    return Finding(FINE, _("in step"))


# ── software ──


def _qemu(facts: HostFacts) -> Finding:
    version = facts.told.hypervisor_version
    if not version:
        debian = {"aarch64": "qemu-system-arm", "ppc64le": "qemu-system-ppc", "s390x": "qemu-system-misc"}.get(facts.told.arch, "qemu-system-x86")
        packages = {"debian": debian, "fedora": "qemu-kvm", "suse": "qemu-kvm", "arch": "qemu-base"}
        return Finding(MISSING, _("not installed"), _("No machine can run."), install(facts, packages))
    if _version(version) < _OLDEST_QEMU:
        return Finding(WARNING, version, _("Too old for backups of running machines."), Fix(_("Upgrade the distribution.")))
    return Finding(FINE, version)


def _libvirt(facts: HostFacts) -> Finding:
    version = facts.told.libvirt_version
    if _version(version) < _OLDEST_LIBVIRT:
        return Finding(WARNING, version, _("Too old for backups of running machines."), Fix(_("Upgrade the distribution.")))
    return Finding(FINE, version)


def _qemu_img(facts: HostFacts) -> Finding:
    if facts.shown is None:
        return Finding(UNKNOWN, _ASK_BY_SSH)
    if facts.shown.qemu_img:
        return Finding(FINE, facts.shown.qemu_img)
    fix = install(facts, {"debian": "qemu-utils", "fedora": "qemu-img", "suse": "qemu-img", "arch": "qemu-img"})
    return Finding(MISSING, _("not installed"), _("libvirt can make neither qcow2 disks nor snapshots of stopped machines."), fix)


def _uefi(facts: HostFacts) -> Finding:
    if facts.told.uefi is None:
        return Finding(UNKNOWN, _("libvirt does not tell"))
    if facts.told.uefi:
        return Finding(FINE, _("with Secure Boot") if facts.told.secure_boot else _("without Secure Boot"))
    arm = facts.told.arch == "aarch64"
    packages = {"debian": "qemu-efi-aarch64" if arm else "ovmf", "fedora": "edk2-aarch64" if arm else "edk2-ovmf"}
    packages |= {"suse": "qemu-uefi-aarch64" if arm else "qemu-ovmf-x86_64", "arch": "edk2-aarch64" if arm else "edk2-ovmf"}
    return Finding(WARNING, _("not installed"), _("Machines start with BIOS alone: no Windows 11, no Secure Boot."), install(facts, packages))


def _tpm(facts: HostFacts) -> Finding | None:
    if facts.told.tpm is None:
        return Finding(UNKNOWN, _("libvirt does not tell"))
    if facts.told.tpm:
        return Finding(FINE, _("available"))
    packages = {"debian": "swtpm swtpm-tools", "fedora": "swtpm swtpm-tools", "suse": "swtpm", "arch": "swtpm"}
    fix = install(facts, packages, "systemctl restart libvirtd || systemctl restart virtqemud")
    return Finding(WARNING, _("not installed"), _("Machines can have no TPM: no Windows 11, no BitLocker with one."), fix)


def _virtiofs(facts: HostFacts) -> Finding:
    means = _("Directories of the host can't be shared with machines but by the slow 9p.")
    if facts.told.virtiofs is False:
        return Finding(WARNING, _("QEMU does not know it"), means, Fix(_("Upgrade QEMU.")))
    if facts.shown is None:
        return Finding(UNKNOWN, _("QEMU knows it; whether virtiofsd is installed only the host itself tells"))
    if facts.shown.virtiofsd:
        return Finding(FINE, facts.shown.virtiofsd)
    return Finding(WARNING, _("not installed"), means, install(facts, {"debian": "virtiofsd", "fedora": "virtiofsd", "suse": "virtiofsd", "arch": "virtiofsd"}))


def _confinement(facts: HostFacts) -> Finding:
    names = {"apparmor": "AppArmor", "selinux": "SELinux"}
    if facts.told.confined_by:
        return Finding(FINE, ", ".join(names[name] for name in facts.told.confined_by if name in names))
    means = _("A guest that breaks out of QEMU reaches the disks of all other machines.")
    lines = {
        "debian": "apt install apparmor apparmor-utils\nsystemctl enable --now apparmor",
        "fedora": "sed -i 's/^SELINUX=.*/SELINUX=enforcing/' /etc/selinux/config\ntouch /.autorelabel",
        "suse": "zypper install apparmor-parser apparmor-utils\nsystemctl enable --now apparmor",
    }
    return Finding(WARNING, _("neither AppArmor nor SELinux"), means, per_family(facts, lines, words=_("Restart the host afterwards.")))


CHECKS: tuple[Check, ...] = (
    Check("virtualisation", _lazy("Hardware virtualisation"), _virtualisation),
    Check("kvm", _lazy("KVM"), _kvm),
    Check("modules", _lazy("KVM modules"), _modules),
    Check("kernel", _lazy("Kernel"), _kernel),
    Check("qemu", _lazy("QEMU"), _qemu),
    Check("libvirt", _lazy("libvirt"), _libvirt),
    Check("qemu-img", _lazy("qemu-img"), _qemu_img),
    Check("iommu", _lazy("IOMMU"), _iommu),
    Check("nested", _lazy("Nested virtualisation"), _nested),
    Check("cgroups", _lazy("cgroups"), _cgroups),
    Check("huge-pages", _lazy("Huge pages"), _huge_pages),
    Check("vhost", _lazy("vhost-net"), _vhost),
    Check("uefi", _lazy("UEFI firmware"), _uefi),
    Check("tpm", _lazy("TPM emulator"), _tpm),
    Check("virtiofs", _lazy("virtiofsd"), _virtiofs),
    Check("confinement", _lazy("Confinement"), _confinement),
    Check("clock", _lazy("Clock"), _clock),
)
BY_NAME: Mapping[str, Check] = {check.name: check for check in CHECKS}

_EMULATED = _lazy("Machines are emulated instruction by instruction: ten to fifty times slower.")
_ASK_BY_SSH = _lazy("libvirt alone does not tell")


def _load_kvm(facts: HostFacts) -> Fix:
    if facts.told.arch not in _PC:
        return Fix(_("Boot a kernel with KVM."))
    module = "kvm_amd" if facts.told.cpu_vendor == "AMD" else "kvm_intel"
    restart = "systemctl restart libvirtd || systemctl restart virtqemud"
    words = _("If it can't be loaded, virtualisation is off in the firmware.")
    return run(f"modprobe {module}", f"echo {module} > /etc/modules-load.d/kvm.conf", restart, words=words)


def _version(text: str) -> tuple[int, ...]:
    """ "6.1.0-28-amd64" → (6, 1, 0)."""
    numbers = []
    for part in text.split("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _size(size: int) -> str:
    return f"{size // 2**30} GiB" if size >= 2**30 else f"{size // 2**20} MiB"
