"""What libvirt does not carry to the target: snapshots, autostart, the UEFI variables of a machine that is off."""

from __future__ import annotations

import json

from accounts import secrets
from machines.migration.hosting import Hosted, is_on, quietly
from virt import copying, snapshot, variables
from virt import machine as virt_machine
from virt.connection import Connection
from virt.errors import Unsupported, VirtError
from virt.machine import MachineSeen
from virt.snapshot import SnapshotSeen
from virt.xml.parse import parse
from virt.xml.read.values import attribute


def refuse_what_stays(hosted: Hosted, seen: MachineSeen) -> None:
    """What would be lost on the way."""
    if hosted.options.storage and snapshot.of_machine(hosted.source, hosted.uuid):
        raise Unsupported("Its snapshots rest on the disks that it has. Delete them before its disks are copied, or move it on shared storage.")
    tpm = parse(seen.live_xml).find("devices/tpm/backend")
    if attribute(tpm, "type") == "emulator" and not is_on(seen):
        raise Unsupported("The state of its TPM stays on its host while it is off. Start it and move it live.")


def take_snapshots(hosted: Hosted) -> None:
    """libvirt moves no machine with snapshots: it forgets them for the time being, and we remember. What they rest on is not touched."""
    found = snapshot.of_machine(hosted.source, hosted.uuid)
    if not found:
        return
    hosted.work.log(f"{len(found)} snapshots go along.")
    ordered = [{"xml": one.xml, "current": one.current, "name": one.definition.name} for one in _parents_first(found)]
    hosted.record.keep(snapshots=secrets.seal(json.dumps(ordered)))
    for one in reversed(ordered):
        snapshot.delete(hosted.source, hosted.uuid, str(one["name"]), keep_data=True)


def give_snapshots(hosted: Hosted, connection: Connection) -> None:
    """To the host that the machine is on; those that are there already stay."""
    sealed = hosted.record.kept.get("snapshots")
    if not sealed:
        return
    there = {one.definition.name for one in snapshot.of_machine(connection, hosted.uuid)}
    missing = [one for one in json.loads(secrets.unseal(sealed)) if one["name"] not in there]
    for one in missing:
        try:
            snapshot.redefine(connection, hosted.uuid, one["xml"], current=one["current"])
        except VirtError as exc:
            hosted.work.log(f"The snapshot {one['name']} could not be brought back: {exc} {exc.detail}")
            raise
    hosted.record.forget_kept("snapshots")


def give_autostart(hosted: Hosted) -> None:
    if hosted.record.kept.get("autostart") and hosted.options.persist:
        quietly(lambda: virt_machine.set_autostart(hosted.target, hosted.uuid, True))


def copy_variables(hosted: Hosted, seen: MachineSeen) -> None:
    """Of a machine that is off; one that runs carries them along itself."""
    here, there = variables.place(hosted.source, seen.live_xml), variables.place(hosted.target, seen.live_xml)
    if not here or not there or not variables.is_there(hosted.source, here):
        return  # no UEFI, or it never ran: the target makes new ones
    variables.refuse_if_owned(hosted.target, there, but=hosted.uuid)
    hosted.work.log("Its UEFI variables go along.")
    if not variables.is_there(hosted.target, there):
        copying.make_raw(hosted.target, there, copying.size_of(hosted.source, here))
    copying.copy(hosted.source, here, hosted.target, there, lambda _sent: True)


def _parents_first(found: tuple[SnapshotSeen, ...]) -> list[SnapshotSeen]:
    by_name = {one.definition.name: one for one in found}

    def depth(one: SnapshotSeen) -> int:
        above = by_name.get(one.definition.parent)
        return 1 + depth(above) if above else 0

    return sorted(found, key=depth)
