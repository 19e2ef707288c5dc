"""What a host offers, compared with its rows. The watcher alone comes here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils import timezone

from hosts.devices.models import HostCapabilities
from live import facts
from virt.capabilities import HostOffers


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
