"""What a host offers machines, and the devices it could give them, as the watcher last saw it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from hosts.models import Host


class HostCapabilities(models.Model):
    """Domain capabilities of one host: `host.offers`, missing until they were read once.

    `data` is virt.capabilities.HostOffers as a dict:

        {"arch": "x86_64", "iommu": False, "page_sizes": [4096, 2097152], "others": ["aarch64", …],
         "boards": [{"name": "q35", "canonical": "pc-q35-7.2", "max_cpus": 288}, …],
         "offers": [{"arch", "virt_type": "kvm", "board": "q35", "canonical", "emulator", "max_vcpus", "iothreads", "firmware": ["bios", "efi"],
                     "loaders": [path, …], "secure_boot", "passthrough", "maximum", "host_model": "EPYC-Rome",
                     "models": [{"name", "vendor", "usable": True | False | None, "deprecated"}, …], "memory_backing": ["file", "memfd", …],
                     "devices": {"disk": [], "disk.bus": ["virtio", …], "video.modelType": […], …}, "features": ["backup", …]}, …]}

    Offers with KVM come first: `offer()` without arguments is the best the host has.
    """

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="offers")
    data = models.JSONField(default=dict)
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural: ClassVar = "host capabilities"

    def __str__(self) -> str:
        return f"what {self.host_id} offers"

    def offer(self, *, virt_type: str = "", board: str = "") -> dict[str, Any] | None:
        """The first offer that fits; `board` by its alias ("q35") or full name ("pc-q35-7.2")."""
        for one in self.data.get("offers", []):
            if (not virt_type or one["virt_type"] == virt_type) and (not board or board in (one["board"], one["canonical"])):
                found: dict[str, Any] = one
                return found
        return None

    def values(self, name: str, *, virt_type: str = "", board: str = "") -> list[str]:
        """What the host takes for an enumeration of devices, "disk.bus" or "tpm.model"; [] when it has none or was not asked yet."""
        offer = self.offer(virt_type=virt_type, board=board)
        found: list[str] = offer["devices"].get(name, []) if offer else []
        return found


class Kind(models.TextChoices):
    """The values are those of virt.nodedev.KINDS."""

    PCI = "pci", "PCI"
    USB = "usb", "USB"
    MDEV = "mdev", "Mediated device"


class Device(models.Model):
    """One device of a host that is there now; fields as virt.nodedev.HostDevice. A row goes when its device does."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="devices")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=4, choices=Kind.choices)
    address = models.CharField(max_length=64)
    parent = models.CharField(max_length=64, blank=True)
    class_code = models.CharField(max_length=8, blank=True)
    vendor_id = models.CharField(max_length=8, blank=True)
    product_id = models.CharField(max_length=8, blank=True)
    vendor = models.CharField(max_length=255, blank=True)
    product = models.CharField(max_length=255, blank=True)
    driver = models.CharField(max_length=64, blank=True)
    bridge = models.BooleanField(default=False)
    numa_node = models.IntegerField(null=True)
    iommu_group = models.IntegerField(null=True)
    physical_function = models.CharField(max_length=64, blank=True)
    virtual_functions = models.JSONField(default=list)  # addresses
    most_functions = models.PositiveIntegerField(default=0)
    mdev_types = models.JSONField(default=list)  # [{"id", "name", "api", "available"}]
    mdev_type = models.CharField(max_length=128, blank=True)
    holds = models.JSONField(default=list)  # ["eth0", "/dev/sda"]

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "name"], name="device_identity")]

    def __str__(self) -> str:
        return self.name
