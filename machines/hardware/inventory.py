"""Which running machines differ from what is stored of them, as the watcher sees it; and what their guests report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from live import facts
from machines.hardware.models import GuestReport, LiveDefinition
from machines.models import Machine
from virt.errors import Invalid
from virt.guest import Report
from virt.machine import MachineSeen
from virt.xml.edit import pending

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    xml: str = field(repr=False)
    pending: int


def differing(seen: MachineSeen) -> Live | None:
    """The running definition, when it says something else than the stored one; None for a machine that is off or transient."""
    if not seen.inactive_xml:
        return None
    try:
        count = len(pending.between(seen.live_xml, seen.inactive_xml))
    except Invalid as exc:
        logger.warning("machine=%s has an XML that cannot be compared: %s", seen.uuid, exc.detail or exc)
        return None
    return Live(seen.live_xml, count) if count else None


def load(host_id: int) -> set[str]:
    """uuids of the machines of a host that have a row."""
    return set(LiveDefinition.objects.filter(machine__host_id=host_id).values_list("machine__uuid", flat=True))


def store(host_id: int, found: Mapping[str, Live | None]) -> None:
    """What was found of some machines of a host, by uuid."""
    ids = dict(Machine.objects.filter(host_id=host_id, uuid__in=found).values_list("uuid", "pk"))
    over = [ids[uuid] for uuid, live in found.items() if live is None and uuid in ids]
    LiveDefinition.objects.filter(machine_id__in=over).delete()
    now = datetime.now(UTC)
    rows = [LiveDefinition(machine_id=ids[uuid], at=now, xml=live.xml, pending=live.pending) for uuid, live in found.items() if live and uuid in ids]
    LiveDefinition.objects.bulk_create(rows, update_conflicts=True, unique_fields=["machine"], update_fields=["at", "xml", "pending"])
    if ids:
        facts.publish([f"machine:{pk}" for pk in ids.values()], "hardware", host_id=host_id, machine_ids=list(ids.values()))


def report(host_id: int, uuid: str, told: Report) -> None:
    """What a guest said of itself; told only to its own page."""
    machine_id = Machine.objects.filter(host_id=host_id, uuid=uuid).values_list("pk", flat=True).first()
    if machine_id is None:
        return
    users = [{"name": user.name, "at": user.at} for user in told.users]
    systems = [
        {"mount": each.mount, "kind": each.kind, "total_bytes": each.total_bytes, "used_bytes": each.used_bytes, "disks": list(each.disks)}
        for each in told.filesystems
    ]
    GuestReport.objects.update_or_create(machine_id=machine_id, defaults={"at": datetime.now(UTC), "users": users, "filesystems": systems})
    facts.publish([f"machine:{machine_id}"], "guest", host_id=host_id, machine_ids=[machine_id])
