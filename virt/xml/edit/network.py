"""One wish about a network's definition, doing it to the tree, and what of it the running network takes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree

from virt.errors import Invalid, NotFound
from virt.xml import tree
from virt.xml.networks import MODES, Mode, Values, mode_named, part_named
from virt.xml.networks.parts import SectionName, sections
from virt.xml.read.network import family_of, mode_of, prefix_of
from virt.xml.read.values import attribute

Verb = Literal["set", "add", "change", "remove"]


@dataclass(frozen=True)
class Edit:
    """`set`: fields of the mode `what`. Else `what` names a part (virt.xml.networks.parts), `place` one of them; `was`: what it was, to be told by later."""

    verb: Verb
    what: str
    place: int = -1
    values: Values = field(default_factory=dict)
    was: Values = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Edit:
        """From JSON; raises Invalid."""
        verb, values, was = data.get("verb"), data.get("values") or {}, data.get("was") or {}
        if verb not in ("set", "add", "change", "remove") or not isinstance(values, dict) or not isinstance(was, dict):
            raise Invalid("An edit sets fields of a network, or adds, changes or removes a part of it.")
        return cls(verb, str(data.get("what", "")), int(data.get("place", -1)), _texts(values), _texts(was))

    @property
    def as_dict(self) -> dict[str, Any]:
        return {"verb": self.verb, "what": self.what, "place": self.place, "values": self.values, "was": self.was}


# ── doing it ──


def problems(root: etree._Element, edit: Edit) -> dict[str, str]:
    """Field → what is wrong with it in that network; {} when nothing is. Raises Invalid for a mode, part or field that there is not."""
    if edit.verb == "set":
        mode = mode_named(edit.what)
        if words := mode_problem(root, mode):
            return {"mode": words}
        known = mode.read(root) if mode_of(root) == mode.name else {name: value for name, value in read(root).items() if name in _names(mode)}
        return mode.problems({**known, **edit.values}) or _left_outside(root, mode, edit)
    if edit.verb == "remove":
        return {}
    part = part_named(edit.what)
    return part.problems(root, edit.values, _one(root, edit) if edit.verb == "change" else None)


def apply(root: etree._Element, edit: Edit) -> None:
    """Do it to the tree. Raises Invalid for values that make no sense, NotFound for a part that is not there."""
    found = problems(root, edit)
    if found:
        name, words = next(iter(found.items()))
        raise Invalid(f"{_title(edit, name)}: {words}")
    if edit.verb == "set":
        mode = mode_named(edit.what)
        if mode_of(root) != mode.name:
            mode.enter(root)
        mode.write(root, edit.values)
        return
    part = part_named(edit.what)
    if edit.verb == "add":
        part.make(root, edit.values)
    elif edit.verb == "change":
        part.write(_one(root, edit), edit.values)
    else:
        part.remove(_one(root, edit))


def applied(xml: str, edits: Iterable[Edit]) -> str:
    """A definition's text with the edits in it."""
    root = tree.parse(xml, "network")
    for edit in edits:
        apply(root, edit)
    return tree.text_of(root)


def new(name: str, uuid: str, mode: Mode, values: Values) -> str:
    """The XML of a network that is to be. Raises Invalid."""
    root = etree.Element("network")
    root.text = "\n"
    for tag, value in (("name", name), ("uuid", uuid)):
        tree.append(root, tag).text = value
    if found := mode.problems(values):
        field_name, words = next(iter(found.items()))
        raise Invalid(f"{mode.field(field_name).title}: {words}")
    mode.enter(root)
    mode.write(root, values)
    return tree.text_of(root)


def is_done(root: etree._Element, edit: Edit) -> bool:
    """Whether the tree shows what the edit wanted, whoever did it."""
    if edit.verb == "set":
        mode = mode_named(edit.what)
        return mode_of(root) == mode.name and all(mode.field(name).read(root) == value for name, value in edit.values.items())
    part = part_named(edit.what)
    shown = [part.read(node) for node in part.nodes(root)]
    wanted = {**edit.was, **edit.values} if edit.verb != "remove" else edit.was
    is_there = any(all(values.get(name, "") == value for name, value in wanted.items()) for values in shown)
    return is_there != (edit.verb == "remove")


def mode_problem(root: etree._Element, mode: Mode) -> str:
    """Modes with a bridge of libvirt's can be changed into one another; of the others each is a network of its own."""
    now = mode_of(root)
    if now == mode.name or (mode.own and now in _OWN):
        return ""
    return f"A network that is {now} can't become {mode.title}. Make another one."


_OWN = ("nat", "route", "open", "isolated")


def _left_outside(root: etree._Element, mode: Mode, edit: Edit) -> dict[str, str]:
    """Fixed addresses that would be in none of the network's addresses any more: they are the person's to remove, not ours."""
    if not mode.own or not {"address4", "address6"} & edit.values.keys():
        return {}
    after = tree.twin(root)
    mode.write(after, {name: value for name, value in edit.values.items() if name.startswith("address")})
    kept = {attribute(node, "ip") for node in after.iterfind("ip/dhcp/host")}
    for family in (4, 6):
        name = f"address{family}"
        if edit.values.get(name, mode.field(name).read(root)) == mode.field(name).read(root):
            continue
        held = part_named("fixed")
        lost = [attribute(node, "ip") for node in root.iterfind("ip/dhcp/host") if attribute(node, "ip") not in kept]
        lost += [held.read(node)["ip"] for node in after.iterfind("ip/dhcp/host") if "ip" in held.problems(after, {}, node)]
        if lost:
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            return {name: f"The fixed address {lost[0]}{more} would be outside. Remove it first."}
    return {}


# ── what the running network takes ──


@dataclass(frozen=True)
class Update:
    """One call of virNetworkUpdate. `parent`: which <ip> it is in, -1 where that does not matter."""

    command: Literal["add", "modify", "delete"]
    section: SectionName
    parent: int
    xml: str

    @property
    def words(self) -> str:
        return f"{_VERBS[self.command]} {_SECTIONS[self.section]}"


@dataclass(frozen=True)
class Plan:
    """`updates` at once, in order; `later`: what takes effect when the network is started again, in words."""

    updates: tuple[Update, ...] = ()
    later: tuple[str, ...] = ()


def plan(live: etree._Element, before: etree._Element, after: etree._Element) -> Plan:
    """`live`: what runs; `before`, `after`: the stored definition without and with the edits. None of them is changed.

    Where an edit touched a section, the running one is brought to what is stored then, also past what waited from earlier.
    """
    updates: list[Update] = []
    later: list[str] = []
    for section, words in _SECTIONS.items():
        if _texts_of(before, section) == _texts_of(after, section):
            continue
        if section == "forward-interface" and mode_of(after) != "macvtap":
            continue  # libvirt takes it, and leaves its firewall as it was: told among the fields below
        if section.startswith("dns-") and attribute(live.find("dns"), "enable") == "no":
            later.append(words)
        elif section.startswith("ip-"):
            steps, fits = _of_addresses(live, after, section)
            updates += steps
            later += [] if fits else [words]
        else:
            updates += _between(list(sections(live)[section]), list(sections(after)[section]), section, -1)
    return Plan(tuple(updates), (*_waiting(before, after), *later))


def pending(live: etree._Element, stored: etree._Element) -> list[str]:
    """What the running network does not have of its stored definition, in words. libvirt adds much to the running one: only what we know is compared."""
    if mode_of(live) != mode_of(stored):
        return ["Mode"]
    values = read(live)
    mode = MODES.get(mode_of(stored))
    found = [each.title for each in mode.fields if not each.live and each.read(stored) != values.get(each.name, "")] if mode else []
    found += [words for section, words in _SECTIONS.items() if section != "forward-interface" and _texts_of(live, section) != _texts_of(stored, section)]
    return list(dict.fromkeys(found))


def read(root: etree._Element) -> Values:
    """All fields of the network's own mode; {} for a mode that we don't make."""
    name = mode_of(root)
    return mode_named(name).read(root) if name in MODES else {}


def _names(mode: Mode) -> set[str]:
    return {each.name for each in mode.fields}


def _waiting(before: etree._Element, after: etree._Element) -> list[str]:
    """Fields that only a start reads."""
    mode = mode_named(mode_of(after))
    changed = ["Mode"] if mode_of(before) != mode.name else []
    known = read(before)
    return changed + [each.title for each in mode.fields if not each.live and each.read(after) != known.get(each.name, "")]


def _of_addresses(live: etree._Element, after: etree._Element, section: SectionName) -> tuple[list[Update], bool]:
    """For each address by itself; whether the running network has all of them."""
    updates: list[Update] = []
    fits = True
    homes = [(_home(node), place, node) for place, node in enumerate(live.iterfind("ip"))]
    tag = section.rpartition("-")[2]
    for wanted in after.iterfind("ip"):
        same = next(((place, node) for home, place, node in homes if home == _home(wanted)), None)
        if same is None:
            fits = False
            continue
        place, running = same
        updates += _between(running.findall(f"dhcp/{tag}"), wanted.findall(f"dhcp/{tag}"), section, place)
    return updates, fits


def _between(now: Sequence[etree._Element], wanted: Sequence[etree._Element], section: SectionName, parent: int) -> list[Update]:
    """What goes first, so that nothing new clashes with it."""
    key = _KEYS[section]
    there = {tree.canonical(node): node for node in now}
    texts = {tree.canonical(node): node for node in wanted}
    gone = [node for text, node in there.items() if text not in texts]
    fresh = [node for text, node in texts.items() if text not in there]
    modified = {key(node) for node in fresh} & {key(node) for node in gone} if section in _MODIFIED else set()
    updates = [_update("delete", section, parent, node) for node in gone if key(node) not in modified]
    return updates + [_update("modify" if key(node) in modified else "add", section, parent, node) for node in fresh]


def _update(command: Literal["add", "modify", "delete"], section: SectionName, parent: int, node: etree._Element) -> Update:
    return Update(command, section, parent, tree.text_of(tree.twin(node)).strip())


def _texts_of(root: etree._Element, section: SectionName) -> list[str]:
    """With where each stands, as the same lease in another network is another one."""
    return [f"{_home_above(node)} {tree.canonical(node)}" for node in sections(root)[section]]


def _home(ip: etree._Element) -> tuple[int, str, int]:
    return family_of(ip), attribute(ip, "address"), prefix_of(ip)


def _home_above(node: etree._Element) -> str:
    above = next((each for each in node.iterancestors("ip")), None)
    return "" if above is None else str(_home(above))


def _one(root: etree._Element, edit: Edit) -> etree._Element:
    node = part_named(edit.what).at(root, edit.place)
    if node is None:
        raise NotFound(f"{part_named(edit.what).title} number {edit.place + 1} is not in the network (any more).")
    return node


def _title(edit: Edit, name: str) -> str:
    described = mode_named(edit.what) if edit.verb == "set" else part_named(edit.what)
    return "Mode" if name == "mode" else described.field(name).title


def _texts(values: dict[Any, Any]) -> Values:
    return {str(name): str(value) for name, value in values.items()}


def _by(*names: str) -> Callable[[etree._Element], tuple[str, ...]]:
    return lambda node: tuple(attribute(node, name) for name in names)


_VERBS = {"add": "Adding to the running network:", "modify": "Changing in the running network:", "delete": "Taking out of the running network:"}
_SECTIONS: dict[SectionName, str] = {
    "ip-dhcp-range": "DHCP gives out",
    "ip-dhcp-host": "Fixed addresses",
    "dns-host": "Names",
    "dns-srv": "Services",
    "dns-txt": "Texts",
    "forward-interface": "Cards of the host",
    "portgroup": "Port groups",
}
# What libvirt knows one of them by; those that it can modify (network_conf.c: the others are "only added or deleted").
_KEYS: dict[SectionName, Callable[[etree._Element], tuple[str, ...]]] = {
    "ip-dhcp-range": _by("start", "end"),
    "ip-dhcp-host": _by("mac", "id"),
    "dns-host": _by("ip"),
    "dns-srv": _by("service", "protocol", "domain", "target"),
    "dns-txt": _by("name"),
    "forward-interface": _by("dev"),
    "portgroup": _by("name"),
}
_MODIFIED = ("ip-dhcp-host", "portgroup")
