"""What a person may ask of a machine's hardware: first a proposal, to be looked at, then the job. None reaches a hypervisor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db import transaction
from lxml import etree

from accounts import audit
from accounts.models import User
from jobs import secrets
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from live import facts
from machines.hardware import access
from machines.hardware.definitions import Definitions, diff
from machines.hardware.offers import Offers
from machines.history import Change
from machines.models import Machine, Tag
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices import kind_named
from virt.xml.edit import edits as editing
from virt.xml.edit import privileged
from virt.xml.edit.edits import Edit
from virt.xml.edit.plan import Plan, plan

MOST_TAGS = 20
_HIDDEN = "••••••"


class Stale(Refused):
    """The definition is not the one that the edit was based on. `theirs`: what changed meanwhile."""

    def __init__(self, words: str, theirs: list[Change]) -> None:
        super().__init__(words)
        self.theirs = theirs


@dataclass(frozen=True)
class Proposal:
    """What would be done: shown before it is asked for.

    changes      lines of the definition that differ; words: the same for a history
    plans        what the running machine takes at once, and what waits for its next boot
    needs_host   why the role manager on the host is needed, [] when it is not
    warnings     what a person should know first
    """

    machine: Machine
    based_on: str
    changes: list[Change]
    words: list[str]
    plans: list[Plan] = field(default_factory=list)
    needs_host: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: str = ""
    edits: list[Edit] = field(default_factory=list)
    xml: str = ""

    @property
    def at_once(self) -> int:
        return sum(len(each.steps) for each in self.plans)

    @property
    def later(self) -> int:
        return sum(len(each.later) for each in self.plans)

    @property
    def is_empty(self) -> bool:
        return not self.changes and not any(each.kind == "graphics" and each.values.get("password") for each in self.edits)


class Editor:
    """One person at one machine's definition."""

    def __init__(self, user: User, machine: Machine) -> None:
        self._user = user
        self.machine = machine
        self.definitions = Definitions(machine)
        self.offers = Offers(machine)

    # ── proposals ──

    def propose(self, wishes: Sequence[Edit]) -> Proposal:
        """Raises virt.errors for what makes no sense, Refused while nothing can be changed."""
        stored = self._stored
        edited = tree.twin(stored)
        live = self.definitions.live
        made, plans, words, warnings = [], [], [], []
        for wish in wishes:
            edit = editing.completed(self._resolved(edited, wish), [edited, *([live] if live is not None else [])])
            before = tree.twin(edited)
            words += _words(before, edit)
            warnings += self._warnings(before, edit)
            editing.apply(edited, _masked(edit))
            if live is not None:
                plans.append(plan(_masked(edit), live, before, edited))
            made.append(edit)
        return self._proposal(stored, edited, words, plans=plans, warnings=warnings, edits=made)

    def propose_xml(self, xml: str) -> Proposal:
        """A whole definition. Raises Invalid, with the line, for what is no machine's, or another machine's."""
        new = tree.parse(xml)
        stored = self._stored
        for name, words in (("uuid", "UUID"), ("name", "name")):
            before, after = (stored.findtext(name) or "").strip(), (new.findtext(name) or "").strip()
            if name == "uuid" and not after and before:
                tree.insert(new, _element("uuid", before), 1)
            elif before != after and (before or name == "name"):
                raise Invalid(f"The {words} of a machine can't be changed here: it is {before}.")
        if any(node.get("passwd") is not None for node in new.iterfind("devices/graphics")):
            raise Invalid("Passwords are set on the display's own form: definitions are kept and shown.")
        return self._proposal(stored, new, ["The definition, as XML"], xml=tree.text_of(new))

    def of_before(self, xml: str) -> str:
        """A definition of before as it could be stored now: under the name that the machine has now."""
        root = tree.parse(xml)
        name = root.find("name")
        if name is not None:
            name.text = self._stored.findtext("name")
        return tree.text_of(root)

    # ── asking ──

    def apply(self, wishes: Sequence[Edit], based_on: str) -> Job:
        """Raises Stale, Refused, PermissionDenied, and what `propose` raises."""
        self._refuse_stale(based_on)
        proposal = self.propose(wishes)
        self._refuse(proposal, "machines.hardware.apply")
        sealed = [self._sealed(edit) for edit in proposal.edits]
        params = {"changes": proposal.words, "based_on": based_on, "edits": [edit.as_dict for edit in sealed]}
        return jobs.submit("machines.hardware.apply", self.machine.subject, asked_by=self._user, params=params)

    def define(self, xml: str, based_on: str, *, words: str = "") -> Job:
        """Replace the whole definition."""
        self._refuse_stale(based_on)
        proposal = self.propose_xml(xml)
        self._refuse(proposal, "machines.hardware.define")
        params = {"changes": [words] if words else proposal.words, "based_on": based_on, "xml": proposal.xml}
        return jobs.submit("machines.hardware.define", self.machine.subject, asked_by=self._user, params=params)

    def grow(self, target: str, size_bytes: int) -> Job:
        """Make a disk larger."""
        self._refuse_state("machines.hardware.resize")
        return jobs.submit("machines.hardware.resize", self.machine.subject, asked_by=self._user, params={"target": target, "size_bytes": size_bytes})

    # ── steps ──

    @cached_property
    def _stored(self) -> etree._Element:
        found = self.definitions.stored
        if found is None:
            raise Refused(f"The definition of {self.machine.name} is not known yet.")
        return found

    def _proposal(
        self,
        stored: etree._Element,
        edited: etree._Element,
        words: list[str],
        *,
        plans: list[Plan] | None = None,
        warnings: list[str] | None = None,
        edits: list[Edit] | None = None,
        xml: str = "",
    ) -> Proposal:
        needs = privileged.touched(stored, edited, self.offers.in_pool) + self._used_by_others(stored, edited)
        return Proposal(
            machine=self.machine,
            based_on=self.definitions.digest,
            changes=diff(tree.text_of(stored), tree.text_of(edited)),
            words=words,
            plans=plans or [],
            needs_host=needs,
            warnings=warnings or [],
            refused=refusal(self.machine) or ("" if not needs or access.manages_host(self._user, self.machine) else _NEEDS_HOST),
            edits=edits or [],
            xml=xml,
        )

    def _used_by_others(self, stored: etree._Element, edited: etree._Element) -> list[str]:
        """Disks that other machines of the host use: whoever manages this machine does not yet manage those."""
        found = []
        for source, as_disk in sorted(_sources(edited) - _sources(stored)):
            if users := self.offers.users_of(source, as_disk=as_disk):
                found.append(f"{source} is used by {', '.join(users[:3])}{' …' if len(users) > 3 else ''}")
        return found

    def _resolved(self, tree_of: etree._Element, edit: Edit) -> Edit:
        """A volume by its path, which every part of libvirt understands, and in the format that its pool knows it by."""
        source = edit.values.get("source", "")
        if edit.kind not in ("disk", "cdrom", "floppy") or not source:
            return edit
        values = {**edit.values, "source": self.offers.path_of(source)}
        for kind, key, node in _drives(tree_of):
            if (kind, key) != (edit.kind, edit.key) and kind_named(kind).field("source").read(node) in (source, values["source"]):
                raise Invalid(f"{source} is in it already, as {key}.")
        volume = self.offers.volume(source)
        if edit.verb == "add" and edit.kind == "disk" and volume and volume.format in ("qcow2", "raw"):
            values["format"] = volume.format
        return Edit(edit.verb, edit.kind, edit.key, values)

    def _warnings(self, before: etree._Element, edit: Edit) -> list[str]:
        found = []
        kind = edit.described
        node = kind.find(before, edit.key)
        if edit.verb == "remove" and node is not None and node.find("boot[@order='1']") is not None:
            found.append("The machine boots from it.")
        if edit.verb == "remove" and edit.kind == "disk" and self.machine.is_active:
            found.append("Unmount it in the guest first: what the guest has not written yet is lost. The volume itself stays.")
        mac = edit.values.get("mac", "").lower()
        if edit.kind == "nic" and mac and edit.key != mac and Machine.objects.filter(gone_at=None, search__icontains=mac).exclude(pk=self.machine.pk).exists():
            found.append(f"Another machine has the MAC address {mac}.")
        return found

    def _sealed(self, edit: Edit) -> Edit:
        """Secrets stay out of the job's parameters."""
        kind = edit.described
        values = {name: secrets.put(value) if kind.field(name).type == "secret" and value else value for name, value in edit.values.items()}
        return Edit(edit.verb, edit.kind, edit.key, values)

    def _refuse_stale(self, based_on: str) -> None:
        if based_on == self.definitions.digest:
            return
        old, new = self.definitions.version(based_on), self.definitions.newest
        theirs = diff(old.xml, new.xml) if old and new else []
        raise Stale("Somebody changed the definition meanwhile.", theirs)

    def _refuse(self, proposal: Proposal, kind: str) -> None:
        self._refuse_state(kind)
        if proposal.needs_host and not access.manages_host(self._user, self.machine):
            audit.record(kind, self.machine.name, actor=self._user, result="refused", detail={"machine": self.machine.pk, "why": proposal.needs_host[:5]})
            raise PermissionDenied(f"{_NEEDS_HOST} {'; '.join(proposal.needs_host)}.")
        if proposal.is_empty:
            raise Refused("Nothing would change.")

    def _refuse_state(self, kind: str) -> None:
        words = refusal(self.machine)
        if words:
            audit.record(kind, self.machine.name, actor=self._user, result="refused", detail={"machine": self.machine.pk, "why": words})
            raise Refused(f"{self.machine.name}: {words}")


_NEEDS_HOST = "This reaches into the host, and needs the role manager on it:"


def refusal(machine: Machine) -> str:
    """Why its hardware can't be changed now, "" when it can."""
    if machine.gone_at:
        return "It is not on its host any more."
    if machine.is_stale:
        return f"{machine.host.name} does not answer."
    if not machine.persistent:
        return "It is transient: it has no definition that could be changed."
    return ""


def tags_problem(texts: Sequence[str]) -> str:
    """What is wrong with these words as tags, "" when nothing is."""
    good = all(re.fullmatch(r"\w[\w.:/+-]{0,39}", text) for text in texts)
    return "" if good else "A tag has letters, digits and . : / + - _ only, at most 40 of them."


def set_tags(user: User, machine: Machine, texts: Sequence[str]) -> None:
    """Exactly these tags. Ours alone: no host knows them."""
    wanted = list(dict.fromkeys(texts))
    if len(wanted) > MOST_TAGS:
        raise Refused(f"At most {MOST_TAGS} tags.")
    with transaction.atomic():
        machine.tags.exclude(text__in=wanted).delete()
        Tag.objects.bulk_create([Tag(machine=machine, text=text) for text in wanted], ignore_conflicts=True)
        audit.record("machines.tags", machine.name, actor=user, detail={"machine": machine.pk, "tags": wanted})
        facts.publish(machine.topics, "tags", host_id=machine.host_id, machine_ids=[machine.pk])


def agent_refusal(machine: Machine) -> str:
    """Why the guest can't be asked for anything now, with the fix; "" when it can."""
    if machine.gone_at or machine.is_stale:
        return refusal(machine)
    if not machine.is_active:
        return "It is off."
    if not machine.agent:
        return "It has no channel for a guest agent. Add one under Hardware; it is there at next boot."
    if machine.agent == "missing":
        return "No agent answers in the guest. Install qemu-guest-agent there, and start it."
    return ""


def set_password(user: User, machine: Machine, login: str, password: str) -> Job:
    return _by_agent(user, machine, "machines.hardware.set_password", {"user": login}, password)


def add_ssh_key(user: User, machine: Machine, login: str, key: str) -> Job:
    return _by_agent(user, machine, "machines.hardware.add_ssh_key", {"user": login}, key)


def _by_agent(user: User, machine: Machine, kind: str, params: dict[str, str], secret: str) -> Job:
    if reason := agent_refusal(machine):
        audit.record(kind, machine.name, actor=user, result="refused", detail={"machine": machine.pk, "why": reason})
        raise Refused(f"{machine.name}: {reason}")
    token = secrets.put(secret)
    try:
        return jobs.submit(kind, machine.subject, asked_by=user, params={**params, "secret": token})
    except Refused:
        secrets.drop(token)
        raise


def _masked(edit: Edit) -> Edit:
    """For showing: without what nobody may read."""
    kind = edit.described
    return Edit(
        edit.verb, edit.kind, edit.key, {name: _HIDDEN if value and kind.field(name).type == "secret" else value for name, value in edit.values.items()}
    )


def _words(before: etree._Element, edit: Edit) -> list[str]:
    """For the job and the history: "Disk vdb: Cache none → writeback"."""
    kind = edit.described
    node = kind.find(before, edit.key)
    if edit.verb == "add":
        named = edit.values.get(kind.key, "") if kind.key else ""
        return [f"{kind.title} {named}".strip() + ", new"]
    if node is None:
        return []
    if edit.verb == "remove":
        return [f"{kind.title_of(node)}, removed"]
    lines = []
    for name in editing.changed_fields(before, edit):
        each = kind.field(name)
        change = "" if each.type == "secret" else f" {_short(each.read(node))} → {_short(edit.values[name])}"
        lines.append(f"{kind.title_of(node)}: {each.title}{change}")
    return lines


def _short(value: str) -> str:
    flat = value.replace("\n", ", ") or "–"
    return flat if len(flat) <= 60 else f"{flat[:59]}…"


def _drives(root: etree._Element) -> Iterator[tuple[str, str, etree._Element]]:
    """(kind, key, element) of its disks and drives."""
    for name in ("disk", "cdrom", "floppy"):
        for key, node in kind_named(name).keyed(root):
            yield name, key, node


def _sources(root: etree._Element) -> set[tuple[str, bool]]:
    """What its drives are made of, with whether it is a disk rather than a medium."""
    return {(value, name == "disk") for name, _, node in _drives(root) if (value := kind_named(name).field("source").read(node))}


def _element(tag: str, text: str) -> etree._Element:
    made = etree.Element(tag)
    made.text = text
    return made
