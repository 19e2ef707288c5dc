"""Asking a host for a display and its password, and taking one back, in a worker."""

from __future__ import annotations

import logging
from dataclasses import asdict

from accounts.models import User
from consoles import lending, viewer
from consoles.viewer import Screen
from hosts.connections import connection_to
from machines.models import Machine
from virt import display as virt_display
from virt.errors import VirtError

logger = logging.getLogger(__name__)


def look(machine_id: int, user_id: int) -> None:
    """Leave what virt-viewer needs for the person who asked."""
    machine = Machine.objects.select_related("host").filter(pk=machine_id, gone_at=None).first()
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if machine is None or user is None:
        return
    try:
        screen = _screen_of(machine, user.rights.on_machine(machine.pk, machine.host_id))
    except VirtError as exc:
        screen = Screen(problem=str(exc))
    viewer.keep(machine_id, user_id, screen)


def take_back(machine_id: int) -> None:
    """The displays' lent passwords are good no more. Who is on a display already stays on it."""
    machine = Machine.objects.select_related("host").filter(pk=machine_id, gone_at=None).first()
    if machine is None:
        return
    try:
        connection = connection_to(machine.host)
        for display in virt_display.running(connection, machine.uuid).displays:
            if display.is_lent(lending.SECONDS):
                virt_display.renew_password(connection, machine.uuid, display, seconds=0)
    except VirtError as exc:
        logger.warning("the password of a display of %s ends by itself alone: %s", machine.name, exc)


def _screen_of(machine: Machine, role: int) -> Screen:
    """The first that others can reach, with a password that is lent, where it can be changed. Raises VirtError."""
    connection = connection_to(machine.host)
    for display in virt_display.running(connection, machine.uuid).displays:
        screen = display.graphics
        address = viewer.address_of(machine, asdict(screen))
        if screen.kind in viewer.KINDS and address and screen.port:
            if not display.password:
                return Screen(screen.kind, address, screen.port)
            if not display.is_lasting(lending.SECONDS):
                password = virt_display.renew_password(connection, machine.uuid, display, seconds=lending.SECONDS)
                return Screen(screen.kind, address, screen.port, password)
            if not lending.may_have_lasting(role):
                return Screen(problem=lending.LASTING)
            return Screen(screen.kind, address, screen.port, display.password, lasting=True)
    return Screen(problem="No display of the machine listens where others could reach it without TLS.")
