"""A definition that somebody brings, as that of a new machine: its name and uuid are ours, all else stays."""

from __future__ import annotations

from lxml import etree

from virt.errors import Invalid
from virt.xml.build.parts import machine_name, machine_uuid
from virt.xml.parse import parse


def with_identity(xml: str, name: str, uuid: str) -> str:
    """Raises Invalid for XML that is no domain. MACs stay: two machines with one are the person's wish, or one was removed."""
    root = parse(xml)
    if root.tag != "domain":
        raise Invalid("This is not the XML of a machine.", f"<{root.tag}>")
    _set(root, "name", machine_name(name))
    _set(root, "uuid", machine_uuid(uuid))
    if "id" in root.attrib:
        del root.attrib["id"]
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _set(root: etree._Element, tag: str, text: str) -> None:
    found = root.findall(tag)
    for extra in found[1:]:
        root.remove(extra)
    node = found[0] if found else etree.Element(tag)
    node.text = text
    if not found:
        root.insert(0, node)
