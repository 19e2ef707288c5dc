"""What a person may ask of a host. Rights are checked by the caller (hosts/access.py); none of this reaches a hypervisor.

Adding, editing, confirming keys and removing: administrators, because the portal holds the hosts' keys. Testing, enabling
and disabling: the role manager on the host, which changes nothing about how it is reached.

Each change is a compare-and-swap on `revision`, a line in the host's log, an audit entry and a fact for open pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import Grant, User
from accounts.roles import Scope
from hosts import endpoints, keys, log, names
from hosts.endpoints import Consoles
from hosts.models import Host, HostSecret, Kind, RemovedLocal, State
from jobs import submit as jobs
from jobs.models import ACTIVE, Job
from live import facts
from virt.uri import Endpoint

TEST = "hosts.test"


class Refused(jobs.Refused):
    """Not done; the text says why, for the person who asked. `field` is the input it is about, if it is about one."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.field = field


class Stale(Refused):
    """Somebody else changed the host meanwhile."""


@dataclass(frozen=True)
class Actor:
    """Who asks, and by which request; without a user it is the command line or WebVirt itself."""

    user: User | None = None
    request: HttpRequest | None = None
    name_without_user: str = "command line"

    @property
    def name(self) -> str:
        return self.user.username if self.user else self.name_without_user


@dataclass(frozen=True)
class Draft:
    """A host as somebody wants it. `secrets`: those to set, by the fields of Credentials; "" removes one."""

    name: str
    endpoint: Endpoint
    notes: str = ""
    host_key: str = ""  # known and confirmed by other means than the page
    consoles: Consoles = field(default_factory=Consoles)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def columns(self) -> dict[str, Any]:
        """How it is reached, as fields of Host."""
        return {**endpoints.columns(self.endpoint), **self.consoles.columns()}

    @property
    def uses_ssh(self) -> bool:
        return endpoints.uses_ssh(self.endpoint.kind, self.columns["console_way"])


def add(draft: Draft, actor: Actor, *, enable: bool = False) -> Host:
    """A new host: not followed until its test passes (`test`), unless `enable` says that it is known to be right.

    Raises Refused when the name is taken or the same address is there already.
    """
    _refuse_bad(draft, besides=0)
    followed = enable and (bool(draft.host_key) or not endpoints.has_host_key(draft.endpoint.kind))
    host = Host(
        name=draft.name,
        notes=draft.notes,
        host_key=draft.host_key,
        enabled=followed,
        state=State.CONNECTING if followed else State.NEW,
        **draft.columns,
    )
    with transaction.atomic():
        _save_new(host)
        _store_secrets(host, draft.secrets)
        RemovedLocal.objects.filter(kind=host.kind).delete()
        _record(host, actor, "added", f"Added {_reached(host)}.", detail=_public(host))
    return host


def edit(host: Host, draft: Draft, actor: Actor) -> Host:
    """Change name, notes, address and secrets. Raises Stale when `host` is not the present row any more, Refused else.

    Another address means another test: the host is followed again when it has passed.
    """
    _refuse_bad(draft, besides=host.pk)
    changed = _changes(host, draft)
    if not changed:
        return host
    fields: dict[str, Any] = {"name": draft.name, "notes": draft.notes, **draft.columns}
    if not draft.uses_ssh:
        fields |= {"host_key": "", "host_key_offered": ""}
    elsewhere = _is_elsewhere(host, draft.endpoint)
    if elsewhere:
        fields["host_key_offered"] = ""
    if elsewhere and host.state != State.DISABLED:
        fields |= {"enabled": False, "state": State.NEW, "state_since": timezone.now(), "error": "", "error_detail": ""}
    elif host.enabled and host.state != State.ALARM and (changed - {"name", "notes", *draft.consoles.columns()}):
        fields |= {"state": State.CONNECTING, "state_since": timezone.now()}
    with transaction.atomic():
        fresh = _swap(host, fields)
        _store_secrets(fresh, draft.secrets)
        _drop_secrets_of_other_kinds(fresh)
        _record(fresh, actor, "edited", f"Changed: {', '.join(sorted(changed))}.", detail={"changed": sorted(changed), **_public(fresh)})
    return fresh


def test(host: Host, actor: Actor) -> Job:
    """Test the connection. One that runs already for the host as it is now is returned instead of a second one."""
    running = Job.objects.filter(kind=TEST, subject_type="host", subject_id=host.pk, state__in=ACTIVE, params__revision=host.revision).first()
    if running:
        return running
    return jobs.submit(TEST, host.subject, asked_by=actor.user, params={"revision": host.revision})


def confirm_key(host: Host, shown: str, actor: Actor) -> Host:
    """Pin the key that the host offered, if it is still the one that the person saw (`shown`, its fingerprint)."""
    offered = host.host_key_offered
    if not offered:
        raise Refused("There is no key to confirm. Test the connection first.")
    if keys.fingerprint(offered) != shown:
        raise Stale(f"{host.name} offers another key than the one that you saw. Compare again.")
    before = keys.fingerprint(host.host_key)
    fields: dict[str, Any] = {"host_key": offered, "host_key_offered": "", "error": "", "error_detail": ""}
    if host.enabled and endpoints.has_host_key(host.kind):
        fields |= {"state": State.CONNECTING, "state_since": timezone.now()}
    replaced = f", which replaces {before}" if before else ""
    with transaction.atomic():
        fresh = _swap(host, fields)
        _record(fresh, actor, "key", f"Confirmed the host key {shown}{replaced}.", detail={"before": before, "now": shown})
    return fresh


def enable(host: Host, actor: Actor) -> Host:
    """Follow the host (again)."""
    if host.enabled:
        return host
    if endpoints.has_host_key(host.kind) and not host.host_key:
        raise Refused(f"The host key of {host.name} is not confirmed yet.")
    fields = {"enabled": True, "state": State.CONNECTING, "state_since": timezone.now(), "error": "", "error_detail": ""}
    with transaction.atomic():
        fresh = _swap(host, fields)
        _record(fresh, actor, "enabled", "Enabled.")
    return fresh


def disable(host: Host, actor: Actor) -> Host:
    """Leave the host alone: its machines stay listed as last seen."""
    if not host.enabled:
        return host
    _refuse_while_jobs_run(host)
    with transaction.atomic():
        fresh = _swap(host, {"enabled": False, "state": State.DISABLED, "state_since": timezone.now(), "error": "", "error_detail": ""})
        _record(fresh, actor, "disabled", "Disabled.")
    return fresh


def remove(host: Host, typed: str, actor: Actor) -> None:
    """Forget the host, its machines' rows and their history. On the host nothing changes."""
    if typed.strip() != host.name:
        raise Refused(f"To remove it, type its name: {host.name}", field="typed")
    _refuse_while_jobs_run(host)
    with transaction.atomic():
        # Locked: nothing of it comes in between, where the database can write twice at a time.
        if Host.objects.select_for_update().filter(pk=host.pk, revision=host.revision).first() is None:
            raise Stale(f"{host.name} was changed meanwhile. Look again.")
        audit.record("hosts.remove", host.name, actor=actor.user, request=actor.request, detail=_public(host))
        if host.kind in (Kind.LOCAL, Kind.SESSION):
            RemovedLocal.objects.get_or_create(kind=host.kind, defaults={"actor": actor.name})
        Grant.objects.filter(scope=Scope.HOST, object_id=host.pk).delete()
        topics, key = [*host.topics, "machines"], host.pk
        Host.objects.filter(pk=host.pk).delete()
        facts.publish(topics, "removed", host_id=key)


# ── the steps ──


def _swap(host: Host, fields: dict[str, Any]) -> Host:
    """Write `fields` if nobody was faster; the fresh row. Raises Stale, or Refused for a name that is taken."""
    try:
        with transaction.atomic():
            changed = Host.objects.filter(pk=host.pk, revision=host.revision).update(**fields, revision=F("revision") + 1)
    except IntegrityError as exc:
        raise Refused(_NAME_TAKEN, field="name") from exc
    if not changed:
        raise Stale(f"{host.name} was changed meanwhile. Look at what it is now, then save again.")
    return Host.objects.get(pk=host.pk)


def _save_new(host: Host) -> None:
    try:
        with transaction.atomic():
            host.save(force_insert=True)
    except IntegrityError as exc:
        raise Refused(_NAME_TAKEN, field="name") from exc


def _record(host: Host, actor: Actor, what: str, words: str, *, detail: dict[str, Any] | None = None) -> None:
    log.write(host, what, words, actor=actor.name)
    audit.record(f"hosts.{what}", host.name, actor=actor.user, request=actor.request, detail=detail)
    facts.publish(host.topics, what, host_id=host.pk)


def _store_secrets(host: Host, secrets: dict[str, str]) -> None:
    for name, plain in secrets.items():
        if plain:
            HostSecret.put(host, name, plain)
        else:
            host.secrets.filter(name=name).delete()


def _drop_secrets_of_other_kinds(host: Host) -> None:
    uses_ssh = endpoints.uses_ssh(host.kind, host.console_way)
    kept = [name for name in SECRETS_OF.get(host.kind, ()) if name != "private_key" or uses_ssh]
    host.secrets.exclude(name__in=kept).delete()


def _refuse_bad(draft: Draft, *, besides: int) -> None:
    problem = names.problem(draft.name)
    if problem:
        raise Refused(problem, field="name")
    if Host.objects.filter(name__iexact=draft.name).exclude(pk=besides).exists():
        raise Refused(_NAME_TAKEN, field="name")
    if len(draft.endpoint.path) > _LONGEST_PATH:
        raise Refused(f"A path has at most {_LONGEST_PATH} characters.", field="path")
    _refuse_same_address(draft.endpoint, besides=besides)


def _refuse_same_address(endpoint: Endpoint, *, besides: int) -> None:
    same = Host.objects.filter(**endpoints.columns(endpoint)).exclude(pk=besides).first()
    if same:
        raise Refused(f"{same.name} has this very address already.", field="address" if endpoint.host else "path" if endpoint.path else "kind")


def _refuse_while_jobs_run(host: Host) -> None:
    running = Job.objects.filter(host_id=host.pk, changing=True, state__in=ACTIVE)
    count, first = running.count(), running.first()
    if first:
        more = f" and {count - 1} more" if count > 1 else ""
        raise Refused(f"{first.title} {first.subject_name}{more} is not finished on {host.name}. Wait for it, or cancel it.")


def _is_elsewhere(host: Host, endpoint: Endpoint) -> bool:
    """Whether another daemon may answer there: another name, other notes or another login are no reason for a new test."""
    there = endpoints.columns(endpoint)
    return any(getattr(host, name) != there[name] for name in ("kind", "driver", "address", "port", "path", "session"))


def _changes(host: Host, draft: Draft) -> set[str]:
    """Words for what differs; of secrets only that they were given anew."""
    wanted = {"name": draft.name, "notes": draft.notes, **draft.columns}
    changed = {name for name, value in wanted.items() if getattr(host, name) != value}
    return changed | {name.replace("_", " ") for name in draft.secrets}


def _public(host: Host) -> dict[str, Any]:
    """What the audit log keeps of an address."""
    through = endpoints.console_place(host)
    known = {"kind": host.kind, "address": endpoints.place(host), "host_key": keys.fingerprint(host.host_key)}
    return known | ({"consoles through": through} if through else {})


def _reached(host: Host) -> str:
    where = endpoints.place(host)
    return f"{endpoints.transport(host)}{f', {where}' if where else ''}"


SECRETS_OF: dict[str, tuple[str, ...]] = {
    Kind.SSH: ("private_key",),
    Kind.TCP: ("sasl_user", "sasl_password", "private_key"),
    Kind.TLS: ("ca_cert", "client_cert", "client_key", "private_key"),
}

_LONGEST_PATH = 255
_NAME_TAKEN = "Another host has this name."
