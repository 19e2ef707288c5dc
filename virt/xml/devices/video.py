"""<video>: https://libvirt.org/formatdomain.html#video-devices"""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute
from virt.xml.slot import OnOff

_MODELS = (("virtio", "virtio"), ("qxl", "QXL"), ("vga", "VGA"), ("bochs", "Bochs"), ("cirrus", "Cirrus"), ("ramfb", "ramfb"), ("none", "none"))

KIND = Kind(
    name="video",
    title="Video",
    icon="device-desktop",
    group="other",
    tag="video",
    most=4,
    summary=lambda node: attribute(node.find("model"), "type"),
    fields=(
        Field("model", "Model", "model/@type", "choice", _MODELS, default="virtio", required=True, free=True),
        Field("heads", "Screens", "model/@heads", "number", least=1, most=16, rare=True),
        Field("vram", "Video memory (KiB)", "model/@vram", "number", least=1024, most=1_048_576, rare=True, compared=False),
        Field("accel3d", "3D acceleration", OnOff("model/acceleration/@accel3d", "yes"), "flag", rare=True, hint="Needs a display that draws with OpenGL"),
    ),
)
