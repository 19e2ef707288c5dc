"""Reading libvirt's XML into frozen values: one element, one file, each with `read_<element>(node)`.

Readers take what is there: an element or attribute that is missing, or that a newer libvirt writes differently, gives
the field's empty value, never an exception.
"""

from __future__ import annotations

from virt.xml.read.domain import Definition as Definition
from virt.xml.read.domain import read_definition as read_definition
