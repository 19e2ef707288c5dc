"""<domainCapabilities>: what one emulator offers machines of one kind. https://libvirt.org/formatdomaincaps.html"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virt.errors import Invalid
from virt.xml.parse import parse
from virt.xml.read.values import attribute, text, whole


@dataclass(frozen=True, slots=True)
class CpuModel:
    """`usable`: None where libvirt can't tell; `deprecated` by QEMU."""

    name: str
    vendor: str
    usable: bool | None
    deprecated: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What machines of one architecture, virtualisation and board can have.

    virt_type         "kvm", "qemu" (emulation)
    board             the machine type as asked for ("q35"), canonical as libvirt resolved it ("pc-q35-7.2")
    firmware          "bios", "efi" as far as libvirt chooses by itself
    loaders           firmware files of the host
    secure_boot       whether a loader can enforce it
    passthrough, maximum   CPU modes host-passthrough and maximum are to be had
    host_model        the named model nearest to the host's CPU, "" where there is none
    devices           "disk.bus" → its values, of every device and enumeration that libvirt tells; a device that is not
                      supported is missing
    features          names that are supported: "backup", "sev", "vmcoreinfo", "backingStoreInput" …
    """

    arch: str
    virt_type: str
    board: str
    canonical: str
    emulator: str
    max_vcpus: int
    iothreads: bool
    firmware: tuple[str, ...]
    loaders: tuple[str, ...]
    secure_boot: bool
    passthrough: bool
    maximum: bool
    host_model: str
    models: tuple[CpuModel, ...]
    memory_backing: tuple[str, ...]
    devices: dict[str, tuple[str, ...]]
    features: tuple[str, ...]


def read_offer(xml: str, board: str) -> Offer:
    """The value of a domain capabilities document, asked for `board`. Raises Invalid when it is none."""
    root = parse(xml)
    if root.tag != "domainCapabilities":
        raise Invalid("This does not say what machines can have.", f"<{root.tag}>")
    loader = root.find("os/loader")
    cpu = root.find("cpu")
    return Offer(
        arch=text(root, "arch"),
        virt_type=text(root, "domain"),
        board=board,
        canonical=text(root, "machine"),
        emulator=text(root, "path"),
        max_vcpus=whole(attribute(root.find("vcpu"), "max")),
        iothreads=_supported(root.find("iothreads")),
        firmware=_values(root.find("os"), "firmware"),
        loaders=tuple(text(node) for node in loader.iterfind("value")) if _supported(loader) and loader is not None else (),
        secure_boot="yes" in _values(loader, "secure"),
        passthrough=_mode(cpu, "host-passthrough"),
        maximum=_mode(cpu, "maximum"),
        host_model=text(cpu, "mode[@name='host-model']/model") if _mode(cpu, "host-model") else "",
        models=_models(cpu),
        memory_backing=_values(root.find("memoryBacking"), "sourceType"),
        devices=_devices(root.find("devices")),
        features=tuple(str(node.tag) for node in root.iterfind("features/*") if _supported(node)),
    )


def read_nested(xml: str) -> bool | None:
    """Whether machines get the processor's own virtualisation passed on, by the features of the model nearest to the host's; None where that does not tell.

    Intel's models never have it, so it is named when there; those of AMD mostly have it, so it is named when not.
    """
    model = parse(xml).find("cpu/mode[@name='host-model']")
    if not _supported(model) or model is None:
        return None
    policies = {attribute(node, "name"): attribute(node, "policy") for node in model.iterfind("feature")}
    named = next((policies[name] for name in ("vmx", "svm") if name in policies), "")
    if named:
        return named == "require"
    return {"Intel": False, "AMD": text(model, "model").startswith("EPYC") or None}.get(text(model, "vendor"))


def _supported(node: etree._Element | None) -> bool:
    return attribute(node, "supported") == "yes"


def _values(node: etree._Element | None, name: str) -> tuple[str, ...]:
    if node is None:
        return ()
    return tuple(text(value) for value in node.iterfind(f"enum[@name='{name}']/value"))


def _mode(cpu: etree._Element | None, name: str) -> bool:
    return cpu is not None and _supported(cpu.find(f"mode[@name='{name}']"))


def _models(cpu: etree._Element | None) -> tuple[CpuModel, ...]:
    if cpu is None:
        return ()
    nodes = cpu.iterfind("mode[@name='custom']/model")
    usable = {"yes": True, "no": False}
    return tuple(
        CpuModel(text(node), attribute(node, "vendor"), usable.get(attribute(node, "usable")), attribute(node, "deprecated") == "yes") for node in nodes
    )


def _devices(devices: etree._Element | None) -> dict[str, tuple[str, ...]]:
    if devices is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for device in devices:
        if _supported(device):
            found[str(device.tag)] = ()
            for node in device.iterfind("enum"):
                found[f"{device.tag}.{attribute(node, 'name')}"] = tuple(text(value) for value in node.iterfind("value"))
    return found
