"""Who uses devices of a host, as the rows tell it. Machines stand above: they register here what their definitions name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hosts.devices.models import Device


@dataclass(frozen=True, slots=True)
class Use:
    """A machine is given a device: `kind` and `address` of its row, or for USB `ids` ("1050:0407"). `active`: it runs."""

    kind: str
    address: str
    ids: str
    name: str
    url: str
    active: bool


Finder = Callable[[int], Iterable[Use]]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """`finder(host_id)` tells what everything on that host is given. In AppConfig.ready()."""
    _finders.append(finder)


def of_host(host_id: int, devices: Sequence[Device]) -> dict[int, list[Use]]:
    """Row id of a device → who is given it; those without are missing."""
    uses = [use for finder in _finders for use in finder(host_id)]
    found: dict[int, list[Use]] = {}
    for device in devices if uses else ():
        ids = f"{device.vendor_id}:{device.product_id}"
        given = [use for use in uses if use.kind == device.kind and (use.address == device.address or (use.ids and use.ids == ids))]
        if given:
            found[device.pk] = list(dict.fromkeys(given))
    return found
