"""<controller>: https://libvirt.org/formatdomain.html#controllers. libvirt adds those that devices need by itself."""

from __future__ import annotations

from lxml import etree

from virt.xml.devices.kind import Field, Kind

_TYPES = (
    ("scsi", "SCSI"),
    ("usb", "USB"),
    ("virtio-serial", "virtio-serial"),
    ("sata", "SATA"),
    ("pci", "PCI"),
    ("ide", "IDE"),
    ("fdc", "Floppy"),
    ("ccid", "Smart cards"),
)
_MODELS = (
    ("", "As the hypervisor chooses"), ("virtio-scsi", "virtio-scsi"), ("lsilogic", "LSI Logic"), ("qemu-xhci", "USB 3 (xHCI)"), ("ich9-ehci1", "USB 2 (EHCI)"),
    ("piix3-uhci", "USB 1 (UHCI)"), ("pcie-root-port", "PCIe root port"), ("pcie-to-pci-bridge", "PCIe to PCI bridge"), ("none", "none"),
)  # fmt: skip


def _summary(node: etree._Element) -> str:
    return " ".join(filter(None, (node.get("model"), f"no. {node.get('index')}" if node.get("index") else "")))


KIND = Kind(
    name="controller",
    title="Controller",
    icon="cpu",
    group="other",
    tag="controller",
    name_of=lambda node: f"Controller {dict(_TYPES).get(node.get('type') or '', node.get('type') or '')}",
    summary=_summary,
    hotplug=lambda node: node.get("type") == "scsi",
    fields=(
        Field("type", "Kind", "@type", "choice", _TYPES, default="scsi", required=True, free=True),
        Field("model", "Model", "@model", "choice", _MODELS, default="virtio-scsi", free=True),
        Field("index", "Number", "@index", "number", most=255, hint="The next free one if empty", compared=False),
        Field("queues", "Queues", "driver/@queues", "number", least=1, most=256, when=("type", ("scsi",)), rare=True),
        Field("iothread", "I/O thread", "driver/@iothread", "number", least=1, most=256, when=("type", ("scsi",)), rare=True),
    ),
)
