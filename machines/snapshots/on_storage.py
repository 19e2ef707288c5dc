"""What snapshots rest on, for the storage pages' *used by* (hosts/storage/users.py).

Nothing else names a file that was frozen on a branch the machine is not on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.urls import reverse

from hosts.storage.users import Use
from machines.snapshots.models import Snapshot


def uses(host_ids: Collection[int]) -> Iterator[Use]:
    """Each file that a snapshot holds, its memory too."""
    rows = Snapshot.objects.filter(machine__host_id__in=host_ids, machine__gone_at=None)
    for pk, name, machine_id, machine, host_id, disks, memory_file in rows.values_list(
        "pk", "name", "machine_id", "machine__name", "machine__host_id", "disks", "memory_file"
    ).iterator():
        url = f"{reverse('snapshots:list', args=[machine_id])}?at={pk}"
        for source in [*(disk.get("held", "") for disk in disks), memory_file]:
            pool, slash, volume = source.partition("/")
            if source:
                yield Use(host_id, source, pool if slash else "", volume, "snapshot", f"{machine}/{name}", url)
