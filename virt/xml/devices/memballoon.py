"""<memballoon>: gives memory back to the host, and tells how much the guest uses."""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind
from virt.xml.slot import OnOff

KIND = Kind(
    name="memballoon",
    title="Memory balloon",
    icon="device-sd-card",
    group="other",
    tag="memballoon",
    most=1,
    removable=False,  # libvirt puts one back; "none" is how to have none
    addable=False,
    summary=lambda node: node.get("model") or "",
    fields=(
        Field("model", "Model", "@model", "choice", (("virtio", "virtio"), ("none", "none")), default="virtio", required=True, free=True),
        Field("period", "Asks the guest every (s)", "stats/@period", "number", most=3600, hint="0 or empty: never"),
        Field("deflate", "Deflates when memory runs out", OnOff("@autodeflate", "on"), "flag"),
        Field("reporting", "Gives free pages back by itself", OnOff("@freePageReporting", "on"), "flag"),
    ),
)
