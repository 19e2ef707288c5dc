"""<panic>: tells the host that the guest's kernel panicked."""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind

KIND = Kind(
    name="panic",
    title="Panic notifier",
    icon="alert-triangle",
    group="other",
    tag="panic",
    most=3,
    summary=lambda node: node.get("model") or "",
    fields=(
        Field(
            "model",
            "Model",
            "@model",
            "choice",
            (("isa", "ISA"), ("pvpanic", "PCI (pvpanic)"), ("hyperv", "Hyper-V"), ("pseries", "pSeries"), ("s390", "s390")),
            default="isa",
            required=True,
            free=True,
        ),
    ),
)
