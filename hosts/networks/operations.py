"""What a worker does with networks on their host. None of them writes inventory: the watcher looks again (Kind.stirs)."""

from __future__ import annotations

from collections.abc import Callable

from hosts.connections import connection_to
from hosts.models import Host
from hosts.networks.models import Network
from hosts.networks.users import OWN_BRIDGE
from jobs.registry import Fate, Operation, Result, operation
from jobs.work import Work
from virt import networks
from virt.connection import Connection
from virt.errors import HostUnreachable, NotFound, OperationFailed, Unsupported, VirtError, WrongState
from virt.networks import NetworkSeen
from virt.xml import tree
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit, Plan
from virt.xml.networks import mode_named


def _reach(work: Work) -> tuple[Connection, Network]:
    network = Network.objects.select_related("host").filter(pk=work.subject_id).first()
    if network is None:
        raise NotFound("The network is not known here any more.")
    return connection_to(network.host), network


def _settled_when(active: bool) -> Callable[[Work], Fate]:
    def look(work: Work) -> Fate:
        connection, network = _reach(work)
        try:
            return Fate.DONE if networks.read(connection, network.uuid).active == active else Fate.NOT_DONE
        except NotFound:  # a transient one that was stopped
            return Fate.NOT_DONE if active else Fate.DONE

    return look


def _plain(words: str, verb: Callable[[Connection, str], None], settle: Callable[[Work], Fate]) -> Operation:
    """One call to libvirt."""

    def run(work: Work) -> Result:
        connection, network = _reach(work)
        work.phase(words)
        verb(connection, network.uuid)
        return None

    return Operation(run=run, settle=settle)


@operation(settle=_settled_when(True))
def start_network(work: Work) -> Result:
    connection, network = _reach(work)
    work.phase("Starting the network")
    networks.start(connection, network.uuid)
    return _plug_in(work, connection, network)


stop_network = _plain("Stopping the network", networks.stop, _settled_when(False))


# ── autostart, deleting ──


def _autostart_settled(work: Work) -> Fate:
    connection, network = _reach(work)
    return Fate.DONE if networks.read(connection, network.uuid).autostart == bool(work.params["on"]) else Fate.NOT_DONE


@operation(settle=_autostart_settled)
def set_network_autostart(work: Work) -> Result:
    connection, network = _reach(work)
    on = bool(work.params["on"])
    work.phase("Switching autostart on" if on else "Switching autostart off")
    networks.set_autostart(connection, network.uuid, on)
    return None


def _deleted(work: Work) -> Fate:
    connection, network = _reach(work)
    try:
        networks.read(connection, network.uuid)
    except NotFound:
        return Fate.DONE
    return Fate.NOT_DONE


@operation(settle=_deleted)
def delete_network(work: Work) -> Result:
    """Its definition first: should we end in between, a network that stops by itself is left, and not one that starts with the host."""
    connection, network = _reach(work)
    work.phase("Asking the host who is on it")
    on = [card for card in networks.users_of(connection, network.uuid) if card.active]
    seen = networks.read(connection, network.uuid)
    if on and seen.active:
        names = list(dict.fromkeys(card.name for card in on))
        raise WrongState(f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''} run on {network.name}. Nothing was changed.")
    work.phase("Deleting the network")
    networks.undefine(connection, network.uuid)
    if seen.active:
        work.phase("Stopping it")
        networks.stop(connection, network.uuid)
    return None


# ── restarting ──


def _restart_settled(work: Work) -> Fate:
    """Whether a running one was stopped meanwhile, nothing tells."""
    connection, network = _reach(work)
    return Fate.UNKNOWN if networks.read(connection, network.uuid).active else Fate.NOT_DONE


def _restart_cleaned(work: Work) -> None:
    connection, network = _reach(work)
    work.log("It was found stopped; it is started.")
    networks.start(connection, network.uuid)
    _plug_in(work, connection, network)


@operation(settle=_restart_settled, clean=_restart_cleaned)
def restart_network(work: Work) -> Result:
    connection, network = _reach(work)
    work.phase("Stopping the network")
    networks.stop(connection, network.uuid)
    work.phase("Starting the network")
    try:
        networks.start(connection, network.uuid)
    except HostUnreachable:
        raise
    except VirtError as exc:
        raise OperationFailed(f"It was stopped, and does not start. {exc}", exc.detail, exc.code) from exc
    return _plug_in(work, connection, network)


def _plug_in(work: Work, connection: Connection, network: Network) -> Result:
    """Running machines lost their link when its bridge went; a bridge that is the host's own never went."""
    if network.mode not in OWN_BRIDGE:
        return None
    work.phase("Plugging its machines in again")
    try:
        plugged, missed = networks.plug_in(connection, network.uuid)
    except Unsupported as exc:
        work.log(f"Its machines stay as they are: {exc}")
        return None
    for card in plugged:
        work.log(f"{card.name} is plugged in again.")
    for card, why in missed:
        work.log(f"{card.name}: {why}{f' [{why.detail}]' if why.detail else ''}")
    if missed:
        names = ", ".join(card.name for card, _ in missed[:5])
        raise OperationFailed(f"It runs, but without {names}: unplug their cards and plug them in again. {missed[0][1]}", missed[0][1].detail)
    return {"plugged_in": [card.name for card in plugged]} if plugged else None


# ── making ──


def _host(work: Work) -> tuple[Connection, Host]:
    host = Host.objects.filter(pk=work.subject_id).first()
    if host is None:
        raise NotFound("The host is not known here any more.")
    return connection_to(host), host


def _created(work: Work) -> Fate:
    connection, _ = _host(work)
    try:
        seen = networks.read(connection, work.params["uuid"])
    except NotFound:
        return Fate.NOT_DONE
    as_wished = seen.active == bool(work.params["start"]) and seen.autostart == bool(work.params["autostart"])
    return Fate.DONE if as_wished else Fate.NOT_DONE


@operation(settle=_created)
def create_network(work: Work) -> Result:
    """What is defined stays, also when it does not start: the reason is often one field, and the rest was typed in by somebody."""
    connection, _ = _host(work)
    params = work.params
    xml = editing.new(params["name"], params["uuid"], mode_named(params["mode"]), params["values"])
    work.phase("Defining the network")
    uuid = networks.define(connection, xml, new=True)
    if params["autostart"]:
        networks.set_autostart(connection, uuid, True)
    if params["start"]:
        work.phase("Starting the network")
        try:
            networks.start(connection, uuid)
        except HostUnreachable:
            raise
        except VirtError as exc:
            raise OperationFailed(f"It is defined, and does not start. {exc}", exc.detail, exc.code) from exc
    return {"uuid": uuid}


# ── changing ──


def _changed(work: Work) -> Fate:
    """Done when the stored definition shows it; what the running network lacks then is said."""
    connection, network = _reach(work)
    seen = networks.read(connection, network.uuid)
    stored = tree.parse(seen.xml, "network")
    if not all(editing.is_done(stored, Edit.of(each)) for each in work.params["edits"]):
        return Fate.NOT_DONE
    if seen.live_xml and (waits := editing.pending(tree.parse(seen.live_xml, "network"), stored)):
        work.log(f"It is saved. The running network has not: {', '.join(waits)}.")
    return Fate.DONE


@operation(settle=_changed)
def change_network(work: Work) -> Result:
    """The stored definition first, which libvirt holds against its schema; then the running network, step by step; then a look."""
    connection, network = _reach(work)
    seen = networks.read(connection, network.uuid)
    _refuse_stale(work, seen)
    before, after = tree.parse(seen.xml, "network"), tree.parse(seen.xml, "network")
    for each in work.params["edits"]:
        editing.apply(after, Edit.of(each))
    steps = editing.plan(tree.parse(seen.live_xml, "network"), before, after) if seen.active else Plan()
    work.phase("Saving the definition")
    networks.define(connection, tree.text_of(after))
    if steps.updates:
        work.phase("Changing the running network")
    refused = networks.update_live(connection, network.uuid, steps.updates)
    for update, exc in refused:
        work.log(f"{update.words}: {exc}{f' [{exc.detail}]' if exc.detail else ''}")
    if steps.later:
        work.log(f"Takes effect when the network is started again: {', '.join(steps.later)}.")
    if refused:
        update, why = refused[0]
        raise OperationFailed(f"It is saved, and takes effect when the network is started again. The running one did not take it. {why}", why.detail, why.code)
    return {"at_once": [update.words for update in steps.updates], "at_restart": list(steps.later)}


def _refuse_stale(work: Work, seen: NetworkSeen) -> None:
    if not seen.persistent:
        raise WrongState("The network is transient: it has no definition that could be changed.")
    if seen.digest != work.params["based_on"]:
        raise WrongState("The network was changed meanwhile, after this was asked for. Look at it again; nothing was done.")
