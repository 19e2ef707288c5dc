"""What a worker does with a machine on its host. None of them writes the machine's row: the host's event does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hosts.connections import connection_to
from hosts.models import Host
from jobs.registry import Fate, Operation, Result, operation
from jobs.work import Cancelled, Wait, Work
from machines.models import Machine
from virt import machine as virt_machine
from virt.connection import Connection
from virt.errors import GuestSilent, HostUnreachable, NotFound, OperationFailed, VirtError
from virt.machine import State
from virt.xml.build import first
from virt.xml.build.first import VirtType

FIRST_NAME = "first-machine"
SHUTDOWN_PATIENCE = timedelta(minutes=3)


def _reach(work: Work) -> tuple[Connection, str]:
    """The connection to the machine's host, and the machine's uuid."""
    machine = Machine.objects.select_related("host").filter(pk=work.subject_id).first()
    if machine is None:
        raise NotFound("The machine is not known here any more.")
    return connection_to(machine.host), machine.uuid


def _settled_when(*states: State) -> Callable[[Work], Fate]:
    """Done when the host shows the machine in one of `states`."""

    def look(work: Work) -> Fate:
        connection, uuid = _reach(work)
        return Fate.DONE if virt_machine.state(connection, uuid) in states else Fate.NOT_DONE

    return look


def _unknowable(work: Work) -> Fate:
    """A reset or an NMI leaves no trace that could be asked for."""
    return Fate.UNKNOWN


def _shutdown_settled(work: Work) -> Fate:
    connection, uuid = _reach(work)
    return Fate.DONE if _is_off(connection, uuid) else Fate.NOT_DONE


def _plain(words: str, verb: Callable[[Connection, str], None], settle: Callable[[Work], Fate]) -> Operation:
    """One call to libvirt, and nothing to wait for."""

    def run(work: Work) -> Result:
        connection, uuid = _reach(work)
        work.phase(words)
        verb(connection, uuid)
        return None

    return Operation(run=run, settle=settle)


start = _plain("Starting", virt_machine.start, _settled_when(State.RUNNING))
reboot = _plain("Asking the guest to reboot", virt_machine.reboot, _unknowable)
reset = _plain("Resetting", virt_machine.reset, _unknowable)
force_off = _plain("Forcing off", virt_machine.force_off, _shutdown_settled)
pause = _plain("Pausing", virt_machine.pause, _settled_when(State.PAUSED))
resume = _plain("Resuming", virt_machine.resume, _settled_when(State.RUNNING))
restore = _plain("Restoring the saved state", virt_machine.restore, _settled_when(State.RUNNING, State.PAUSED))
nmi = _plain("Sending an NMI", virt_machine.nmi, _unknowable)


@operation(settle=_shutdown_settled)
def shutdown(work: Work) -> Result:
    """Ask the guest; done when it is off, however long it takes within the patience."""
    connection, uuid = _reach(work)
    if not work.resumed:
        work.phase("Asking the guest to shut down")
        virt_machine.shutdown(connection, uuid)
    if _is_off(connection, uuid):
        return None
    if work.expired:
        raise GuestSilent("The guest was asked to shut down and did not within three minutes. Force off is the harder way.")
    raise Wait("Waiting for the guest to shut down", SHUTDOWN_PATIENCE)


def _save_settled(work: Work) -> Fate:
    connection, uuid = _reach(work)
    seen = virt_machine.read(connection, uuid)
    if seen is not None and seen.state == State.OFF and seen.has_saved_image:
        return Fate.DONE
    return Fate.STILL_RUNNING if virt_machine.has_running_job(connection, uuid) else Fate.NOT_DONE


@operation(settle=_save_settled)
def save(work: Work) -> Result:
    """Write the memory to the host's disk; the machine runs on if it is cancelled."""
    connection, uuid = _reach(work)
    if work.resumed:
        return _follow_save(work, connection, uuid)
    work.phase("Saving memory to the host's disk")
    work.on_cancel(lambda: virt_machine.abort_job(connection, uuid))
    try:
        virt_machine.save(connection, uuid)
    except HostUnreachable:  # whoever asked to stop: nobody knows yet what became of it
        raise
    except VirtError:
        if work.cancelled():
            raise Cancelled from None
        raise
    return None


def _follow_save(work: Work, connection: Connection, uuid: str) -> Result:
    """Its worker died and libvirt's own job went on: wait for that, or stop it."""
    fate = _save_settled(work)
    if fate == Fate.DONE:
        return None
    if fate == Fate.STILL_RUNNING:
        if work.cancelled():
            virt_machine.abort_job(connection, uuid)
        raise Wait("Saving", timedelta(hours=1))
    if work.cancelled():
        raise Cancelled
    raise OperationFailed("The host shows no saved state: saving did not end well.")


def _autostart_settled(work: Work) -> Fate:
    connection, uuid = _reach(work)
    seen = virt_machine.read(connection, uuid)
    return Fate.DONE if seen is not None and seen.autostart == bool(work.params["on"]) else Fate.NOT_DONE


@operation(settle=_autostart_settled)
def set_autostart(work: Work) -> Result:
    connection, uuid = _reach(work)
    on = bool(work.params["on"])
    work.phase("Switching autostart on" if on else "Switching autostart off")
    virt_machine.set_autostart(connection, uuid, on)
    return None


def _is_off(connection: Connection, uuid: str) -> bool:
    """Off, or gone: a transient machine vanishes when it stops."""
    try:
        return virt_machine.state(connection, uuid) == State.OFF
    except NotFound:
        return True


def _try_it_settled(work: Work) -> Fate:
    connection = connection_to(Host.objects.get(pk=work.subject_id))
    seen = virt_machine.read(connection, str(work.params["uuid"]))
    if seen is None or seen.state != State.RUNNING:
        return Fate.NOT_DONE
    return Fate.DONE


@operation(settle=_try_it_settled)
def try_it(work: Work) -> Result:
    """Define and start the tiny machine of firmware alone; what could not be started is not left behind.

    A KVM that is there but closed shows only when QEMU ends at once: then, and only then, it is emulated.
    """
    host = Host.objects.filter(pk=work.subject_id).first()
    if host is None:
        raise NotFound("The host is not known here any more.")
    connection = connection_to(host)
    if host.kvm and host.driver != "test":
        try:
            return _make_first(work, connection, "kvm")
        except OperationFailed as exc:
            work.log(f"With KVM it does not start on {host.name}, so it is emulated, which is slow. {exc}")
    return _make_first(work, connection, "test" if host.driver == "test" else "qemu")


def _make_first(work: Work, connection: Connection, virt_type: VirtType) -> Result:
    uuid = str(work.params["uuid"])
    # A libvirt that has just been started looks at each QEMU first.
    work.phase(f"Defining {FIRST_NAME} ({virt_type}); the first one on a host can take a minute")
    virt_machine.define(connection, first.build_xml(name=FIRST_NAME, uuid=uuid, virt_type=virt_type))
    work.phase("Starting it")
    try:
        virt_machine.start(connection, uuid)
    except HostUnreachable:  # nobody knows whether it runs: the host is asked later
        raise
    except VirtError:
        virt_machine.undefine(connection, uuid)
        raise
    return {"uuid": uuid, "virt_type": virt_type}
