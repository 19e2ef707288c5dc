"""What the running machine's definition and the stored one say differently: it takes effect at next boot.

Compared are the fields of every kind, and which devices there are; not what libvirt fills in when a machine starts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from virt.xml import tree
from virt.xml.devices import KINDS, Kind, others


@dataclass(frozen=True)
class Pending:
    """One difference. `field` is "" where a whole device comes ("add") or goes ("remove") at next boot.

    kind, key   as in an edit of the stored definition; for one that goes, of the running one
    """

    kind: str
    key: str
    device: str
    verb: str
    field: str = ""
    title: str = ""
    live: str = ""
    stored: str = ""


def between(live_xml: str, stored_xml: str) -> list[Pending]:
    """Every difference. Raises Invalid for what is no machine's XML."""
    if _plainly_same(live_xml, stored_xml):
        return []
    live, stored = tree.parse(live_xml), tree.parse(stored_xml)
    found: list[Pending] = []
    for kind in KINDS.values():
        found += _of_system(kind, live, stored) if not kind.tag else _of_devices(kind, live, stored)
    return found + _of_others(live, stored)


def counterparts(kind: Kind, one: etree._Element, other: etree._Element) -> list[tuple[etree._Element | None, etree._Element | None]]:
    """Elements of a kind in two definitions of the same machine, paired; None where one has it alone.

    By their name; else by their place on the board; else by what they say; else by their order.
    """
    pairs: list[tuple[etree._Element | None, etree._Element | None]] = []
    left, right = kind.nodes(one), kind.nodes(other)
    for same in (_identity(kind), _address, _values(kind), lambda node: "x"):
        for node in list(left):
            mark = same(node)
            twin = next((each for each in right if mark and same(each) == mark), None)
            if twin is not None and (mark != "x" or not kind.key):
                pairs.append((node, twin))
                left.remove(node)
                right.remove(twin)
    return [*pairs, *((node, None) for node in left), *((None, node) for node in right)]


def counterpart(kind: Kind, node: etree._Element, other: etree._Element) -> etree._Element | None:
    """The element in the other definition that is the same device."""
    root = node.getroottree().getroot()
    return next((twin for mine, twin in counterparts(kind, root, other) if mine is node), None)


def differing(kind: Kind, live: etree._Element, stored: etree._Element) -> list[tuple[str, str, str, str]]:
    """(field, its title, running, stored) of one device."""
    found = []
    for each in kind.fields:
        if each.compared and each.type != "secret":
            running, saved = each.read(live), each.read(stored)
            if running != saved and not (each.alike and each.alike(live, stored)):
                found.append((each.name, each.title, running, saved))
    return found


def _plainly_same(live_xml: str, stored_xml: str) -> bool:
    """A look at the lines alone, sixty times as quick as reading both: most machines run with what is stored."""
    more = Counter(_lines(live_xml))
    more.subtract(_lines(stored_xml))
    return all(count == 0 or (count > 0 and _FILLED_IN.match(line)) for line, count in more.items())


def _lines(xml: str) -> list[str]:
    """Opening tags and texts, without what libvirt chooses when a machine starts; an element that holds something now looks like one that did not."""
    lines = (line.strip() for line in _NETWORKS_BRIDGE.sub(r"\1", _CHOSEN.sub("", xml)).splitlines())
    return [line.replace("/>", ">") for line in lines if line and not line.startswith(("</", *_NOT_COMPARED))]


# Within lines: numbers, paths and states of a running machine.
_CHOSEN = re.compile(
    r" (?:id|index|tty|portid|state|port|tlsPort|socket)='(?:-?[0-9]+|/dev/pts/[0-9]+|[0-9a-f-]{36}|(?:dis)?connected|/(?:var/lib|run)/libvirt/qemu/[^']*)'"
)
_NETWORKS_BRIDGE = re.compile(r"(<source network='[^']*'[^>]*?) bridge='[^']*'")
# Lines of their own.
_FILLED_IN = re.compile(
    r"<(?:alias|seclabel|label|imagelabel|baselabel|resource|partition|backingStore|privateData)\b"
    r"|<target dev='(?:vnet|macvtap)|<source (?:mode='bind' )?path='/(?:dev/pts|var/lib/libvirt/qemu|run/libvirt/qemu)/"
)
# The CPU's model is spelled out at the start: no field of ours compares it.
_NOT_COMPARED = ("<cpu mode=", "<model fallback=", "<vendor>", "<feature policy=")


def _of_system(kind: Kind, live: etree._Element, stored: etree._Element) -> list[Pending]:
    return [Pending(kind.name, "0", kind.title, "change", *each) for each in differing(kind, live, stored)]


def _of_devices(kind: Kind, live: etree._Element, stored: etree._Element) -> list[Pending]:
    keys = {node: key for root in (live, stored) for key, node in kind.keyed(root)}
    found = []
    for running, saved in counterparts(kind, live, stored):
        node = saved if saved is not None else running
        assert node is not None
        device = kind.title_of(node)
        if running is None:
            if kind.name != "controller" or node.get("type") in ("scsi", "usb", "virtio-serial"):  # others are the board's, made for new devices
                found.append(Pending(kind.name, keys[node], device, "add"))
        elif saved is None:
            if kind.removable and kind.name != "controller":
                found.append(Pending(kind.name, keys[node], device, "remove"))
        else:
            found += [Pending(kind.name, keys[node], device, "change", *each) for each in differing(kind, running, saved)]
    return found


def _of_others(live: etree._Element, stored: etree._Element) -> list[Pending]:
    """Devices without a form: counted by what they are."""
    running, saved = (Counter(str(node.tag) for node in others(root)) for root in (live, stored))
    found = []
    for tag in sorted({*running, *saved}):
        if running[tag] != saved[tag]:
            found.append(Pending("", tag, tag, "add" if saved[tag] > running[tag] else "remove"))
    return found


def _identity(kind: Kind) -> Callable[[etree._Element], str]:
    return lambda node: kind.field(kind.key).read(node) if kind.key else ""


def _address(node: etree._Element) -> str:
    found = node.find("address")
    return "" if found is None else tree.canonical(found)


def _values(kind: Kind) -> Callable[[etree._Element], str]:
    return lambda node: repr([each.read(node) for each in kind.fields if each.compared])
