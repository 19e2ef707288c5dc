"""Hosts and machines as rows, without any hypervisor: for tests of pages and rights, few or ten thousand."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Grant, User
from accounts.roles import Role, Scope
from hosts.models import Host
from hosts.models import State as HostState
from machines.models import Machine, State

GIB = 2**30
_SYSTEMS = (("Ubuntu 24.04.1 LTS", "http://ubuntu.com/ubuntu/24.04"), ("Debian GNU/Linux 12 (bookworm)", "http://debian.org/debian/12"), ("", ""))
_NOUNS = ("web", "db-orders", "kafka-broker", "k8s-prod-w", "gitlab", "ci-runner", "mail-relay", "vpn-edge", "win-ts", "render")


def person(name: str = "operator", *, administrator: bool = False, role: Role | None = None, on: Host | Machine | None = None) -> User:
    """A person with a role ``on`` a host or a machine, or on the fleet."""
    user = User.objects.create_user(name, password="correct horse battery", is_superuser=administrator)
    if role:
        grant(user, role, on)
    return user


def grant(user: User, role: Role, on: Host | Machine | None = None) -> None:
    """One more role."""
    scope = Scope.HOST if isinstance(on, Host) else Scope.MACHINE if on else Scope.FLEET
    Grant.objects.create(user=user, role=role, scope=scope, object_id=on.pk if on else 0)


def host(name: str = "kvm-01", **fields: Any) -> Host:
    """A host that answers."""
    usual = {"kind": "test", "state": HostState.ONLINE, "last_seen_at": timezone.now(), "cpus": 64, "memory_bytes": 512 * GIB}
    return Host.objects.create(name=name, **{**usual, **fields})


def machine(on: Host, name: str = "web-01", **fields: Any) -> Machine:
    """A machine that runs."""
    usual = {"uuid": str(uuid.uuid4()), "state": State.RUNNING, "vcpus": 2, "memory_bytes": 4 * GIB, "virt_type": "kvm"}
    return Machine.objects.create(host=on, name=name, **{**usual, **fields})


def fleet(hosts: int, machines: int, *, seed: int = 7) -> None:
    """``hosts`` hosts with ``machines`` machines each, filled as a real fleet's rows are; one host in twenty does not answer."""
    dice = random.Random(seed)
    now = timezone.now()
    Host.objects.bulk_create([_some_host(dice, number, now) for number in range(1, hosts + 1)])
    for each in Host.objects.order_by("pk"):
        Machine.objects.bulk_create([_some_machine(dice, each, number, now) for number in range(machines)], batch_size=500)


def _some_host(dice: random.Random, number: int, now: Any) -> Host:
    silent = number % 20 == 14
    memory = 512 * GIB
    pool = {"name": "default", "uuid": str(uuid.UUID(int=dice.getrandbits(128))), "kind": "dir", "active": True, "autostart": True}
    return Host(
        name=f"kvm-{number:03d}",
        kind="ssh",
        address=f"10.1.0.{number}",
        state=HostState.OFFLINE if silent else HostState.ONLINE,
        last_seen_at=now - timedelta(minutes=18) if silent else now,
        error="The host did not answer within 5 s." if silent else "",
        hypervisor="QEMU",
        libvirt_version="9.0.0",
        cpus=64,
        memory_bytes=memory,
        cpu_percent=dice.uniform(5, 90),
        memory_used_bytes=int(memory * dice.uniform(0.2, 0.96)),
        pools=[pool | {"capacity_bytes": 20 * 2**40, "allocation_bytes": 11 * 2**40, "available_bytes": 9 * 2**40}],
    )


def _some_machine(dice: random.Random, on: Host, number: int, now: Any) -> Machine:
    state = dice.choices([State.RUNNING, State.OFF, State.PAUSED, State.CRASHED], [80, 17, 2, 1])[0]
    running = state == State.RUNNING
    os_name, os_id = dice.choice(_SYSTEMS)
    ip, mac = f"10.20.{on.pk % 250}.{number % 250}", "52:54:00:" + ":".join(f"{dice.randrange(256):02x}" for _ in range(3))
    memory = dice.choice([1, 2, 2, 4, 4, 8, 16]) * GIB
    return Machine(
        host=on,
        uuid=str(uuid.UUID(int=dice.getrandbits(128))),
        name=f"{dice.choice(_NOUNS)}-{on.pk:03d}-{number:03d}",
        state=state,
        started_at=now - timedelta(hours=dice.randrange(1, 9000)) if running else None,
        vcpus=dice.choice([1, 1, 2, 2, 4]),
        memory_bytes=memory,
        virt_type="kvm",
        machine_type="pc-q35-7.2",
        arch="x86_64",
        firmware="efi",
        os_id=os_id,
        os_name=os_name if running else "",
        addresses=[{"ip": ip, "prefix": 16, "mac": mac, "source": "agent"}] if running else [],
        disks=[{"target": target, "bus": "virtio", "device": "disk", "kind": "file", "format": "qcow2", "readonly": False,
                "source": f"/var/lib/libvirt/images/{on.name}-{number}-{target}.qcow2", "pool": "", "volume": ""} for target in ("vda", "vdb")],
        nics=[{"mac": mac, "kind": "network", "source": "default", "model": "virtio", "target": f"vnet{number}", "link_up": True}],
        graphics=[{"kind": "vnc", "listen": "socket"}],
        search=f"{mac} {ip}" if running else mac,
        cpu_percent=dice.uniform(0, 99) if running else None,
        memory_used_bytes=int(memory * dice.uniform(0.2, 0.98)) if running else None,
        disk_bps=dice.uniform(0, 2e8) if running else None,
        net_bps=dice.uniform(0, 5e7) if running else None,
    )  # fmt: skip
