"""Devices of a host by the API: what the page tells."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from accounts.api import person
from hosts import access
from hosts.devices.listing import Devices, Query, Row
from jobs.api import Id

router = Router()


class UseOut(Schema):
    name: str
    active: bool = Field(description="the machine runs")


class DeviceOut(Schema):
    name: str = Field(description="libvirt's: pci_0000_41_00_2")
    kind: str = Field(description="pci, usb or mdev")
    address: str = Field(description="0000:41:00.2, bus and device 001:004, or a mediated device's uuid")
    parent: str
    class_code: str
    vendor_id: str
    product_id: str
    vendor: str
    product: str
    driver: str
    bridge: bool
    numa_node: int | None
    iommu_group: int | None
    physical_function: str
    virtual_functions: list[str]
    most_functions: int
    mdev_types: list[dict[str, Any]]
    mdev_type: str
    holds: list[str] = Field(description="interfaces and disks that the host has of it")
    used_by: list[UseOut]
    verdict: str = Field(description="free, used, careful or never")
    why: str

    @staticmethod
    def of(row: Row) -> DeviceOut:
        plain = {name: getattr(row.device, name) for name in _PLAIN}
        uses = [UseOut(name=use.name, active=use.active) for use in row.uses]
        return DeviceOut(used_by=uses, verdict=row.verdict.state, why=row.verdict.words, **plain)


_PLAIN = (
    "name", "kind", "address", "parent", "class_code", "vendor_id", "product_id", "vendor", "product", "driver", "bridge", "numa_node", "iommu_group",
    "physical_function", "virtual_functions", "most_functions", "mdev_types", "mdev_type", "holds",
)  # fmt: skip


@router.get("/{host_id}/devices", response=list[DeviceOut], summary="Its devices, and who uses them")
def list_devices(request: HttpRequest, host_id: Id) -> list[DeviceOut]:
    return [DeviceOut.of(row) for row in Devices(access.get(person(request), host_id), Query(all=True)).everything]
