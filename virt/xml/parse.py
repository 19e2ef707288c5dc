"""The one way XML text becomes a tree here: no entities, no DTD, no network, no huge trees.

What a host sends back is data from outside: it may be hostile.
"""

from __future__ import annotations

import threading

from lxml import etree

from virt.errors import Invalid


def parse(text: str) -> etree._Element:
    """The root element. Raises Invalid for anything that is not well-formed, or brings a DTD along."""
    try:
        root = etree.fromstring(text.encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise Invalid("The XML can't be read.", str(exc)) from exc
    if root is None:
        raise Invalid("The XML is empty.")
    if root.getroottree().docinfo.internalDTD is not None:
        raise Invalid("XML with a document type is not accepted.")
    return root


def _parser() -> etree.XMLParser:
    """A parser per thread: lxml would make threads wait for one another on a shared one."""
    parser: etree.XMLParser | None = getattr(_local, "parser", None)
    if parser is None:
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        _local.parser = parser
    return parser


_local = threading.local()
