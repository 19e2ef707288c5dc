"""What of a definition reaches into the host, past the machine: only who manages the host may put such a thing in.

One pure function for forms, API, XML editor and worker. What is known to be harmless is listed; all else counts as privileged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from lxml import etree

from virt.xml import tree
from virt.xml.read.values import attribute, text

InPool = Callable[[str], bool]

_HARMLESS = frozenset({
    "name", "uuid", "genid", "title", "description", "metadata", "memory", "currentMemory", "maxMemory", "vcpu", "vcpus", "iothreads", "iothreadids",
    "cpu", "features", "clock", "on_poweroff", "on_reboot", "on_crash", "on_lockfailure", "pm", "os", "devices", "memoryBacking",
})  # fmt: skip
# Devices that are QEMU's own, with nothing of the host in them but what is looked at below.
_HARMLESS_DEVICES = frozenset({
    "disk", "controller", "interface", "serial", "parallel", "console", "channel", "input", "graphics", "video", "sound", "watchdog", "panic", "vsock",
    "rng", "tpm", "memballoon", "audio", "hub", "emulator",
})  # fmt: skip
_LINES = ("serial", "parallel", "console", "channel")
_HARMLESS_ENDS = frozenset({"pty", "null", "vc", "spicevmc", "spiceport", "qemu-vdagent", "dbus"})
_RANDOM = ("/dev/urandom", "/dev/random", "/dev/hwrng")
_OWN_FOLDERS = ("/var/lib/libvirt/qemu/", "/run/libvirt/qemu/", "/var/run/libvirt/qemu/", "/dev/pts/")


def touched(old: etree._Element | None, new: etree._Element, in_pool: InPool) -> list[str]:
    """What of that the new tree has and the old one had not, in words; [] when nothing. `in_pool`: whether a path is a volume of a pool."""
    before = Counter(_parts(old, in_pool)) if old is not None else Counter()
    added = Counter(_parts(new, in_pool)) - before
    formats = _changed_formats(old, new) if old is not None else ()
    return sorted({*(words for words, _ in added), *formats})


def touched_in(old_xml: str, new_xml: str, in_pool: InPool) -> list[str]:
    return touched(tree.parse(old_xml), tree.parse(new_xml), in_pool)


def _parts(root: etree._Element, in_pool: InPool) -> Iterator[tuple[str, str]]:
    """(words, what it is) for everything that is privileged."""
    if root.get("type") not in ("kvm", "qemu", "test", "hvf", None):
        yield f"Virtualisation “{root.get('type')}”", ""
    for name in root.attrib:
        if str(name).startswith("{"):
            yield "Attributes of another namespace", str(name)
    for node in root.iterchildren("{*}*"):
        if node.tag.startswith("{"):
            yield f"{etree.QName(node).localname} ({etree.QName(node).namespace})", tree.canonical(node)
        elif node.tag not in _HARMLESS:
            yield f"<{node.tag}>", tree.canonical(node)
    yield from _of_os(root)
    yield from _of_memory(root)
    for node in root.iterfind("devices/*"):
        if isinstance(node.tag, str):
            yield from _of_device(node, in_pool)


def _of_os(root: etree._Element) -> Iterator[tuple[str, str]]:
    harmless = ("type", "boot", "bootmenu", "bios", "smbios", "firmware")
    for node in root.iterfind("os/*"):
        if isinstance(node.tag, str) and node.tag not in harmless:
            what = (node.text or "").strip()
            yield f"<{node.tag}> of <os>{f': {what}' if what else ''}", tree.canonical(node)
    kind = root.find("os/type")
    if kind is not None and (kind.text or "").strip() not in ("hvm", "linux"):
        yield f"<type> of <os>: {(kind.text or '').strip()}", ""


def _of_memory(root: etree._Element) -> Iterator[tuple[str, str]]:
    source = root.find("memoryBacking/source")
    if attribute(source, "type") == "file":
        yield "Memory in a file of the host", ""
    for node in root.iterfind("memory"):
        if node.get("dumpCore"):
            yield "dumpCore of the memory", str(node.get("dumpCore"))


def _of_device(node: etree._Element, in_pool: InPool) -> Iterator[tuple[str, str]]:
    tag = str(node.tag)
    if tag not in _HARMLESS_DEVICES:
        yield _words_of(node), tree.canonical(_without_volatile(node))
        return
    if tag == "emulator":
        if (node.text or "").strip():
            yield f"Emulator {(node.text or '').strip()}", ""
        return
    looks: dict[str, Callable[[etree._Element], Iterator[tuple[str, str]]]] = {"disk": lambda node: _of_disk(node, in_pool), "interface": _of_interface}
    looks |= dict.fromkeys(_LINES, _of_line) | {"graphics": _of_graphics, "tpm": _of_tpm, "rng": _of_rng, "audio": _of_audio}
    if tag in looks:
        yield from looks[tag](node)
    for label in node.iter("seclabel"):
        yield f"Security label of a {tag}", tree.canonical(label)
    yield from _stray_paths(node, in_pool)


def _changed_formats(old: etree._Element, new: etree._Element) -> Iterator[str]:
    """A raw disk whose guest wrote a qcow2 header into it names any file of the host: who reads it as another format must manage the host."""
    before = dict(_formats(old))
    for source, kind in _formats(new):
        if before.get(source, kind) != kind:
            yield f"Another format of {source}: {kind or 'probed'}"


def _formats(root: etree._Element) -> Iterator[tuple[str, str]]:
    for node in root.iterfind("devices/disk"):
        source = node.find("source")
        if source is not None:
            yield str(source.get("file") or source.get("dev") or f"{source.get('pool')}/{source.get('volume')}"), attribute(node.find("driver"), "type")


def _of_disk(node: etree._Element, in_pool: InPool) -> Iterator[tuple[str, str]]:
    """A volume of a pool is harmless; a path outside, a block device, a share on the network, a pass-through of SCSI are not."""
    if node.find("source") is not None and not attribute(node.find("driver"), "type"):
        yield "A disk whose format would be probed", ""
    if node.get("device") == "lun":
        yield "A SCSI device of the host", _text(node.find("source"))
    if (kind := node.get("type") or "file") not in ("file", "block", "volume", "dir"):
        yield f"A disk by “{kind}”", _text(node.find("source"))
    for source in node.iter("source"):
        for name in ("file", "dev", "dir"):
            path = source.get(name)
            if path and not in_pool(path):
                yield f"A disk outside the pools: {path}", ""
        if (pool := source.get("pool")) and not in_pool(name := f"{pool}/{source.get('volume')}"):
            yield f"A volume that is not known: {name}", ""
        for child in source:
            if isinstance(child.tag, str) and child.tag in ("reservations", "encryption", "auth", "cookies", "initiator", "privateData", "slices"):
                yield f"<{child.tag}> of a disk", tree.canonical(child)
    for child in node:
        if isinstance(child.tag, str) and child.tag in ("auth", "encryption", "mirror", "vendor-data"):
            yield f"<{child.tag}> of a disk", tree.canonical(child)


def _of_interface(node: etree._Element) -> Iterator[tuple[str, str]]:
    kind = node.get("type") or ""
    source = node.find("source")
    if kind in ("network", "user") and node.find("backend[@type='passt']") is None:
        pass
    elif kind == "bridge":
        yield f"A bridge of the host: {attribute(source, 'bridge')}", ""
    else:
        where = attribute(source, "dev") or attribute(source, "path") or ""
        yield f"A network card by “{kind}”{f': {where}' if where else ''}", _text(source)
    for name in ("script", "downscript", "actual"):
        if (found := node.find(name)) is not None:
            yield f"<{name}> of a network card", tree.canonical(found)
    if node.get("trustGuestRxFilters") == "yes" or node.find("port[@isolated]") is not None:
        yield "What a network card is trusted with", ""


def _of_line(node: etree._Element) -> Iterator[tuple[str, str]]:
    """A line that ends in a file, device or socket of the host. A socket in libvirt's own folder is libvirt's."""
    kind, source = node.get("type") or "", node.find("source")
    path = attribute(source, "path")
    if kind in _HARMLESS_ENDS or (kind == "unix" and (not path or path.startswith(_OWN_FOLDERS))):
        pass
    else:
        yield f"A line to the host by “{kind}”{f': {path}' if path else ''}", "".join(tree.canonical(each) for each in node.iterfind("source"))
    if (log := node.find("log")) is not None:
        yield f"A log of a line: {attribute(log, 'file')}", ""


def _of_graphics(node: etree._Element) -> Iterator[tuple[str, str]]:
    kind = node.get("type") or ""
    if kind not in ("vnc", "spice"):
        yield f"A display by “{kind}”", tree.canonical(node)
        return
    addresses = {node.get("listen") or "", *(listen.get("address") or "" for listen in node.iterfind("listen"))}
    for address in sorted(addresses - {"", "127.0.0.1", "::1", "localhost"}):
        yield f"A display that listens on {address}", ""
    for listen in node.iterfind("listen"):
        if listen.get("type") == "network":
            yield f"A display that listens on the network {listen.get('network')}", ""
    if (node.find("gl") is not None and attribute(node.find("gl"), "rendernode")) or node.get("websocket") not in (None, "-1"):
        yield "A display with a device or a port of the host", ""


def _of_tpm(node: etree._Element) -> Iterator[tuple[str, str]]:
    backend = node.find("backend")
    if attribute(backend, "type") != "emulator":
        yield f"A TPM by “{attribute(backend, 'type')}”", tree.canonical(node)


def _of_rng(node: etree._Element) -> Iterator[tuple[str, str]]:
    backend = node.find("backend")
    model, source = attribute(backend, "model"), text(backend)
    if model != "builtin" and not (model == "random" and source in ("", *_RANDOM)):
        yield "Random numbers from elsewhere on the host", _text(backend)


def _of_audio(node: etree._Element) -> Iterator[tuple[str, str]]:
    if node.get("type") not in ("none", "spice", None):
        yield f"Sound by “{node.get('type')}”", tree.canonical(node)


def _stray_paths(node: etree._Element, in_pool: InPool) -> Iterator[tuple[str, str]]:
    """Any other path: an attribute that a later libvirt knows and we do not must not be a way around."""
    for each in node.iter():
        if not isinstance(each.tag, str) or each.tag in ("listen", "serial"):
            continue
        values = [str(value) for value in each.attrib.values()]
        values += [each.text.strip()] if each.text and each.text.strip() else []
        for value in values:
            if value.startswith("/") and not value.startswith(_OWN_FOLDERS) and value not in _RANDOM and not in_pool(value):
                yield f"A path of the host: {value}", ""


def _text(node: etree._Element | None) -> str:
    return "" if node is None else tree.canonical(node)


def _words_of(node: etree._Element) -> str:
    names = {
        "hostdev": "A device of the host",
        "filesystem": "A folder of the host",
        "redirdev": "A redirected USB device",
        "smartcard": "A smart card of the host",
    }
    where = attribute(node.find("source"), "dir") or node.get("type") or ""
    return f"{names.get(str(node.tag), f'<{node.tag}>')}{f': {where}' if where else ''}"


def _without_volatile(node: etree._Element) -> etree._Element:
    """Without what libvirt gives each device a place by, so that it stays the same thing in a new order."""
    twin = tree.twin(node)
    for name in ("alias", "address"):
        for found in twin.findall(name):
            twin.remove(found)
    return twin
