"""Every kind of device that can be added, changed and removed: one file each, listed here. The next one is one more file."""

from __future__ import annotations

from lxml import etree

from virt.errors import Invalid
from virt.xml.devices import (
    boot,
    cdrom,
    channel,
    console,
    controller,
    cpu,
    disk,
    filesystem,
    floppy,
    general,
    graphics,
    input,
    memballoon,
    memory,
    nic,
    options,
    panic,
    rng,
    serial,
    sound,
    tpm,
    video,
    vsock,
    watchdog,
)  # fmt: skip
from virt.xml.devices.kind import Field as Field
from virt.xml.devices.kind import Kind as Kind
from virt.xml.devices.kind import Values as Values

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        cpu, memory, boot, options, general, disk, cdrom, floppy, filesystem, nic, graphics, video, sound, serial, console, channel, input, rng, tpm,
        watchdog, panic, vsock, memballoon, controller,
    )
}  # fmt: skip


def kind_named(name: str) -> Kind:
    """Raises Invalid for a kind that there is not."""
    try:
        return KINDS[name]
    except KeyError:
        raise Invalid(f"There is no kind of device “{name}”.") from None


def kind_of(node: etree._Element) -> Kind | None:
    """The kind of an element under <devices>; None for what only the XML editor changes."""
    return next((kind for kind in KINDS.values() if kind.tag == node.tag and kind.owns(node)), None)


def others(root: etree._Element) -> list[etree._Element]:
    """Devices of kinds that have no form: they are shown, and changed as XML."""
    found = root.find("devices")
    if found is None:
        return []
    return [node for node in found if isinstance(node.tag, str) and node.tag not in _PARTS and kind_of(node) is None]


# Not devices of their own: the emulator's path, what libvirt adds for a board, the console that repeats a serial line.
_PARTS = ("emulator", "input", "console", "audio", "hub")
