"""What a host offers and the devices it has, compared with its rows. The watcher alone comes here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from hosts.devices.models import Device, HostCapabilities
from live import facts
from virt import nodedev
from virt.capabilities import HostOffers
from virt.connection import Connection
from virt.nodedev import HostDevice

NAME = "devices"
# Plugged in and pulled out with events; a driver that is bound to another, or functions that are made, come without.
PERIOD_SECONDS = 300.0
_LENGTHS = {field.name: field.max_length for field in Device._meta.concrete_fields}
_LARGEST = 2**31 - 1


def store_offers(host_id: int, seen: HostOffers) -> None:
    """Write what the host offers, if it differs from what the row says."""
    data = plain(seen)
    row = HostCapabilities.objects.filter(host_id=host_id).first()
    if row and row.data == data:
        return
    HostCapabilities.objects.update_or_create(host_id=host_id, defaults={"data": data, "seen_at": timezone.now()})
    facts.publish([f"host:{host_id}"], "capabilities", host_id=host_id)


def plain(seen: Any) -> dict[str, Any]:
    """As JSON gives it back: tuples are lists there."""
    data = _listed(asdict(seen))
    assert isinstance(data, dict)
    return data


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(each) for each in value]
    return value


# ── devices ──


def read(connection: Connection) -> tuple[HostDevice, ...]:
    """For the study."""
    return nodedev.list_all(connection)


def store(host_id: int, seen: Sequence[HostDevice]) -> None:
    """In the writer's transaction: three writes at most, none where nothing changed."""
    rows = {row.name: row for row in Device.objects.filter(host_id=host_id)}
    added, changed, columns = [], [], set[str]()
    for each in seen:
        wanted = _columns(each)
        row = rows.pop(wanted["name"], None)
        if row is None:
            added.append(Device(host_id=host_id, **wanted))
            continue
        differing = {name: value for name, value in wanted.items() if getattr(row, name) != value}
        for name, value in differing.items():
            setattr(row, name, value)
        if differing:
            changed.append(row)
            columns.update(differing)
    if not (added or changed or rows):
        return
    Device.objects.filter(pk__in=[row.pk for row in rows.values()]).delete()
    Device.objects.bulk_create(added, batch_size=200, ignore_conflicts=True)
    if changed:
        Device.objects.bulk_update(changed, sorted(columns), batch_size=200)
    facts.publish([f"host:{host_id}"], NAME, host_id=host_id)


def _columns(seen: HostDevice) -> dict[str, Any]:
    """Texts cut to what their columns hold: a host may say anything."""
    found = plain(seen)
    for name, value in found.items():
        if isinstance(value, str):
            found[name] = value[: _LENGTHS.get(name)]
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = max(-1, min(value, _LARGEST))
    return found
