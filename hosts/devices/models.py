"""What a host offers machines, as the watcher last saw it."""

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
