"""<tpm>: a trusted platform module, emulated by swtpm on the host."""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute

KIND = Kind(
    name="tpm",
    title="TPM",
    icon="shield",
    group="other",
    tag="tpm",
    most=1,
    name_of=lambda node: f"TPM {attribute(node.find('backend'), 'version')}".strip(),
    summary=lambda node: attribute(node.find("backend"), "type"),
    blank=(("backend/@type", "emulator"),),
    fields=(
        Field("model", "Model", "@model", "choice", (("tpm-crb", "CRB"), ("tpm-tis", "TIS")), default="tpm-crb", required=True, free=True),
        Field("version", "Version", "backend/@version", "choice", (("2.0", "2.0"), ("1.2", "1.2")), default="2.0", free=True),
    ),
)
