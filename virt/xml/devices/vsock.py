"""<vsock>: sockets between host and guest without a network."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field, Kind
from virt.xml.slot import At


class _Cid:
    """ "" while libvirt chooses the number."""

    def read(self, node: etree._Element) -> str:
        return "" if At("cid/@auto").read(node) == "yes" else At("cid/@address").read(node)

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node) and node.find("cid") is not None:
            return
        At("cid/@address").write(node, value)
        At("cid/@auto").write(node, "no" if value else "yes")


def _settle(root: etree._Element, node: etree._Element) -> None:
    if node.find("cid") is None:
        _Cid().write(node, "")


KIND = Kind(
    name="vsock",
    title="Vsock",
    icon="plug-connected",
    group="other",
    tag="vsock",
    most=1,
    summary=lambda node: _Cid().read(node) or "automatic",
    hotplug=lambda node: True,
    blank=(("@model", "virtio"),),
    settle=_settle,
    fields=(Field("cid", "Number (CID)", _Cid(), "number", least=3, most=2**32 - 1, hint="Empty: a free one"),),
)
