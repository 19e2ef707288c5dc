"""<filesystem>: a folder of the host, shared with the guest by virtiofs or 9p."""

from __future__ import annotations

import re

from lxml import etree

from virt.xml.devices.chardev import path_problem
from virt.xml.devices.kind import Field, Kind
from virt.xml.slot import At


def tag_problem(value: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9._/-]{1,36}", value) else "Letters, digits and . _ - /, at most 36."


def _settle(root: etree._Element, node: etree._Element) -> None:
    """virtiofs needs memory that is shared with its daemon."""
    virtiofs = At("driver/@type").read(node) == "virtiofs"
    if virtiofs and node.get("accessmode") not in (None, "passthrough"):
        node.set("accessmode", "passthrough")
    if virtiofs and root.find("memoryBacking/access") is None and root.find("cpu/numa/cell[@memAccess]") is None and root.find("devices") is not None:
        At("memoryBacking/source/@type").write(root, At("memoryBacking/source/@type").read(root) or "memfd")
        At("memoryBacking/access/@mode").write(root, "shared")


KIND = Kind(
    name="filesystem",
    title="Shared folder",
    icon="folder",
    group="storage",
    tag="filesystem",
    name_of=lambda node: f"Folder {At('target/@dir').read(node)}",
    summary=lambda node: At("source/@dir").read(node),
    hotplug=lambda node: At("driver/@type").read(node) == "virtiofs",
    blank=(("@type", "mount"), ("@accessmode", "passthrough")),
    settle=_settle,
    fields=(
        Field("driver", "Way", "driver/@type", "choice", (("virtiofs", "virtiofs"), ("path", "9p")), default="virtiofs", required=True, free=True),
        Field("source", "Folder on the host", "source/@dir", required=True, check=path_problem),
        Field("target", "Name in the guest", "target/@dir", required=True, check=tag_problem, hint="mount -t virtiofs NAME /mnt"),
        Field("readonly", "Read only", "readonly?", "flag"),
    ),
)
