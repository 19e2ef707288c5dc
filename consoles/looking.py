"""Asking a host for a display and its password, in a worker."""

from __future__ import annotations

from dataclasses import asdict

from consoles import viewer
from consoles.viewer import Screen
from hosts.connections import connection_to
from machines.models import Machine
from virt import display as virt_display
from virt.errors import VirtError

_RENEWED_SECONDS = 120


def look(machine_id: int, user_id: int) -> None:
    """Leave what virt-viewer needs for the person who asked."""
    machine = Machine.objects.select_related("host").filter(pk=machine_id, gone_at=None).first()
    if machine is None:
        return
    try:
        screen = _screen_of(machine)
    except VirtError as exc:
        screen = Screen(problem=str(exc))
    viewer.keep(machine_id, user_id, screen)


def _screen_of(machine: Machine) -> Screen:
    """The first that others can reach. Raises VirtError."""
    connection = connection_to(machine.host)
    for display in virt_display.running(connection, machine.uuid).displays:
        screen = display.graphics
        address = viewer.address_of(machine, asdict(screen))
        if screen.kind in viewer.KINDS and address and screen.port:
            password = virt_display.renew_password(connection, machine.uuid, display, seconds=_RENEWED_SECONDS) if display.expired else display.password
            return Screen(screen.kind, address, screen.port, password)
    return Screen(problem="No display of the machine listens where others could reach it without TLS.")
