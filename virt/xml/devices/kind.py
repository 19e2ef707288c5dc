"""How a kind of device is described: its fields, where they stand in the XML, and what can be done to it while the machine runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree

from virt.errors import Invalid
from virt.xml import tree
from virt.xml.slot import At, Slot

Values = dict[str, str]
Type = Literal["text", "choice", "flag", "number", "size", "lines", "source", "mac", "order", "secret"]
# How a field of a running machine is changed: by updating the device, by a call of its own, or "" only at next boot.
Live = Literal["", "update", "throttle", "vcpus", "balloon", "title", "description"]
Group = Literal["system", "storage", "network", "other"]


@dataclass(frozen=True)
class Field:
    """One value of a device.

    type       how it is asked for: "flag" is "yes" or "", "size" is bytes, "lines" one entry a line
    choices    (value, words); with `offers` the page adds what the host has: "volumes", "networks", "bridges", "cpu-models" …
    free       other values than the choices are fine too
    secret     never read, written only when given
    when       (another field, its values) with which the field makes sense; a page hides it otherwise
    rare       shown below the others, folded
    compared   False where the running machine's value says nothing about what is stored (numbers libvirt chose at start …)
    alike      (running element, stored one) → whether they mean the same although the values differ
    check      (value) → what is wrong with it, "" when nothing is
    """

    name: str
    title: str
    slot: str | Slot
    type: Type = "text"
    choices: tuple[tuple[str, str], ...] = ()
    offers: str = ""
    free: bool = False
    live: Live = ""
    hint: str = ""
    default: str = ""
    required: bool = False
    compared: bool = True
    alike: Callable[[etree._Element, etree._Element], bool] | None = None
    least: int = 0
    most: int = 2**31 - 1
    check: Callable[[str], str] | None = None
    when: tuple[str, tuple[str, ...]] | None = None
    rare: bool = False

    @property
    def place(self) -> Slot:
        return At(self.slot) if isinstance(self.slot, str) else self.slot

    def read(self, node: etree._Element) -> str:
        return "" if self.type == "secret" else self.place.read(node)

    def problem(self, value: str) -> str:
        """What is wrong with a value, for the person who typed it; "" when nothing is."""
        if not value:
            return "This is needed." if self.required else ""
        if not all(character.isprintable() or (character == "\n" and self.type in ("lines", "order")) for character in value):
            return "It has characters that can't be shown."
        if self.type == "flag" and value != "yes":
            return "It is yes or nothing."
        if self.type == "choice" and not self.free and not self.offers and value not in dict(self.choices):
            return "There is no such choice."
        if self.type in ("number", "size") and not (value.isascii() and value.isdigit() and len(value) < 20 and self.least <= int(value) <= max(self.most, 0)):
            return f"A whole number from {self.least} to {self.most}." if self.type == "number" else "A size such as 512 MiB or 8 GiB."
        if self.type == "mac" and not _MAC.fullmatch(value):
            return "A MAC address such as 52:54:00:12:ab:cd."
        if self.type == "mac" and int(value[:2], 16) & 1:
            return "This is a multicast address; the second digit must be even."
        return self.check(value) if self.check else ""


_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def _always(node: etree._Element) -> bool:
    return True


def _never(node: etree._Element) -> bool:
    return False


def _no_summary(node: etree._Element) -> str:
    return ""


def _no_change(root: etree._Element, node: etree._Element) -> None:
    """Most kinds need nothing beyond their fields."""


def _as_given(root: etree._Element, others: Iterable[etree._Element], values: Values) -> Values:
    return values


@dataclass(frozen=True)
class Kind:
    """A kind of device, or (with tag "") a side of the machine itself.

    owns       whether an element with this tag is of this kind
    most       how many of them a machine can have; removable: whether one can be taken out
    key        the field whose value names one of them, "" where only their order does
    name_of    (element, place among its kind) → what a person calls it; summary: the rest in a few words
    hotplug    whether such an element can be plugged into, or pulled out of, a running machine
    blank      what a new element has besides its fields, as attributes by path
    complete   (domain, other trees, values) → values with what a new one needs: a free name, an address
    settle     (domain, element): what must follow from the fields that were written
    """

    name: str
    title: str
    icon: str
    group: Group
    tag: str
    fields: tuple[Field, ...]
    owns: Callable[[etree._Element], bool] = _always
    most: int = 64
    removable: bool = True
    addable: bool = True
    key: str = ""
    name_of: Callable[[etree._Element], str] | None = None
    summary: Callable[[etree._Element], str] = _no_summary
    hotplug: Callable[[etree._Element], bool] = _never
    blank: tuple[tuple[str, str], ...] = ()
    complete: Callable[[etree._Element, Iterable[etree._Element], Values], Values] = _as_given
    settle: Callable[[etree._Element, etree._Element], None] = _no_change
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_device(self) -> bool:
        return bool(self.tag)

    def nodes(self, root: etree._Element) -> list[etree._Element]:
        """The elements of this kind, in order."""
        if not self.tag:
            return [root]
        found = root.find("devices")
        return [] if found is None else [node for node in found.iterfind(self.tag) if self.owns(node)]

    def keyed(self, root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
        """Each with what names it in an edit."""
        for place, node in enumerate(self.nodes(root)):
            yield self.key_of(node, place), node

    def key_of(self, node: etree._Element, place: int) -> str:
        return (self.field(self.key).read(node) if self.key else "") or str(place)

    def find(self, root: etree._Element, key: str) -> etree._Element | None:
        return next((node for known, node in self.keyed(root) if known == key), None)

    def field(self, name: str) -> Field:
        """Raises Invalid for a name that it has not."""
        for each in self.fields:
            if each.name == name:
                return each
        raise Invalid(f"{self.title} has no “{name}”.")

    def read(self, node: etree._Element) -> Values:
        return {each.name: each.read(node) for each in self.fields}

    def write(self, root: etree._Element, node: etree._Element, values: Values) -> None:
        """Write the fields that are named and differ; the rest of the element stays as it is."""
        for each in self.fields:
            if each.name not in values:
                continue
            value = values[each.name]
            if each.type == "secret" and not value:
                continue
            if value != each.read(node) or each.type == "secret":
                each.place.write(node, value)
        self.settle(root, node)

    def make(self, root: etree._Element, values: Values) -> etree._Element:
        """A new element, put beside its kind."""
        node = etree.Element(self.tag)
        for path, value in self.blank:
            At(path).write(node, value)
        parent = tree.devices(root)
        tree.insert(parent, node, _place(parent, self.tag))
        self.write(root, node, values)
        etree.indent(node, space="  ", level=2)
        return node

    def problems(self, values: Values) -> dict[str, str]:
        """Field → what is wrong with its value."""
        found = {name: self.field(name).problem(value) for name, value in values.items()}
        return {name: words for name, words in found.items() if words}

    def title_of(self, node: etree._Element) -> str:
        return self.name_of(node) if self.name_of else self.title


# As libvirt writes them, so that a new device stands where it will be found again.
_ORDER = (
    "emulator", "disk", "controller", "filesystem", "interface", "smartcard", "serial", "parallel", "console", "channel", "input", "tpm",
    "graphics", "sound", "audio", "video", "hostdev", "redirdev", "watchdog", "memballoon", "rng", "panic", "shmem", "memory", "iommu", "vsock",
)  # fmt: skip


def _place(parent: etree._Element, tag: str) -> int:
    """Behind the last one of its tag, or of those that come before it."""
    rank = _ORDER.index(tag) if tag in _ORDER else len(_ORDER)
    place = 0
    for index, node in enumerate(parent):
        if isinstance(node.tag, str) and node.tag in _ORDER and _ORDER.index(node.tag) <= rank:
            place = index + 1
    return place or len(parent)


def words_of(choices: tuple[tuple[str, str], ...], value: str) -> str:
    return dict(choices).get(value, value)
