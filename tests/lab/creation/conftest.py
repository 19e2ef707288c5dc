"""A host with a pool that holds the tiny guest in every shape."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import connections
from hosts.models import Host as HostRow
from hosts.models import State
from tests.lab import images
from tests.lab.lab import Host, Lab

POOL = "images"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of a volume → the file."""
    directory = tmp_path_factory.mktemp("shapes")
    return {
        "tiny.iso": images.bootable(),
        "tiny.qcow2": images.converted(directory, "qcow2"),
        "mono.vmdk": images.converted(directory, "vmdk", name="mono.vmdk", options="subformat=monolithicSparse"),
        "stream.vmdk": images.converted(directory, "vmdk", name="stream.vmdk", options="subformat=streamOptimized"),
        **images.split(directory, "sparse", "twoGbMaxExtentSparse"),
        **images.split(directory, "flat", "twoGbMaxExtentFlat"),
        **images.split(directory, "one", "monolithicFlat"),
        "tiny.vdi": images.converted(directory, "vdi"),
        "tiny.vhd": images.converted(directory, "vpc", name="tiny.vhd"),
        "fixed.vhd": images.converted(directory, "vpc", name="fixed.vhd", options="subformat=fixed"),
        "tiny.vhdx": images.converted(directory, "vhdx"),
        "tiny.ova": images.ova(directory),
    }


def stock(host: Host, shapes: dict[str, Path]) -> None:
    """A pool on a directory of the host's, as its administrator would fill it."""
    directory = host.lab.shared / f"images-{host.name}"
    directory.mkdir(exist_ok=True)
    for name, file in shapes.items():
        if not (directory / name).exists():
            shutil.copyfile(file, directory / name)
    if POOL not in host.virsh("pool-list", "--all", "--name").split():
        host.virsh("pool-define-as", POOL, "dir", "--target", f"/srv/shared/images-{host.name}")
        host.virsh("pool-start", POOL)
    host.virsh("pool-refresh", POOL)


@pytest.fixture(scope="session")
def stocked(lab: Lab, shapes: dict[str, Path]) -> Host:
    stock(lab["h1"], shapes)
    return lab["h1"]


@pytest.fixture
def row(stocked: Host, db: None, redis: Path) -> Iterator[HostRow]:
    """The host as the worker knows it, inside this process."""
    host = HostRow.objects.create(name="h1", kind="socket", path=str(stocked.socket), state=State.ONLINE, kvm=False)
    yield host
    connections.drop(host.pk)
