"""Marks of the snapshots' pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from machines.snapshots import shown
from machines.snapshots.models import Kind, Snapshot
from machines.snapshots.tree import Node

register = template.Library()

_STATES = {
    "running": lambda: _("Running"),
    "paused": lambda: _("Paused"),
    "shutoff": lambda: _("Off"),
    "shutdown": lambda: _("Shutting down"),
    "disk-snapshot": lambda: _("Running, its memory not kept"),
}


@register.simple_tag
def snapshot_node(node: Node, chosen: Snapshot | None) -> SafeString:
    """A line of the tree with what branches off there."""
    return mark_safe(render_to_string("snapshots/_node.html", {"node": node, "chosen": chosen}))


@register.filter
def kind_words(snapshot: Snapshot) -> str:
    return shown.kind_words(snapshot)


@register.filter
def where_words(kind: Kind) -> str:
    return _("in new files (external)") if kind == Kind.EXTERNAL else _("inside the disks (internal)")


@register.filter
def state_words(snapshot: Snapshot) -> str:
    word: Any = _STATES.get(snapshot.state)
    return word() if word else snapshot.state


@register.filter
def file_name(path: str) -> str:
    """The last part of a path, which is what tells files apart."""
    return str(path).rpartition("/")[2]
