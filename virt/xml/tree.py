"""A definition's XML as a tree that may be edited: comments and everything unknown are kept."""

from __future__ import annotations

import copy
import hashlib
import threading

from lxml import etree

from virt.errors import Invalid

_INDENT = "  "


def parse(text: str, tag: str = "domain") -> etree._Element:
    """The <domain> of a definition, or the <network>. Raises Invalid with the line for what is not well-formed, brings a DTD along, or is none."""
    try:
        root = etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError as exc:
        line = exc.lineno or 0
        raise Invalid(f"Line {line}: {exc.msg}" if line else "The XML can't be read.", str(exc)) from exc
    except ValueError as exc:
        raise Invalid("The XML can't be read.", str(exc)) from exc
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise Invalid("XML with a document type is not accepted.")
    if any(isinstance(node, etree._Entity) for node in root.iter()):
        raise Invalid("XML with entities is not accepted.")
    if root.tag != tag:
        raise Invalid(f"This is not the XML of a {'machine' if tag == 'domain' else tag}.", f"<{root.tag}>")
    return root


def fragment(text: str) -> etree._Element:
    """The element of a single device. Raises Invalid."""
    try:
        return etree.fromstring(text.encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise Invalid("The XML can't be read.", str(exc)) from exc


def text_of(node: etree._Element) -> str:
    """The text of a tree; reading and writing without an edit gives the same element for element."""
    return etree.tostring(node, encoding="unicode", with_tail=False)


def canonical(node: etree._Element) -> str:
    """The same for trees that mean the same: attributes in order, no white space between elements."""
    made = twin(node)
    for each in made.iter():
        if len(each) and not (each.text or "").strip():
            each.text = None
        if not (each.tail or "").strip():
            each.tail = None
    return etree.tostring(made, method="c14n").decode()


def twin(node: etree._Element) -> etree._Element:
    """A copy that stands alone."""
    made = copy.deepcopy(node)
    made.tail = None
    return made


def digest(xml: str) -> str:
    """As in machines.models.Definition.digest."""
    return hashlib.blake2b(xml.encode(), digest_size=16).hexdigest()


def devices(root: etree._Element) -> etree._Element:
    found = root.find("devices")
    return append(root, "devices") if found is None else found


def append(parent: etree._Element, tag: str) -> etree._Element:
    """A new last child, indented as its siblings are."""
    child = etree.Element(tag)
    insert(parent, child, len(parent))
    return child


def insert(parent: etree._Element, child: etree._Element, index: int) -> None:
    """Put a child among its siblings so that the text stays readable and nothing else in it changes."""
    depth = len(list(parent.iterancestors())) + 1
    line = "\n" + _INDENT * depth
    etree.indent(child, space=_INDENT, level=depth)
    if index == 0:
        parent.text = line if not (parent.text or "").strip() else parent.text
    if len(parent) == 0:
        child.tail = "\n" + _INDENT * (depth - 1)
    elif index >= len(parent):
        child.tail = parent[-1].tail
        parent[-1].tail = line
    else:
        child.tail = line
    parent.insert(index, child)


def remove(child: etree._Element) -> None:
    """Take a child out; the text around it closes up."""
    parent, before = child.getparent(), child.getprevious()
    if parent is None:
        return
    if child.getnext() is None and before is not None:
        before.tail = child.tail
    if len(parent) == 1 and not (parent.text or "").strip():
        parent.text = None
    parent.remove(child)


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_local, "parser", None)
    if parser is None:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False)
        _local.parser = parser
    return parser


_local = threading.local()
