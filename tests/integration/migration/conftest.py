"""Three hosts with a machine whose definition, pools and capabilities are rows, as after the watcher saw them; no hypervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from hosts.devices.models import HostCapabilities
from hosts.models import Host
from hosts.storage.models import Pool, Volume
from machines.models import Definition, Machine
from tests import inventory

GIB = 2**30
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
BOARDS = [{"name": "q35", "canonical": "pc-q35-7.2", "max_cpus": 288}]
OFFER = {"arch": "x86_64", "virt_type": "kvm", "board": "q35", "canonical": "pc-q35-7.2", "host_model": "EPYC",
         "models": [{"name": "EPYC", "vendor": "AMD", "usable": True, "deprecated": False}], "devices": {}}  # fmt: skip
NETWORK = {"name": "default", "uuid": "1", "active": True, "autostart": True, "forward": "nat", "bridge": "virbr0"}


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Any) -> None:
    cache.clear()


@pytest.fixture
def hosts() -> list[Host]:
    return [a_host(f"h{number}") for number in (1, 2, 3)]


@pytest.fixture
def root_client() -> Client:
    client = Client()
    client.force_login(inventory.person("root", administrator=True), backend=BACKEND)
    return client


@pytest.fixture
def sign_in() -> Callable[[Any], Client]:
    def enter(user: Any) -> Client:
        client = Client()
        client.force_login(user, backend=BACKEND)
        return client

    return enter


def a_host(name: str, **fields: Any) -> Host:
    usual = {"kind": "ssh", "address": f"{name}.example", "host_uuid": f"uuid-of-{name}", "arch": "x86_64", "kvm": True, "cpu_model": "EPYC",
             "memory_bytes": 64 * GIB, "libvirt_version": "9.0.0", "hypervisor": "QEMU", "hypervisor_version": "7.2.22", "networks": [NETWORK]}  # fmt: skip
    host = inventory.host(name, **{**usual, **fields})
    HostCapabilities.objects.create(host=host, data={"arch": "x86_64", "boards": BOARDS, "offers": [OFFER], "others": []}, seen_at=timezone.now())
    a_pool(host, "local", "/var/lib/images")
    a_pool(host, "nfs", "/mnt/nfs", kind="netfs", source="nas:/images")
    return host


def a_pool(host: Host, name: str, path: str, **fields: Any) -> Pool:
    usual = {"kind": "dir", "state": "running", "capacity_bytes": 900 * GIB, "available_bytes": 500 * GIB}
    return Pool.objects.create(host=host, uuid=f"{name}-{host.name}", name=name, path=path, **{**usual, **fields})


def a_machine(host: Host, name: str = "web", *, pool: str = "nfs", devices: str = "", shared: bool = True, **fields: Any) -> Machine:
    """With a disk vda in a pool of its host; `shared`: the other hosts that have the pool show the volume as well."""
    path = f"{host.storage_pools.get(name=pool).path}/{name}.qcow2"
    pools = Pool.objects.filter(name=pool) if shared else host.storage_pools.filter(name=pool)
    Volume.objects.bulk_create([Volume(pool=each, name=f"{name}.qcow2", path=path, format="qcow2", capacity_bytes=20 * GIB) for each in pools])
    disk = {"target": "vda", "bus": "virtio", "device": "disk", "kind": "file", "format": "qcow2", "source": path, "readonly": False}
    machine = inventory.machine(host, name, disks=[disk], arch="x86_64", machine_type="pc-q35-7.2", **fields)
    xml = f"""<domain type="kvm"><name>{name}</name><uuid>{machine.uuid}</uuid><memory unit="KiB">4194304</memory><vcpu>2</vcpu>
      <os><type arch="x86_64" machine="pc-q35-7.2">hvm</type></os><cpu mode="host-model"/>
      <devices><disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="{path}"/><target dev="vda" bus="virtio"/></disk>
      <interface type="network"><source network="default"/><model type="virtio"/></interface>{devices}</devices></domain>"""
    Definition.objects.create(machine=machine, digest="d1", xml=xml)
    return machine
