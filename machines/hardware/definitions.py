"""A machine's definitions as rows: the newest stored one, the one in force, and what lies between two of them."""

from __future__ import annotations

from functools import cached_property

from django.core.exceptions import ObjectDoesNotExist
from lxml import etree

from machines import history
from machines.history import Change
from machines.models import Definition, Machine
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.edit import pending
from virt.xml.edit.pending import Pending


class Definitions:
    """Of one machine, read from rows."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @cached_property
    def newest(self) -> Definition | None:
        return self.machine.definitions.order_by("-id").first()

    @property
    def digest(self) -> str:
        return self.newest.digest if self.newest else ""

    @cached_property
    def stored(self) -> etree._Element | None:
        """The tree of the stored definition, None while none is known or it can't be read."""
        try:
            return tree.parse(self.newest.xml) if self.newest else None
        except Invalid:
            return None

    @cached_property
    def live_xml(self) -> str:
        """Of the running machine, where it says something else than the stored one; else "" """
        try:
            return str(self.machine.live_definition.xml) if self.machine.is_active else ""
        except ObjectDoesNotExist:
            return ""

    @cached_property
    def live(self) -> etree._Element | None:
        """The tree in force: what differs if something does, else the stored one; None while it is off."""
        if not self.machine.is_active:
            return None
        return tree.parse(self.live_xml) if self.live_xml else self.stored

    @cached_property
    def pending(self) -> list[Pending]:
        if not self.live_xml or not self.newest:
            return []
        try:
            return pending.between(self.live_xml, self.newest.xml)
        except Invalid:
            return []

    def version(self, digest: str) -> Definition | None:
        """The newest one with this digest."""
        return self.machine.definitions.filter(digest=digest).order_by("-id").first()


def diff(old_xml: str, new_xml: str) -> list[Change]:
    """Line by line, both written the same way, so that only what differs is shown."""
    return history.diff(_even(old_xml), _even(new_xml))


def _even(xml: str) -> str:
    try:
        return tree.text_of(tree.parse(xml))
    except Invalid:
        return xml
