"""The hosts of the side tree as HTML: a hundred of them stand on every page, so they are put together here and not by a template."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import ngettext

from hosts.tree import Node
from live.templatetags import wv

register = template.Library()

_SILENT = ("stale", "down")


@register.simple_tag
def tree_nodes(nodes: Iterable[Node]) -> SafeString:
    """A closed tree item for each host; its machines are fetched into the empty group when it is opened."""
    return mark_safe("".join(map(_item, nodes)))


@register.simple_tag
def tree_totals(nodes: Collection[Node]) -> str:
    """100 hosts, 10,214 machines."""
    hosts, machines = len(nodes), sum(node.machines for node in nodes)
    words = (
        ngettext("%(n)s host", "%(n)s hosts", hosts) % {"n": wv.count(hosts)},
        ngettext("%(n)s machine", "%(n)s machines", machines) % {"n": wv.count(machines)},
    )
    return ", ".join(words)


def _item(node: Node) -> str:
    pk, silent = node.pk, " is-stale" if node.health in _SILENT else ""
    twist = f'<span class="wv-twist" data-twist>{wv.icon("chevron-right")}</span>'
    link = f'<a href="/hosts/{pk}/" tabindex="-1">{wv.glyph(node.health, wv.word(node.health))}<span>{escape(node.name)}</span></a>'
    number = f'<span class="n">{escape(node.note or node.machines)}</span>'
    item = f'role="treeitem" class="wv-node d-0{silent}" id="th{pk}" data-host="{pk}" aria-expanded="false" aria-owns="tg{pk}" tabindex="-1"'
    return f'\n<li role="none"><div {item}>{twist}{link}{number}</div><ul role="group" id="tg{pk}" data-keep hidden></ul></li>'
