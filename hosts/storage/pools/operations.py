"""What a worker does with the definition of pools on their host. None of them writes inventory: the watcher looks again (Kind.stirs)."""

from __future__ import annotations

import base64

from hosts.storage.operations import host_of, reach_pool, refuse_if_needed
from jobs import secrets
from jobs.registry import Fate, Result, operation
from jobs.submit import Refused
from jobs.work import Work
from virt import pool as virt_pool
from virt import secret as virt_secret
from virt.connection import Connection
from virt.errors import HostUnreachable, Invalid, NotFound, OperationFailed, VirtError, WrongState
from virt.xml.pools import KINDS, PoolKind, pool_kind
from virt.xml.read.pool import read_pool_login

# ── new ones ──


def _defined(work: Work) -> Fate:
    connection, _ = host_of(work)
    try:
        seen = virt_pool.read(connection, str(work.params["uuid"]))
    except NotFound:
        return Fate.NOT_DONE
    return Fate.DONE if seen.active or not work.params["start"] else Fate.NOT_DONE


def _take_away(work: Work) -> None:
    """The definition and the secret of a pool that will not be; never its data. The uuid is ours: nobody else's pool has it."""
    connection, _ = host_of(work)
    uuid = str(work.params["uuid"])
    if virt_pool.exists(connection, uuid):
        if virt_pool.read(connection, uuid).active:
            virt_pool.stop(connection, uuid)
        virt_pool.undefine(connection, uuid)
    if secret := work.params.get("secret_uuid"):
        virt_secret.remove_ours(connection, str(secret), uuid)


@operation(settle=_defined, clean=_take_away)
def define(work: Work) -> Result:
    """1. its secret · 2. the definition · 3. what it stands on · 4. start · 5. autostart. What fails takes all of it away again."""
    connection, _ = host_of(work)
    kind, uuid = pool_kind(str(work.params["kind"])), str(work.params["uuid"])
    secret = str(work.params.get("secret_uuid", ""))
    xml = kind.build_xml(str(work.params["name"]), uuid, work.params["values"], secret=secret)
    try:
        if secret and kind.login:
            work.phase("Handing the password to libvirt")
            virt_secret.put(connection, secret, kind.login.usage, uuid, _password(work, kind))
        work.phase("Defining the pool")
        virt_pool.define(connection, xml)
        _build_new(work, connection, kind, uuid)
        if work.params["start"]:
            work.phase("Starting it")
            virt_pool.start(connection, uuid)
        if work.params["autostart"]:
            virt_pool.set_autostart(connection, uuid, True)
    except HostUnreachable:  # nobody knows what came of it: the host is asked later
        raise
    except VirtError as exc:
        _take_away(work)
        work.log("The definition is taken away again. What was made on devices or in directories stays.")
        raise type(exc)(f"{exc} No pool is left of it.", exc.detail, exc.code) from exc
    return {"uuid": uuid}


def _build_new(work: Work, connection: Connection, kind: PoolKind, uuid: str) -> None:
    wanted = str(work.params["build"])
    if kind.build == "folder" or (kind.has_path and not wanted):
        work.phase("Making the directory where it is missing")
        virt_pool.build(connection, uuid)
    elif wanted:
        work.phase(f"Making {kind.makes}")
        virt_pool.build(connection, uuid, overwrite=wanted == "overwrite" if kind.overwrites else None)


def _found(work: Work) -> Fate:
    """What was found goes with the worker that asked."""
    return Fate.NOT_DONE


@operation(settle=_found)
def find(work: Work) -> Result:
    connection, host = host_of(work)
    work.phase(f"Asking {host.name} what there is")
    return {"found": virt_pool.sources(connection, str(work.params["kind"]), work.params["values"])}


# ── those that are there ──


def _unknowable(work: Work) -> Fate:
    return Fate.UNKNOWN


@operation(settle=_unknowable)
def build(work: Work) -> Result:
    connection, pool = reach_pool(work)
    kind = pool_kind(pool.kind)
    work.phase(f"Making {kind.makes}")
    overwrite = bool(work.params["overwrite"]) if kind.overwrites else None
    virt_pool.build(connection, pool.uuid, overwrite=overwrite)
    return None


def _removed(work: Work) -> Fate:
    connection, pool = reach_pool(work)
    return Fate.NOT_DONE if virt_pool.exists(connection, pool.uuid) else Fate.DONE


@operation(settle=_removed)
def remove(work: Work) -> Result:
    """1. who uses it · 2. stop · 3. its own data, where that was asked for · 4. the definition · 5. the secret that was made for it"""
    connection, pool = reach_pool(work)
    seen, contents = virt_pool.read(connection, pool.uuid), bool(work.params["contents"])
    if seen.active:
        refuse_if_needed(work, connection, pool.uuid, seen.kind, lost=contents)
        work.phase("Stopping the pool")
        virt_pool.stop(connection, pool.uuid)
    elif contents and KINDS[seen.kind].destroys:
        raise WrongState("The pool is off: nobody can tell who uses its volumes. Start it first.")
    if contents:
        _delete_contents(work, connection, pool.uuid, was_active=seen.active)
    if virt_pool.exists(connection, pool.uuid):  # a transient one went when it stopped
        work.phase("Removing the definition")
        virt_pool.undefine(connection, pool.uuid)
    if (secret := read_pool_login(seen.xml)) and virt_secret.remove_ours(connection, secret, pool.uuid):
        work.log("The password that libvirt kept for it is gone too.")
    return None


def _delete_contents(work: Work, connection: Connection, uuid: str, *, was_active: bool) -> None:
    work.phase("Deleting what the pool stands on")
    try:
        virt_pool.delete_contents(connection, uuid)
    except HostUnreachable:
        raise
    except VirtError as exc:
        if was_active:
            work.log("It could not be deleted: the pool is started again.")
            virt_pool.start(connection, uuid)
        raise OperationFailed(f"{exc} The pool is still defined.", exc.detail, exc.code) from exc


def _redefined(work: Work) -> Fate:
    connection, pool = reach_pool(work)
    return Fate.NOT_DONE if virt_pool.digest_of(connection, pool.uuid) == work.params["based_on"] else Fate.DONE


@operation(settle=_redefined)
def redefine(work: Work) -> Result:
    connection, pool = reach_pool(work)
    work.phase("libvirt holds it against its schema, then saves it")
    virt_pool.redefine(connection, pool.uuid, str(work.params["xml"]), based_on=str(work.params["based_on"]))
    return None


@operation(settle=_unknowable)
def set_password(work: Work) -> Result:
    connection, pool = reach_pool(work)
    value = _password(work, pool_kind(pool.kind))
    work.phase("Handing the password to libvirt")
    virt_secret.set_value(connection, str(work.params["secret_uuid"]), value)
    return None


def _password(work: Work, kind: PoolKind) -> bytes:
    try:
        plain = secrets.take(str(work.params["secret"]))
    except Refused as exc:
        raise Invalid(str(exc)) from exc
    return base64.b64decode(plain) if kind.login and kind.login.encoded else plain.encode()
