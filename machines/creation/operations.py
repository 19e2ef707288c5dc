"""What a worker does to make, copy, rename and delete machines. None of them writes the machine's row: the host's event does."""

from __future__ import annotations

from hosts.connections import connection_to
from jobs.registry import Fate, Result, operation
from jobs.work import Cancelled, Work
from machines.creation import removal
from machines.creation.cloning import Cloning, Original
from machines.creation.making import Making, clean, cleaned_up, is_whole
from machines.creation.models import Creation
from machines.models import Machine
from virt import lookups, variables
from virt import machine as virt_machine
from virt.connection import Connection
from virt.errors import Conflict, HostUnreachable, NotFound, VirtError, WrongState
from virt.machine import MachineSeen, State


def _creation_of(work: Work) -> Creation:
    found = Creation.objects.select_related("host").filter(pk=work.params.get("creation", work.subject_id)).first()
    if found is None:
        raise NotFound("What was to be made is not known here any more.")
    return found


def _created(work: Work) -> Fate:
    """The machine is there and whole, or whatever was made for it is removed."""
    creation = _creation_of(work)
    connection = connection_to(creation.host)
    if creation.done_at:
        return Fate.DONE
    if is_whole(creation, connection):
        creation.finish()
        return Fate.DONE
    clean(creation, connection)
    return Fate.NOT_DONE


def _make(making: Making) -> Result:
    try:
        return dict(making.run())
    except HostUnreachable:  # the host is asked when it is back (_created)
        raise
    except (VirtError, Cancelled):
        cleaned_up(making)
        raise
    except Exception:
        cleaned_up(making)
        raise


@operation(settle=_created)
def create(work: Work) -> Result:
    creation = _creation_of(work)
    return _make(Making(work, creation, connection_to(creation.host)))


@operation(settle=_created)
def clone(work: Work) -> Result:
    """The subject is the original, so that nobody changes it meanwhile."""
    creation = _creation_of(work)
    original = Original(str(work.params["uuid"]), str(work.params.get("pool", "")), bool(work.params.get("linked")))
    return _make(Cloning(work, creation, connection_to(creation.host), original))


@operation(settle=lambda work: _is_cleaned(work))
def clean_up(work: Work) -> Result:
    """What an ended creation could not remove then."""
    creation = _creation_of(work)
    work.phase("Removing what was made")
    clean(creation, connection_to(creation.host))
    return None


def _is_cleaned(work: Work) -> Fate:
    return Fate.NOT_DONE if _creation_of(work).made else Fate.DONE


# ── machines that are there ──


def _reach(work: Work) -> tuple[Connection, str]:
    machine = Machine.objects.select_related("host").filter(pk=work.subject_id).first()
    if machine is None:
        raise NotFound("The machine is not known here any more.")
    return connection_to(machine.host), machine.uuid


def _renamed(work: Work) -> Fate:
    connection, uuid = _reach(work)
    seen = virt_machine.read(connection, uuid)
    is_renamed = seen is not None and seen.name == work.params["name"]
    if left := [str(path) for path in work.params.get("variables", ())]:
        _drop_variables(connection, *(left[0], work.params["was"]) if is_renamed else (left[1], work.params["name"]))
    return Fate.DONE if is_renamed else Fate.NOT_DONE


@operation(settle=_renamed)
def rename(work: Work) -> Result:
    """1. UEFI variables, where libvirt names their file after the machine, are copied to the file of the new name · 2. the name · 3. the old file goes"""
    connection, uuid = _reach(work)
    name = str(work.params["name"])
    old, new = _carry_variables(work, connection, uuid, name)
    work.phase("Renaming")
    try:
        lookups.rename_machine(connection, uuid, name)
    except HostUnreachable:  # the host is asked when it is back (_renamed)
        raise
    except VirtError:
        if new:
            _drop_variables(connection, new, name)
        raise
    if old:
        _drop_variables(connection, old, str(work.params["was"]))
    return None


def _drop_variables(connection: Connection, path: str, name: str) -> None:
    """Unless there is a machine of that name by now: then the file is that one's."""
    if not lookups.machine_taken(connection, name):
        variables.remove(connection, path)


def _carry_variables(work: Work, connection: Connection, uuid: str, name: str) -> tuple[str, str]:
    """The file that is copied and the copy; ("", "") where there is nothing to do."""
    seen = virt_machine.read(connection, uuid)
    if seen is None:
        raise NotFound("The machine is not on this host (any more).")
    old, new = variables.place(connection, seen.live_xml), variables.place_when_called(connection, seen.live_xml, name)
    if old == new or not variables.is_there(connection, old):
        return "", ""
    if lookups.machine_taken(connection, name):
        raise Conflict(f"A machine {name} is on the host already.")
    variables.refuse_if_owned(connection, new, but=uuid)
    work.phase("Copying UEFI variables")
    _remember(work, "variables", [old, new])
    variables.remove(connection, new)
    variables.copy(connection, old, new)
    return old, new


def _deleted(work: Work) -> Fate:
    """Gone: what is left of its disks is removed now, for nobody else knows of them."""
    connection, uuid = _reach(work)
    if virt_machine.read(connection, uuid) is not None:
        return Fate.NOT_DONE
    _, kept = removal.remove_disks(connection, [str(path) for path in work.params.get("taken", ())])
    for path, why in kept.items():
        work.log(f"{path} is still there. {why}")
    return Fate.DONE


@operation(settle=_deleted)
def delete(work: Work) -> Result:
    """1. off · 2. which of the chosen disks are really its own · 3. the definition, with snapshots, saved state, UEFI variables · 4. the disks"""
    connection, uuid = _reach(work)
    plan = removal.Plan.of(work.params)
    seen = virt_machine.read(connection, uuid)
    if seen is None:
        raise NotFound("The machine is not on this host (any more).")
    if seen.state not in (State.OFF, State.CRASHED) and not plan.force_off:
        raise WrongState("The machine is running. Shut it down first, or delete it with force off.")
    own = removal.own_paths(connection, uuid)
    taken = [path for path in plan.disks if path in own]
    _remember(work, "taken", taken)
    if seen.state not in (State.OFF, State.CRASHED):
        work.phase("Forcing it off")
        virt_machine.force_off(connection, uuid)
    if virt_machine.read(connection, uuid) is not None:  # a transient one is gone with its last moment
        work.phase("Removing the definition with its snapshots, saved state and UEFI variables")
        virt_machine.undefine(connection, uuid, keep_variables=_shares_variables(connection, seen))
    work.phase("Deleting its disks" if taken else "No disk is deleted")
    deleted, kept = removal.remove_disks(connection, taken)
    kept |= {path: "The machine does not use it (any more)." for path in plan.disks if path not in own}
    for path, why in kept.items():
        work.log(f"{path} is still there. {why}")
    return {"deleted": deleted, "kept": kept}


def _shares_variables(connection: Connection, seen: MachineSeen) -> bool:
    path = variables.named(seen.live_xml)
    return bool(path and variables.owners(connection, path, but=seen.uuid))


def _remember(work: Work, what: str, paths: list[str]) -> None:
    """Before the definition goes or changes its name: whoever settles this job would not know these files any more."""
    work.params[what] = paths
    work.mine().update(params=work.params)
