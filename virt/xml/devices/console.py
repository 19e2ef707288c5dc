"""<console>: a paravirtual console; the one that repeats the first serial line is shown with that."""

from __future__ import annotations

from virt.xml.devices.chardev import ends
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute

KIND = Kind(
    name="console",
    title="Console",
    icon="terminal-2",
    group="other",
    tag="console",
    owns=lambda node: attribute(node.find("target"), "type") not in ("serial", ""),
    most=8,
    name_of=lambda node: f"Console {attribute(node.find('target'), 'type')}",
    summary=lambda node: node.get("type") or "",
    fields=(
        *ends((("pty", "WebVirt's console (pty)"), ("file", "File on the host"), ("null", "Nowhere"))),
        Field("target", "Kind", "target/@type", "choice", (("virtio", "virtio"),), default="virtio", required=True, free=True),
    ),
)
