"""<rng>: randomness for the guest."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field, Kind

_SOURCES = (("/dev/urandom", "The host's /dev/urandom"), ("/dev/random", "The host's /dev/random"), ("builtin", "QEMU's own"))


class _Backend:
    def read(self, node: etree._Element) -> str:
        backend = node.find("backend")
        if backend is None:
            return ""
        return "builtin" if backend.get("model") == "builtin" else (backend.text or "").strip() or (backend.get("model") or "")

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        backend = node.find("backend")
        backend = etree.SubElement(node, "backend") if backend is None else backend
        for child in list(backend):
            backend.remove(child)
        backend.set("model", "builtin" if value == "builtin" else "random")
        backend.text = None if value == "builtin" else value


KIND = Kind(
    name="rng",
    title="Random numbers",
    icon="refresh",
    group="other",
    tag="rng",
    most=4,
    summary=lambda node: _Backend().read(node),
    hotplug=lambda node: True,
    blank=(("@model", "virtio"),),
    fields=(
        Field("source", "From", _Backend(), "choice", _SOURCES, default="/dev/urandom", required=True, free=True),
        Field("bytes", "At most, bytes a period", "rate/@bytes", "number", least=1, rare=True),
        Field("period", "Period (ms)", "rate/@period", "number", least=1, rare=True),
    ),
)
