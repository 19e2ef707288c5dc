"""Whether a new pool would lie where another one of its host lies already, as the rows tell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from hosts.models import Host
from hosts.storage.models import Pool
from jobs.models import Job, State
from virt.errors import Invalid
from virt.xml.devices.kind import Values
from virt.xml.pools import PoolKind
from virt.xml.read.pool import PoolDefinition, read_pool

_ROWS_FOLLOW = timedelta(minutes=1)
_PATHS = ("dir", "fs", "netfs")


@dataclass(frozen=True)
class Clash:
    """`field`: at which it is said. `certain`: both would hold the same; else it is only unusual, and a person may want it."""

    field: str
    words: str
    certain: bool = True


def standing(host: Host) -> QuerySet[Pool]:
    """The host's pools, without those that were removed a moment ago: their rows do not know it before the host is read again."""
    just_now = timezone.now() - _ROWS_FOLLOW
    removed = Job.objects.filter(
        kind="hosts.storage.pools.remove", subject_type="pool", subject_id=models.OuterRef("pk"), state=State.DONE, finished_at__gt=just_now
    )
    return Pool.objects.filter(~models.Exists(removed), host=host, gone_at=None)


def clashes(host: Host, kind: PoolKind, values: Values, *, but: Pool | None = None) -> list[Clash]:
    """With every pool of the host; `but`: not with this one."""
    others = standing(host).exclude(pk=but.pk if but else 0)
    return [clash for other in others for clash in _with(kind, values, other)]


def _with(kind: PoolKind, values: Values, other: Pool) -> Iterator[Clash]:
    if kind.has_path and other.kind in _PATHS and values.get("path") and other.path:
        yield from _of_paths(values["path"].rstrip("/"), other)
    try:
        theirs = read_pool(other.xml)
    except Invalid:
        return
    for name in ("device", "devices"):
        for device in values.get(name, "").split():
            if device in theirs.devices:
                yield Clash(name, _("The pool %(name)s uses %(place)s already.") % {"name": other.name, "place": device})
    if other.kind == kind.name and (name := _same_source(kind, values, theirs)):
        yield Clash(name, _("The pool %(name)s is that already.") % {"name": other.name})


def _of_paths(path: str, other: Pool) -> Iterator[Clash]:
    theirs = other.path.rstrip("/")
    if path == theirs:
        yield Clash("path", _("The pool %(name)s is there already.") % {"name": other.name})
    elif path.startswith(f"{theirs}/"):
        yield Clash("path", _("It lies in the pool %(name)s (%(place)s), which would show it as a volume.") % {"name": other.name, "place": theirs}, False)
    elif theirs.startswith(f"{path}/"):
        yield Clash("path", _("The pool %(name)s lies in it: %(place)s.") % {"name": other.name, "place": theirs}, False)


def _same_source(kind: PoolKind, values: Values, theirs: PoolDefinition) -> str:
    """The field at which to say that the source is the same, "" when it is another one."""
    if kind.name in ("logical", "zfs"):
        return "source" if values.get("source") == theirs.source_name else ""
    if kind.name == "rbd":
        return "source" if (values.get("source"), tuple(values.get("host", "").split())) == (theirs.source_name, theirs.hosts) else ""
    if kind.name == "netfs":
        return "directory" if ((values.get("host"),), values.get("directory")) == (theirs.hosts, theirs.directory) else ""
    return ""
