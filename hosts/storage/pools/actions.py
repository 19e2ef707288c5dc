"""What a person may ask about the definition of pools. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, NoReturn

from accounts import audit
from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.models import Host
from hosts.storage import actions as storage
from hosts.storage import users
from hosts.storage.models import Pool, Volume
from hosts.storage.pools import places
from jobs import secrets
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused, Subject
from virt import names
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Values
from virt.xml.parse import parse
from virt.xml.pools import KINDS, PoolKind, pool_kind
from virt.xml.read.pool import definition_of, read_pool, read_pool_login

KIND = "hosts.storage.pools."
_ASKED_ABOUT = 2_000  # volumes whose users are looked for before all of them are deleted with their pool


@dataclass(frozen=True)
class NewPool:
    """A pool to be made.

    values    as the kind's fields; never a password
    build     "" when what it stands on is there, "new" to make it, "overwrite" to make it over what is there
    """

    name: str
    kind: str
    values: Values
    build: str = ""
    start: bool = True
    autostart: bool = True
    password: str = field(default="", repr=False)


def host_refusal(host: Host) -> str:
    return "" if host.is_online else f"{host.name} does not answer."


def define(user: User, host: Host, wish: NewPool) -> Job:
    """Define it, build what it stands on, start it. All of it or nothing: what fails takes the definition away again."""
    if reason := host_refusal(host) or _problem(host, wish):
        _refuse(user, "define", wish.name[:100], reason)
    params: dict[str, Any] = {"name": wish.name, "kind": wish.kind, "uuid": str(uuid.uuid4()), "values": wish.values}
    params |= {"build": wish.build, "start": wish.start, "autostart": wish.autostart}
    if not wish.password:
        return _submit(user, host, "define", params)
    token = secrets.put(wish.password)
    try:
        return _submit(user, host, "define", params | {"secret": token, "secret_uuid": str(uuid.uuid4())})
    except Refused:
        secrets.drop(token)
        raise


def define_again(user: User, job: Job) -> Job:
    """The same once more; what was secret is not kept, so it has to be entered again."""
    host = host_access.get(user, job.host_id, Role.MANAGER)
    asked = job.params
    if asked.get("secret"):
        raise Refused("Its password is not kept. Enter it again in the form.")
    return define(user, host, NewPool(**{name: asked[name] for name in ("name", "kind", "values", "build", "start", "autostart")}))


def find(user: User, host: Host, kind: PoolKind, values: Values) -> Job:
    """Ask the host what there is to make a pool of; the job's result is {"found": [values]}."""
    if reason := host_refusal(host):
        _refuse(user, "find", kind.title, reason)
    if kind.search is None:
        _refuse(user, "find", kind.title, "libvirt can't search for sources of this kind.")
    asked = {name: values.get(name, "") for name in kind.search or ()}
    for name, value in asked.items():
        if words := kind.field(name).problem(value):
            _refuse(user, "find", kind.title, f"{kind.field(name).title}: {words}")
    return _submit(user, host, "find", {"kind": kind.name, "values": asked})


# ── pools that are there ──


def build_refusal(pool: Pool) -> str:
    if reason := _refusal(pool):
        return reason
    if pool.kind not in KINDS or not KINDS[pool.kind].build:
        return "There is nothing to be built for a pool of this kind."
    return "Stop it first." if pool.is_active else ""


def build(user: User, pool: Pool, overwrite: bool) -> Job:
    """Make what it stands on. `overwrite`: over what is there."""
    if reason := build_refusal(pool):
        _refuse(user, "build", pool.name, reason)
    return jobs.submit(f"{KIND}build", pool.subject, asked_by=user, params={"overwrite": overwrite})


def remove_refusal(pool: Pool) -> str:
    if reason := _refusal(pool):
        return reason
    making = storage.making(pool)
    return f"{making[0].title} {making[0].subject_name} is not finished." if making else ""


def contents_refusal(pool: Pool, user: User) -> str:
    """Why its own data can't be deleted with it now, or ""; the host is asked once more before it is."""
    kind = KINDS.get(pool.kind)
    if kind is None or not kind.delete:
        return "libvirt can't do that for a pool of this kind."
    if kind.empty_first and pool.volume_count:
        return "It has volumes: delete them first."
    if kind.destroys and not pool.is_active:
        return "Start it first: while it is off the host can't tell who uses its volumes."
    if kind.destroys and (used := used_in(pool, user)):
        return storage.used_words(used)
    return ""


def used_in(pool: Pool, user: User) -> list[users.Used]:
    """Who uses any of its volumes, as far as is known."""
    volumes = list(pool.volumes.all()[:_ASKED_ABOUT])
    found = users.Usage([pool], user).of(volumes, pool)
    return list(dict.fromkeys(used for each in found.values() for used in each if not (used.kind == "volume" and _is_in(pool, used, volumes))))


def remove(user: User, pool: Pool, contents: bool) -> Job:
    """Forget the pool, stopping it first where it runs. `contents`: with its own data, as PoolKind.delete says it."""
    if reason := remove_refusal(pool) or (contents and contents_refusal(pool, user)):
        _refuse(user, "remove", pool.name, str(reason))
    return jobs.submit(f"{KIND}remove", pool.subject, asked_by=user, params={"contents": contents})


def edit_refusal(pool: Pool) -> str:
    if reason := _refusal(pool):
        return reason
    return "" if pool.persistent else "It is transient: it has no definition that could be changed."


class Stale(Refused):
    """The definition is not the one that the edit was based on."""


def checked_xml(pool: Pool, xml: str) -> str:
    """The definition as it would be sent. Raises Invalid for what a person could not do by the forms either, or that is another pool."""
    wanted = read_pool(xml)
    if (wanted.name, wanted.uuid or pool.uuid, wanted.kind) != (pool.name, pool.uuid, pool.kind):
        raise Invalid(f"The name, the UUID and the kind of a pool can't be changed here: it is {pool.name}, {pool.uuid}, {pool.kind}.")
    if any(node.get("passwd") is not None for node in parse(xml).iter("auth")):
        raise Invalid("A password does not stand in a definition: it is kept as a secret, and set by the entry “Password” of the pool's menu.")
    kind = KINDS.get(pool.kind)
    if kind is None:
        if wanted.path and not wanted.path.startswith("/dev/"):
            names.pool_target(wanted.path)
        return definition_of(xml)
    before, after = kind.read(pool.xml), kind.read(xml)
    changed = {name: value for name, value in after.items() if value != before.get(name, "")}
    problems = {name: words for name, words in kind.problems(after).items() if name in changed}
    if wanted.path and wanted.path != read_pool(pool.xml).path and not wanted.path.startswith("/dev"):
        names.pool_target(wanted.path)
    for name, words in problems.items():
        raise Invalid(f"{kind.field(name).title}: {words}")
    for clash in places.clashes(pool.host, kind, changed, but=pool):
        if clash.certain:
            raise Invalid(clash.words)
    return definition_of(xml)


def redefine(user: User, pool: Pool, xml: str, based_on: str) -> Job:
    """Replace its definition. Raises Stale, Invalid, Refused."""
    if reason := edit_refusal(pool):
        _refuse(user, "redefine", pool.name, reason)
    if based_on != tree.digest(pool.xml):
        raise Stale("Somebody changed the definition meanwhile.")
    return jobs.submit(f"{KIND}redefine", pool.subject, asked_by=user, params={"xml": checked_xml(pool, xml), "based_on": based_on})


def password_refusal(pool: Pool) -> str:
    if reason := _refusal(pool):
        return reason
    kind = KINDS.get(pool.kind)
    if kind is None or kind.login is None:
        return "Pools of this kind have no password."
    return "" if secret_of(pool) else "It signs in with none: its definition names no secret."


def set_password(user: User, pool: Pool, password: str) -> Job:
    """Another password in libvirt's secret; it counts when the pool starts next."""
    if reason := password_refusal(pool):
        _refuse(user, "set_password", pool.name, reason)
    token = secrets.put(password)
    try:
        return jobs.submit(f"{KIND}set_password", pool.subject, asked_by=user, params={"secret": token, "secret_uuid": secret_of(pool)})
    except Refused:
        secrets.drop(token)
        raise


def secret_of(pool: Pool) -> str:
    """The uuid of the secret that its definition names, "" for none."""
    try:
        return read_pool_login(pool.xml)
    except Invalid:
        return ""


# ── steps ──


def _problem(host: Host, wish: NewPool) -> str:
    """The rules of the form again: the API and whoever asks again come without one."""
    try:
        kind = pool_kind(wish.kind)
        for name in wish.values:
            kind.field(name)
        kind.build_xml(wish.name, "", wish.values)
    except Invalid as exc:
        return str(exc)
    if words := _login_problem(kind, wish):
        return words
    if places.standing(host).filter(name=wish.name).exists():
        return f"A pool {wish.name} is on {host.name} already."
    if wish.build not in builds(kind):
        return "That can't be built."
    return next((clash.words for clash in places.clashes(host, kind, kind.completed(wish.name, wish.values)) if clash.certain), "")


def _login_problem(kind: PoolKind, wish: NewPool) -> str:
    if not wish.password:
        return f"{kind.field('password').title}: Give the password." if wish.values.get("user") else ""
    if kind.login is None or not wish.values.get("user"):
        return "Whose password is it?"
    return f"{kind.field('password').title}: {words}" if (words := kind.field("password").problem(wish.password)) else ""


def builds(kind: PoolKind) -> tuple[str, ...]:
    """What NewPool.build may be."""
    return ("", "new", "overwrite") if kind.overwrites else ("", "new") if kind.build == "format" else ("",)


def _refusal(pool: Pool) -> str:
    if pool.gone_at:
        return "It is not on its host any more."
    return f"{pool.host.name} does not answer." if pool.is_stale else ""


def _is_in(pool: Pool, used: users.Used, volumes: list[Volume]) -> bool:
    """A layer of the same pool goes with it."""
    return any(used.url == volume.get_absolute_url() for volume in volumes)


def _submit(user: User, host: Host, kind: str, params: dict[str, Any]) -> Job:
    return jobs.submit(KIND + kind, Subject("host", host.pk, host.name, host.pk, host.name), asked_by=user, params=params)


def _refuse(user: User, kind: str, name: str, reason: str) -> NoReturn:
    audit.record(KIND + kind, name, actor=user, result="refused", detail={"why": reason})
    raise Refused(f"{name}: {reason}")
