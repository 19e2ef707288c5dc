"""Taking pictures of screens, in a worker."""

from __future__ import annotations

import logging

from hosts.connections import connection_to
from machines import screens
from machines.models import Machine
from virt import machine as virt_machine
from virt.errors import VirtError, WrongState

logger = logging.getLogger(__name__)


def take(machine_id: int) -> None:
    """Store a picture of what the machine shows now, or why there is none."""
    if not screens.may_take(machine_id):
        return
    machine = Machine.objects.select_related("host").filter(pk=machine_id, gone_at=None).first()
    if machine is None or not machine.is_active or machine.is_stale:
        return
    try:
        _mime, image = virt_machine.screenshot(connection_to(machine.host), machine.uuid)
        screens.keep(machine.pk, image)
    except WrongState:
        screens.forget(machine.pk)  # it stopped between the look and now
    except (VirtError, ValueError) as exc:
        logger.info("no picture of %s on %s: %s", machine.name, machine.host.name, exc)
        screens.keep_problem(machine.pk, str(exc))
