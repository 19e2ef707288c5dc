"""<memory>, <currentMemory>, <memoryBacking>"""

from __future__ import annotations

from lxml import etree

from virt.xml import tree
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import size_bytes, whole
from virt.xml.slot import At, Size

_MIB = 2**20


class _Current:
    def read(self, node: etree._Element) -> str:
        return Size("currentMemory").read(node) or Size("memory").read(node)

    def write(self, node: etree._Element, value: str) -> None:
        if value != self.read(node):
            Size("currentMemory").write(node, value)


class _Most:
    """What it has now never stays above what it can have."""

    def read(self, node: etree._Element) -> str:
        return Size("memory").read(node)

    def write(self, node: etree._Element, value: str) -> None:
        before = self.read(node)
        if value == before:
            return
        Size("memory").write(node, value)
        current = node.find("currentMemory")
        if current is not None and (str(size_bytes(current)) == before or size_bytes(current) > int(value)):
            Size("currentMemory").write(node, value)


class _Huge:
    """Huge pages for the whole memory: "" none, "default", or a page's size in KiB."""

    def read(self, node: etree._Element) -> str:
        pages = node.find("memoryBacking/hugepages")
        if pages is None:
            return ""
        page = pages.find("page")
        if page is None:
            return "default"
        return str(size_bytes_of(page) // 1024)

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        At("memoryBacking/hugepages?").write(node, "")
        if not value:
            return
        At("memoryBacking/hugepages?").write(node, "yes")
        if value != "default":
            pages = node.find("memoryBacking/hugepages")
            assert pages is not None
            page = tree.append(pages, "page")
            page.set("size", value)
            page.set("unit", "KiB")


def size_bytes_of(page: etree._Element) -> int:
    twin = etree.Element("size", {"unit": page.get("unit") or "KiB"})
    twin.text = page.get("size")
    return size_bytes(twin)


def _summary(node: etree._Element) -> str:
    size = whole(Size("memory").read(node))
    current = whole(_Current().read(node))
    words = _words(size) if current == size else f"{_words(current)} of {_words(size)}"
    return words + (", huge pages" if _Huge().read(node) else "")


def _words(size: int) -> str:
    gib = size / 2**30
    return f"{gib:.4g} GiB" if gib >= 1 else f"{size // _MIB} MiB"


def whole_problem(values: dict[str, str]) -> str:
    most, current = whole(values.get("memory", "")), whole(values.get("current", ""))
    return "What it has now can't be more than what it can have." if most and current > most else ""


KIND = Kind(
    name="memory",
    title="Memory",
    icon="device-sd-card",
    group="system",
    tag="",
    most=1,
    removable=False,
    addable=False,
    summary=_summary,
    extra={"whole": whole_problem},
    fields=(
        Field("memory", "Memory, at most", _Most(), "size", least=_MIB, most=2**50, required=True),
        Field(
            "current",
            "Memory now",
            _Current(),
            "size",
            least=_MIB,
            most=2**50,
            live="balloon",
            compared=False,
            hint="Less than at most: the balloon takes the rest",
        ),
        Field("huge", "Huge pages", _Huge(), "choice", (("", "No"), ("default", "The host's usual size"), ("2048", "2 MiB"), ("1048576", "1 GiB")), free=True),
        Field("locked", "Never swapped out", "memoryBacking/locked?", "flag", rare=True),
        Field("nosharepages", "Not merged with other machines' (KSM)", "memoryBacking/nosharepages?", "flag", rare=True),
    ),
)
