"""One wish of a person about a machine's definition, and doing it to the tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree

from virt.errors import Conflict, Invalid, NotFound
from virt.xml import tree
from virt.xml.devices import Kind, Values, kind_named

Verb = Literal["add", "change", "remove"]


@dataclass(frozen=True)
class Edit:
    """`key` names the device among its kind (Kind.key_of), "" for a new one. `values`: the fields to write."""

    verb: Verb
    kind: str
    key: str = ""
    values: Values = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Edit:
        """From JSON; raises Invalid."""
        verb, values = data.get("verb"), data.get("values") or {}
        if verb not in ("add", "change", "remove") or not isinstance(values, dict):
            raise Invalid("An edit adds, changes or removes a device.")
        return cls(verb, str(data.get("kind", "")), str(data.get("key", "")), {str(name): str(value) for name, value in values.items()})

    @property
    def as_dict(self) -> dict[str, Any]:
        return {"verb": self.verb, "kind": self.kind, "key": self.key, "values": self.values}

    @property
    def described(self) -> Kind:
        return kind_named(self.kind)


def apply(root: etree._Element, edit: Edit) -> etree._Element | None:
    """Do it to the tree; the element that is new or changed, None when one was removed.

    Raises Invalid for values that make no sense, NotFound for a device that is not there, Conflict for one too many.
    """
    kind = edit.described
    problems = kind.problems(edit.values)
    if problems:
        name, words = next(iter(problems.items()))
        raise Invalid(f"{kind.field(name).title}: {words}")
    if edit.verb == "add":
        return _add(root, kind, edit)
    node = kind.find(root, edit.key)
    if node is None:
        raise NotFound(f"{kind.title} “{edit.key}” is not in the machine (any more).")
    if edit.verb == "change":
        kind.write(root, node, edit.values)
        return node
    if not kind.removable:
        raise Invalid(f"{kind.title} can't be removed.")
    tree.remove(node)
    return None


def applied(xml: str, edits: Iterable[Edit]) -> str:
    """A definition's text with the edits in it."""
    root = tree.parse(xml)
    for edit in edits:
        apply(root, edit)
    return tree.text_of(root)


def is_done(root: etree._Element, edit: Edit) -> bool:
    """Whether the tree shows what the edit wanted, whoever did it."""
    kind = edit.described
    if edit.verb == "remove":
        return kind.find(root, edit.key) is None
    values = {name: value for name, value in edit.values.items() if kind.field(name).type != "secret"}
    if edit.verb == "change":
        node = kind.find(root, key_after(edit))
        return node is not None and _shows(kind, node, values)
    return any(_shows(kind, node, {name: value for name, value in values.items() if value}) for node in kind.nodes(root))


def key_after(edit: Edit) -> str:
    """What names the device once the edit is done: its name can be among what was changed."""
    return edit.values.get(edit.described.key) or edit.key


def changed_fields(root: etree._Element, edit: Edit) -> list[str]:
    """Fields of a change whose value differs from the tree's."""
    kind = edit.described
    node = kind.find(root, edit.key)
    if node is None:
        return []
    return [name for name, value in edit.values.items() if (value if kind.field(name).type == "secret" else value != kind.field(name).read(node))]


def carry_secrets(old: etree._Element, new: etree._Element) -> None:
    """Passwords of displays, which libvirt shows nobody, go over into a text that was written without them."""
    before = old.findall("devices/graphics")
    for place, node in enumerate(new.findall("devices/graphics")):
        if node.get("passwd") is None and place < len(before) and before[place].get("type") == node.get("type"):
            for name in ("passwd", "passwdValidTo"):
                if value := before[place].get(name):
                    node.set(name, value)


def completed(edit: Edit, trees: Sequence[etree._Element]) -> Edit:
    """An addition with all that a new device needs: a free name, an address. `trees`: the stored definition first, then others to keep clear of."""
    if edit.verb != "add":
        return edit
    kind = edit.described
    values = {each.name: each.default for each in kind.fields if each.default and each.type != "secret"} | edit.values
    return Edit("add", edit.kind, "", kind.complete(trees[0], trees[1:], {name: value for name, value in values.items() if value}))


def _add(root: etree._Element, kind: Kind, edit: Edit) -> etree._Element:
    if not kind.addable or len(kind.nodes(root)) >= kind.most:
        raise Conflict(f"A machine has at most {kind.most} of this kind: {kind.title}." if kind.addable else f"{kind.title} can't be added.")
    missing = [each.title for each in kind.fields if each.required and not edit.values.get(each.name)]
    if missing:
        raise Invalid(f"{missing[0]}: This is needed.")
    if kind.key and kind.find(root, edit.values.get(kind.key, "")) is not None:
        raise Conflict(f"There is a {kind.title.lower()} {edit.values[kind.key]} already.")
    return kind.make(root, edit.values)


def _shows(kind: Kind, node: etree._Element, values: Values) -> bool:
    return all(kind.field(name).read(node) == value for name, value in values.items())
