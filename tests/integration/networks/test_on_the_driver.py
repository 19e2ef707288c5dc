"""The worker's deeds on libvirt's test driver, and what the watcher's studies read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hosts.connections import connection_to
from hosts.models import Host
from hosts.networks import actions, inventory, operations
from hosts.networks.models import Network
from jobs.models import Job
from jobs.registry import Fate
from jobs.submit import Refused
from jobs.work import Work
from tests import inventory as rows
from tests.lab.fleet import Fleet, FleetHost
from virt import networks
from virt.errors import Conflict, Invalid, WrongState
from virt.xml import tree
from virt.xml.edit.network import Edit
from virt.xml.networks import PARTS

VALUES = {"address4": "10.77.0.1/24", "ranges4": "10.77.0.10 - 10.77.0.99", "domain": "lab.example"}


@pytest.fixture(scope="module")
def daemon(fleet: Callable[[int], Fleet]) -> FleetHost:
    return fleet(1)[0]


@pytest.fixture
def host(daemon: FleetHost) -> Host:
    """Followed by nobody."""
    return rows.host("driver", kind="socket", driver="test", path=str(daemon.directory / "libvirt-sock"))


@pytest.fixture
def root(host: Host) -> Any:
    return rows.person("root", administrator=True)


def look(host: Host) -> dict[str, Network]:
    """As the studies do."""
    connection = connection_to(host)
    inventory.store(host.pk, inventory.read(connection))
    inventory.store_leases(host.pk, inventory.read_leases(connection))
    return {row.name: row for row in Network.objects.filter(host=host, gone_at=None).select_related("host")}


def run(job: Job) -> Any:
    """As a worker does; another may be asked for then."""
    operation = getattr(operations, job.kind.rpartition(".")[2])
    work = Work(job)
    try:
        return operation(work)
    finally:
        Job.objects.filter(pk=job.pk).update(state="done")


def fate(job: Job) -> Fate:
    found: Fate = getattr(operations, job.kind.rpartition(".")[2]).settle(Work(job))
    return found


def test_a_networks_whole_life(host: Host, root: Any) -> None:
    assert set(look(host)) == {"default"}
    job = actions.create(root, host, "lab", "nat", VALUES)
    assert fate(job) == Fate.NOT_DONE
    run(job)
    assert fate(job) == Fate.DONE
    lab = look(host)["lab"]
    assert (lab.mode, lab.active, lab.autostart, lab.domain, lab.has_dhcp) == ("nat", True, True, "lab.example", True)
    with pytest.raises(Conflict):
        operations.create_network(Work(job))

    job = actions.change(root, lab, [Edit("add", "fixed", values={"ip": "10.77.0.5", "mac": "52:54:00:00:00:05"})], lab.digest)
    assert fate(job) == Fate.NOT_DONE
    assert run(job) == {"at_once": ["Adding to the running network: Fixed addresses"], "at_restart": []}
    assert fate(job) == Fate.DONE
    with pytest.raises(WrongState, match="changed meanwhile"):
        operations.change_network(Work(job))
    lab = look(host)["lab"]
    part = PARTS["fixed"]
    assert [part.read(node)["ip"] for node in part.nodes(tree.parse(lab.xml, "network"))] == ["10.77.0.5"]

    job = actions.change(root, lab, [Edit("remove", "fixed", 0)], lab.digest)
    assert run(job) == {"at_once": ["Taking out of the running network: Fixed addresses"], "at_restart": []}
    assert fate(job) == Fate.DONE

    # The driver shows what is stored only of a network that is off.
    run(actions.stop(root, look(host)["lab"]))
    lab = look(host)["lab"]
    job = actions.change(root, lab, [Edit("set", "nat", values={"mtu": "9000"})], lab.digest)
    assert run(job) == {"at_once": [], "at_restart": []}
    assert fate(job) == Fate.DONE and "9000" in look(host)["lab"].xml

    for deed, active in ((actions.start, True), (actions.restart, True), (actions.stop, False)):
        job = deed(root, look(host)["lab"])
        run(job)
        assert look(host)["lab"].active == active
        if deed is not actions.restart:
            assert fate(job) == Fate.DONE
    job = actions.set_autostart(root, look(host)["lab"], False)
    run(job)
    assert fate(job) == Fate.DONE and not look(host)["lab"].autostart
    job = actions.delete(root, look(host)["lab"])
    run(job)
    assert fate(job) == Fate.DONE and set(look(host)) == {"default"}


def test_a_network_with_running_machines_is_not_deleted_whatever_the_rows_say(host: Host, root: Any) -> None:
    raw = connection_to(host).raw
    raw.createXML(
        "<domain type='test'><name>busy</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
        "<interface type='network'><source network='default'/></interface></devices></domain>"
    )
    default = look(host)["default"]
    job = actions.delete(root, default)  # the machine has no row yet
    with pytest.raises(WrongState, match="busy, test run on default"):
        run(job)
    assert look(host)["default"].active
    rows.machine(host, "busy", nics=[{"mac": "52:54:00:00:00:01", "kind": "network", "source": "default"}])
    with pytest.raises(Refused, match="busy runs on it"):
        actions.delete(root, default)


def test_what_libvirt_does_not_accept_is_told_in_its_words(host: Host, root: Any) -> None:
    with pytest.raises(Invalid) as told:
        networks.define(connection_to(host), "<network><name>x</name><nonsense/></network>", new=True)
    assert "nonsense" in told.value.detail
    assert "x" not in look(host)
