"""What machines' disks name, for the storage pages' *used by* (hosts/storage/users.py): storage stands below and may not look up here."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.urls import reverse

from hosts.storage.users import Use
from machines.models import Machine


def uses(host_ids: Collection[int]) -> Iterator[Use]:
    """Each disk of each machine on those hosts, with the layer right below it."""
    rows = Machine.objects.filter(host_id__in=host_ids, gone_at=None).order_by("name").values_list("pk", "name", "host_id", "disks")
    for pk, name, host_id, disks in rows.iterator():
        url = reverse("machines:machine", args=[pk])
        for disk in disks:
            yield Use(host_id, disk.get("source", ""), disk.get("pool", ""), disk.get("volume", ""), "machine", name, url)
            if below := disk.get("backing_source"):
                yield Use(host_id, below, "", "", "machine", name, url)
