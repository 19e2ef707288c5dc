"""How a mode of networks is described: what it asks for, and where that stands in the XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.devices.kind import Field

Values = dict[str, str]
Check = Callable[[Values], dict[str, str]]


@dataclass(frozen=True)
class Section:
    """Fields that belong together. Sections of one name are one on the page, whichever modes have it."""

    name: str
    title: str
    text: str
    fields: tuple[Field, ...]


def _nothing(values: Values) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Mode:
    """A way for a network to be.

    text       what it means for machines, in a few words
    own        libvirt makes a bridge for it, with addresses, DHCP and DNS: such modes can be changed into one another
    enter      (<network>): makes it a network of this mode; what the other mode had and this one can't have goes
    parts      names of what it can have several of (virt.xml.networks.parts)
    check      (values of all its fields) → field → what is wrong with it beside the others
    """

    name: str
    title: str
    text: str
    icon: str
    sections: tuple[Section, ...]
    enter: Callable[[etree._Element], None]
    own: bool = False
    parts: tuple[str, ...] = ()
    check: Check = _nothing

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(field for section in self.sections for field in section.fields)

    def field(self, name: str) -> Field:
        """Raises Invalid for a name that it has not."""
        for each in self.fields:
            if each.name == name:
                return each
        raise Invalid(f"A network of the mode {self.title} has no “{name}”.")

    def read(self, root: etree._Element) -> Values:
        return {each.name: each.read(root) for each in self.fields}

    def write(self, root: etree._Element, values: Values) -> None:
        """Write the fields that are named and differ; all else stays as it is."""
        for each in self.fields:
            if each.name in values and values[each.name] != each.read(root):
                each.place.write(root, values[each.name])

    def problems(self, values: Values) -> dict[str, str]:
        """Field → what is wrong with it, by itself first, then beside the others. Needed ones that are missing count."""
        full = {each.name: values.get(each.name, "") for each in self.fields}
        for name in values:
            self.field(name)
        found = {name: words for name, value in full.items() if (words := self.field(name).problem(value))}
        return found or self.check(full)
