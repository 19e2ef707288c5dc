"""Pools and volumes: their rights are those on the host."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from hosts.storage.models import Place, Pool, Volume
from jobs.models import Job
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing
from virt.xml import tree
from virt.xml.read.pool import definition_of

_XML = "<pool type='dir'><name>images</name><uuid>pool-{host}</uuid><target><path>{path}</path></target></pool>"


def _definition(host: str, path: str = "/srv/images") -> str:
    return definition_of(_XML.format(host=host, path=path))


def _search(thing: Thing) -> dict[str, Any]:
    fields = {"subject_id": thing.host.pk, "subject_name": thing.host.name, "params": {"kind": "logical", "values": {}}}
    same = {"kind": "hosts.storage.pools.find", "subject_type": "host", "changing": False, "state": "done", "host_id": thing.host.pk}
    job, _ = Job.objects.get_or_create(**same, defaults=fields)
    return {"pk": thing.host.pk, "job": job.pk}


def _pool(thing: Thing) -> dict[str, Any]:
    pool, _ = Pool.objects.get_or_create(
        host=thing.host,
        uuid=f"pool-{thing.host.name}",
        defaults={"name": "images", "kind": "dir", "state": "running", "path": "/srv/images", "capacity_bytes": 2**40, "xml": _definition(thing.host.name)},
    )
    return {"pk": pool.pk, "pool_id": pool.pk}


def _volume(thing: Thing) -> dict[str, Any]:
    where = _pool(thing)
    volume, _ = Volume.objects.get_or_create(
        pool_id=where["pk"], name="spare.qcow2", defaults={"path": "/srv/images/spare.qcow2", "format": "qcow2", "capacity_bytes": 2**30}
    )
    return {**where, "name": volume.name}


def _place(thing: Thing) -> dict[str, Any]:
    place, _ = Place.objects.get_or_create(pool_id=_volume(thing)["pk"], name="spare.qcow2")
    return {"pk": place.pk}


KINDS = {"pool": Kind("host", _pool), "volume": Kind("host", _volume), "place": Kind("host", _place), "search": Kind("host", _search)}

_NEW = {"name": "new.qcow2", "size": "1", "unit": "GiB", "format": "qcow2"}
_EDIT = {"xml": _definition("near", "/srv/other"), "based_on": tree.digest(_definition("near")), "confirmed": "1"}
_COPY = {"name": "copy.qcow2"}

PAGES: dict[str, Row] = {
    "storage:pools": reads(SIGNED_IN),
    "storage:isos": reads(SIGNED_IN),
    "storage:of-host": reads(Role.VIEWER, "host"),
    "storage:place": reads(Role.VIEWER, "place"),
    "storage:pool": reads(Role.VIEWER, "pool"),
    "storage:pool-xml": Row({"GET": Role.OPERATOR, "POST": Role.MANAGER}, "pool", _EDIT),
    "storage:choose-host": reads(SIGNED_IN),
    "storage:new-pool": does(Role.MANAGER, "host", {"kind": "dir", "name": "new", "path": "/srv/new"}, asks=True),
    "storage:found-sources": reads(Role.MANAGER, "search"),
    "storage:pool-build": does(Role.MANAGER, "pool", {"typed": "images"}, asks=True, changes=False),  # it runs
    "storage:pool-remove": does(Role.MANAGER, "pool", {"typed": "images"}, asks=True),
    "storage:pool-password": does(Role.MANAGER, "pool", {"password": "secret"}, asks=True, changes=False),  # a directory has none
    "storage:pool-power": does(Role.MANAGER, "pool", {"action": "refresh"}),
    "storage:pool-autostart": does(Role.MANAGER, "pool", {"on": "1"}),
    "storage:create": does(Role.MANAGER, "pool", _NEW, asks=True),
    "storage:delete-many": does(Role.MANAGER, "pool", {"names": ["spare.qcow2"], "confirmed": "1"}),
    "storage:volume": reads(Role.VIEWER, "volume"),
    "storage:clone": does(Role.MANAGER, "volume", lambda world: {**_COPY, "pool": Pool.objects.get(host=world.near.host).pk}, asks=True),
    "storage:resize": does(Role.MANAGER, "volume", {"size": "2", "unit": "GiB"}, asks=True),
    "storage:wipe": does(Role.MANAGER, "volume", {"algorithm": "zero", "typed": "spare.qcow2"}, asks=True),
    "storage:delete": does(Role.MANAGER, "volume", {"typed": "spare.qcow2"}, asks=True),
}

CALLS: dict[str, Row] = {
    "GET /storage/pool-kinds": reads(SIGNED_IN),
    "GET /storage/pools": reads(SIGNED_IN),
    "GET /storage/pools/{pool_id}": reads(Role.VIEWER, "pool"),
    "POST /storage/hosts/{host_id}/pools": does(Role.MANAGER, "host", {"name": "new", "kind": "dir", "values": {"path": "/srv/new"}}),
    "PUT /storage/pools/{pool_id}/power": does(Role.MANAGER, "pool", {"action": "refresh"}, method="PUT"),
    "DELETE /storage/pools/{pool_id}": does(Role.MANAGER, "pool", method="DELETE"),
}
