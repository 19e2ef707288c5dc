"""What of an edit a running machine can take at once, step by step; the rest waits for its next boot."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from virt.xml import tree
from virt.xml.devices import Kind
from virt.xml.devices.disk import TUNABLE
from virt.xml.edit.edits import Edit
from virt.xml.edit.pending import counterpart
from virt.xml.read.values import attribute, size_bytes, text, whole

Way = Literal["attach", "detach", "update", "throttle", "vcpus", "balloon", "title", "description"]


@dataclass(frozen=True)
class Step:
    """One call to libvirt. `xml` of the device, `target` of a disk, `numbers` for throttling, `number`: vCPUs or bytes, `text`: a title."""

    way: Way
    words: str
    xml: str = field(default="", repr=False)
    target: str = ""
    numbers: tuple[tuple[str, int], ...] = ()
    number: int = 0
    text: str = ""


@dataclass(frozen=True)
class Plan:
    """`later`: titles of what takes effect at next boot."""

    steps: tuple[Step, ...] = ()
    later: tuple[str, ...] = ()


def plan(edit: Edit, live: etree._Element, stored: etree._Element, edited: etree._Element) -> Plan:
    """`stored`: the definition before the edit, `edited`: with it. None of the trees is changed."""
    kind = edit.described
    if edit.verb == "add":
        return _of_addition(kind, edit, live, edited)
    node = kind.find(stored, edit.key)
    if node is None:
        return Plan()
    running = counterpart(kind, node, live) if kind.tag else live
    if running is None:
        return Plan()  # it waits itself: the running machine has no such device
    name = kind.title_of(node)
    if edit.verb == "remove":
        if kind.hotplug(running):
            return Plan((Step("detach", f"Unplugging {name}", tree.text_of(running)),))
        return Plan((), (f"{name} goes",))
    return _of_change(kind, edit, live, running, name)


def _of_addition(kind: Kind, edit: Edit, live: etree._Element, edited: etree._Element) -> Plan:
    made = kind.nodes(edited)[-1] if not kind.key else kind.find(edited, edit.values.get(kind.key, ""))
    if made is None:
        return Plan()
    name = kind.title_of(made)
    if not kind.hotplug(made):
        return Plan((), (name,))
    twin = tree.twin(made)
    for place in twin.findall("address"):
        twin.remove(place)
    return Plan((Step("attach", f"Plugging in {name}", tree.text_of(twin)),))


def _of_change(kind: Kind, edit: Edit, live: etree._Element, running: etree._Element, name: str) -> Plan:
    steps: list[Step] = []
    later: list[str] = []
    update: dict[str, str] = {}
    for each in kind.fields:
        value = edit.values.get(each.name)
        if value is None or (value == each.read(running) if each.type != "secret" else not value):
            continue
        if each.live == "update":
            update[each.name] = value
        elif each.live == "throttle":
            pass  # all of them in one call, below
        elif step := _step_of(each.live, value, live, running):
            steps.append(step)
        else:
            later.append(f"{each.title} of {name}" if kind.tag else each.title)
    if update:
        steps.append(Step("update", f"Changing {name}", _updated(kind, live, running, update)))
    if step := _throttled(kind, edit, running, name):
        steps.append(step)
    return Plan(tuple(steps), tuple(later))


def _step_of(live: str, value: str, domain: etree._Element, running: etree._Element) -> Step | None:
    """A step of a call of its own; None when the running machine can't take it."""
    if live == "vcpus":
        vcpu = domain.find("vcpu")
        most = whole(text(vcpu), 1)
        now = whole(attribute(vcpu, "current"), most)
        # Taking CPUs out of a running machine is left to its next boot: guests refuse it, and emulated ones crash.
        return Step("vcpus", f"Plugging in vCPUs: {value} in all", number=int(value)) if now < int(value) <= most else None
    if live == "balloon":
        has_balloon = attribute(domain.find("devices/memballoon"), "model") not in ("", "none")
        fits = has_balloon and int(value) <= size_bytes(domain.find("memory"))
        return Step("balloon", "Setting the memory that it has", number=int(value)) if fits else None
    if live in ("title", "description"):
        return Step("title" if live == "title" else "description", f"Setting the {live}", text=value)
    return None


def _updated(kind: Kind, live: etree._Element, running: etree._Element, values: dict[str, str]) -> str:
    """The running device's element with the new values, all else as it is: libvirt refuses an update that changes more."""
    domain = copy.deepcopy(live)
    twin = kind.nodes(domain)[kind.nodes(live).index(running)]
    kind.write(domain, twin, values)
    return tree.text_of(twin)


def _throttled(kind: Kind, edit: Edit, running: etree._Element, name: str) -> Step | None:
    wanted = {each: edit.values[each] for each in TUNABLE if each in edit.values} if kind.name == "disk" else {}
    if not any(value != kind.field(each).read(running) for each, value in wanted.items()):
        return None
    after = {each: kind.field(each).read(running) for each in TUNABLE} | wanted
    return Step("throttle", f"Limiting {name}", target=attribute(running.find("target"), "dev"), numbers=tuple((each, whole(after[each])) for each in TUNABLE))
