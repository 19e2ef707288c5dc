"""Clock, features, and what happens when the guest stops, reboots or crashes."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field, Kind
from virt.xml.slot import At, OnOff

_CLOCKS = (("utc", "UTC"), ("localtime", "The host's local time (Windows)"), ("timezone", "A time zone"), ("variable", "Kept by the guest"))
_STOP = (
    ("", "As usual"),
    ("destroy", "Stop"),
    ("restart", "Start again"),
    ("preserve", "Keep it as it is"),
    ("rename-restart", "Start again under another name"),
)
_CRASH = (*_STOP, ("coredump-destroy", "Dump its memory, then stop"), ("coredump-restart", "Dump its memory, then start again"))


def _feature(name: str, title: str) -> Field:
    return Field(name, title, f"features/{name}?", "flag")


class _HyperV:
    """The set that Windows guests run better with; other enlightenments are left as they are."""

    _USUAL = ("relaxed", "vapic", "spinlocks")

    def read(self, node: etree._Element) -> str:
        return "yes" if all(At(f"features/hyperv/{name}/@state").read(node) == "on" for name in self._USUAL) else ""

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        for name in self._USUAL:
            At(f"features/hyperv/{name}/@state").write(node, "on" if value else "off")
        if value:
            At("features/hyperv/spinlocks/@retries").write(node, At("features/hyperv/spinlocks/@retries").read(node) or "8191")


def _summary(node: etree._Element) -> str:
    return f"clock {At('clock/@offset').read(node) or 'utc'}"


KIND = Kind(
    name="options",
    title="Clock and features",
    icon="clock",
    group="system",
    tag="",
    most=1,
    removable=False,
    addable=False,
    summary=_summary,
    fields=(
        Field("clock", "Clock", "clock/@offset", "choice", _CLOCKS, default="utc", free=True),
        Field("timezone", "Time zone", "clock/@timezone", when=("clock", ("timezone",)), hint="Such as Europe/Berlin"),
        _feature("acpi", "ACPI (power button)"),
        _feature("apic", "APIC"),
        _feature("pae", "PAE"),
        Field("smm", "SMM (needed by Secure Boot)", OnOff("features/smm/@state", "on"), "flag", compared=False),
        Field("hyperv", "For Windows (Hyper-V enlightenments)", _HyperV(), "flag"),
        Field("kvm_hidden", "Hide KVM from the guest", OnOff("features/kvm/hidden/@state", "on"), "flag", rare=True),
        Field("vmport", "VMware port", OnOff("features/vmport/@state", "on", "off"), "flag", rare=True),
        Field("on_poweroff", "When the guest shuts down", "on_poweroff", "choice", _STOP),
        Field("on_reboot", "When it reboots", "on_reboot", "choice", _STOP),
        Field("on_crash", "When it crashes", "on_crash", "choice", _CRASH),
        Field("sleep", "May suspend to memory", "pm/suspend-to-mem/@enabled", "choice", (("", "As usual"), ("yes", "Yes"), ("no", "No")), rare=True),
        Field("hibernate", "May suspend to disk", "pm/suspend-to-disk/@enabled", "choice", (("", "As usual"), ("yes", "Yes"), ("no", "No")), rare=True),
    ),
)
