"""<sound>: https://libvirt.org/formatdomain.html#sound-devices"""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind

_MODELS = (("ich9", "ICH9 (HDA)"), ("ich6", "ICH6 (HDA)"), ("ac97", "AC97"), ("usb", "USB"), ("es1370", "ES1370"), ("sb16", "Sound Blaster 16"))

KIND = Kind(
    name="sound",
    title="Sound",
    icon="bell",
    group="other",
    tag="sound",
    most=4,
    summary=lambda node: node.get("model") or "",
    fields=(Field("model", "Model", "@model", "choice", _MODELS, default="ich9", required=True, free=True),),
)
