"""What the builders of machines share: children with text, names and uuids that libvirt takes."""

from __future__ import annotations

import uuid as uuids

from lxml import etree

from virt.errors import Invalid


def child(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    made = etree.SubElement(parent, tag, attributes)
    if text:
        made.text = text
    return made


def machine_name(name: str) -> str:
    """As libvirt wants it: something, no slash, nothing that could not be shown; and short enough for a file's name."""
    if not name.strip() or name != name.strip() or name in (".", "..") or "/" in name or not name.isprintable() or len(name.encode(errors="replace")) > 200:
        raise Invalid("A machine's name is not empty, at most 200 bytes long, and has no “/” and no control character in it.")
    return name


def machine_uuid(text: str) -> str:
    try:
        return str(uuids.UUID(text))
    except ValueError as exc:
        raise Invalid("This is not a UUID.", str(exc)) from exc
