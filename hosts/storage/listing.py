"""Lists of pools and volumes: which, in which order, on which page; the URL says it all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Q, QuerySet, Sum
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import Role
from hosts import levels
from hosts.levels import Level
from hosts.models import Host
from hosts.storage import access, kinds, users
from hosts.storage.models import Pool, Volume
from hosts.storage.users import Used

SIZE = 50
_LONGEST_SEARCH = 200
_MOST_POOLS = 500  # shown at once: they are few, and their bars are to be compared


def count_of(host: Host) -> int:
    """For the badge of the host's tab."""
    return Pool.objects.filter(host=host, gone_at=None).count()


# ── pools ──

_POOL_SORTS = {
    "name": ("name",),
    "host": ("host__name", "name"),
    "kind": ("kind", "name"),
    "free": ("available_bytes",),
    "size": ("capacity_bytes",),
    "volumes": ("volume_count",),
}


@dataclass(frozen=True)
class PoolRow:
    """A pool with what its bar shows, percent of its size: used, and promised to its volumes."""

    pool: Pool
    manages: bool = False

    @property
    def kind(self) -> str:
        return kinds.word(self.pool.kind)

    @property
    def shape(self) -> str:
        """A state's shape in the sprite (live/templatetags/wv.py)."""
        if self.pool.gone_at:
            return "gone"
        if self.pool.is_stale:
            return "stale"
        return {"running": "ok", "degraded": "warn", "inaccessible": "down", "building": "stale"}.get(self.pool.state, "off")

    @property
    def word(self) -> str:
        if self.pool.gone_at:
            return str(_("Gone"))
        return str(_("Last seen")) if self.pool.is_stale else str(self.pool.get_state_display())

    @property
    def used(self) -> float:
        return 100 * self.pool.used_bytes / self.pool.capacity_bytes if self.pool.capacity_bytes else 0.0

    @property
    def promised(self) -> float:
        return 100 * self.pool.promised_bytes / self.pool.capacity_bytes if self.pool.capacity_bytes else 0.0

    @property
    def fill(self) -> str:
        """Its bar's colour."""
        return "is-err" if self.used >= 97 else "is-warn" if self.used >= 90 else ""

    @property
    def overbooked(self) -> bool:
        return self.promised > 100


@dataclass(frozen=True)
class PoolQuery:
    text: str = ""
    sort: str = "name"
    state: str = ""

    @classmethod
    def of(cls, asked: QueryDict) -> PoolQuery:
        sort = asked.get("sort", "")
        return cls(
            text=asked.get("q", "").strip()[:_LONGEST_SEARCH],
            sort=sort if sort.removeprefix("-") in _POOL_SORTS else "name",
            state=asked.get("state", "") if asked.get("state", "") in ("running", "off", "full") else "",
        )

    def url(self, **changes: Any) -> str:
        changed = replace(self, **changes)
        parts = [(name, value) for name, value in (("q", changed.text), ("state", changed.state)) if value]
        parts += [("sort", changed.sort)] if changed.sort != "name" else []
        return "?" + urlencode(parts)


class PoolPage:
    """Pools of the fleet, or of one host."""

    def __init__(self, query: PoolQuery, user: User, host: Host | None = None) -> None:
        self.query, self._user, self.host = query, user, host

    @cached_property
    def everything(self) -> QuerySet[Pool]:
        pools = access.visible(self._user).select_related("host").defer("xml", "host__capabilities", "host__pools", "host__networks")
        return pools.filter(host=self.host) if self.host else pools

    @cached_property
    def total(self) -> int:
        return self.everything.count()

    @cached_property
    def rows(self) -> list[PoolRow]:
        pools = self.everything
        if text := self.query.text:
            pools = pools.filter(Q(name__icontains=text) | Q(host__name__icontains=text) | Q(path__icontains=text) | Q(source__icontains=text))
        if self.query.state == "full":
            pools = pools.filter(capacity_bytes__gt=0, available_bytes__lt=F("capacity_bytes") * 0.1)
        elif self.query.state:
            pools = pools.filter(state=self.query.state)
        fields = _POOL_SORTS[self.query.sort.removeprefix("-")]
        order = [F(name).desc() if self.query.sort.startswith("-") else F(name).asc() for name in fields]
        return [PoolRow(pool, access.may(self._user, pool, Role.MANAGER)) for pool in pools.order_by(*order, "pk")[:_MOST_POOLS]]

    @cached_property
    def level(self) -> Level:
        """How full they are together; a file system that several share is counted once."""
        return levels.of_pools(self._levels)

    @cached_property
    def promised_bytes(self) -> int:
        return self.everything.aggregate(sum=Sum("promised_bytes"))["sum"] or 0

    @cached_property
    def manages(self) -> bool:
        if self.host:
            return self._user.rights.on_host(self.host.pk) >= Role.MANAGER
        rights = self._user.rights
        return rights.fleet >= Role.MANAGER or bool(rights.host_ids(Role.MANAGER))

    @property
    def heads(self) -> list[Head]:
        names = [("name", _("Pool")), *([] if self.host else [("host", _("Host"))]), ("kind", _("Kind")), ("free", _("Free")), ("size", _("Size"))]
        return [_head(self.query, name, title, ("free", "size", "volumes")) for name, title in [*names, ("volumes", _("Volumes"))]]

    @property
    def _levels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for host_id, state, kind, capacity, available in self.everything.order_by().values_list(
            "host_id", "state", "kind", "capacity_bytes", "available_bytes"
        ):
            found.append({"active": state == "running", "kind": kind, "capacity_bytes": capacity, "available_bytes": available, "host": host_id})
        return found


@dataclass(frozen=True)
class Head:
    name: str
    title: Any
    url: str
    sorted: str


def _head(query: Any, name: str, title: Any, biggest_first: Sequence[str]) -> Head:
    now = query.sort
    first = f"-{name}" if name in biggest_first else name
    wanted = (name if now.startswith("-") else f"-{name}") if now.removeprefix("-") == name else first
    is_sorted = "" if now.removeprefix("-") != name else "descending" if now.startswith("-") else "ascending"
    return Head(name, title, query.url(sort=wanted), is_sorted)


# ── volumes ──

_VOLUME_SORTS = {
    "name": "name",
    "format": "format",
    "capacity": "capacity_bytes",
    "allocation": "allocation_bytes",
}


@dataclass(frozen=True)
class VolumeRow:
    volume: Volume
    used: list[Used]
    job: Any = None

    @property
    def more(self) -> int:
        return max(0, len(self.used) - 2)


@dataclass(frozen=True)
class VolumeQuery:
    text: str = ""
    sort: str = "name"
    page: int = 1
    kind: str = ""

    @classmethod
    def of(cls, asked: QueryDict) -> VolumeQuery:
        sort, page = asked.get("sort", ""), asked.get("page", "")
        return cls(
            text=asked.get("q", "").strip()[:_LONGEST_SEARCH],
            sort=sort if sort.removeprefix("-") in _VOLUME_SORTS else "name",
            page=max(1, int(page)) if re.fullmatch(r"[0-9]{1,6}", page) else 1,
            kind=asked.get("kind", "") if asked.get("kind", "") in ("iso", "disk", "layer") else "",
        )

    def url(self, **changes: Any) -> str:
        changed = replace(self, **{"page": 1, **changes})
        parts = [(name, value) for name, value in (("q", changed.text), ("kind", changed.kind)) if value]
        parts += [("sort", changed.sort)] if changed.sort != "name" else []
        parts += [("page", str(changed.page))] if changed.page > 1 else []
        return "?" + urlencode(parts)

    def chosen(self, volumes: QuerySet[Volume]) -> QuerySet[Volume]:
        if self.text:
            volumes = volumes.filter(name__icontains=self.text)
        is_iso = Q(format="iso") | Q(name__iendswith=".iso")
        if self.kind == "iso":
            return volumes.filter(is_iso)
        if self.kind == "disk":
            return volumes.exclude(is_iso)
        if self.kind == "layer":
            return volumes.exclude(backing_path="")
        return volumes

    @property
    def order(self) -> tuple[Any, ...]:
        field = _VOLUME_SORTS[self.sort.removeprefix("-")]
        return (F(field).desc() if self.sort.startswith("-") else F(field).asc(), *(() if field == "name" else ("name",)), "pk")


class VolumePage:
    """Volumes of one pool; or ISO images of all pools, where `pool` is None."""

    def __init__(self, query: VolumeQuery, volumes: QuerySet[Volume], user: User, pool: Pool | None = None) -> None:
        self.query, self.pool = query, pool
        self._all, self._user = volumes, user

    @cached_property
    def total(self) -> int:
        return self.query.chosen(self._all).count()

    @property
    def everything(self) -> int:
        return self.pool.volume_count if self.pool else self.total

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // SIZE))

    @property
    def page(self) -> int:
        return min(self.query.page, self.pages)

    @property
    def first(self) -> int:
        return (self.page - 1) * SIZE + 1 if self.total else 0

    @property
    def last(self) -> int:
        return min(self.page * SIZE, self.total)

    @property
    def previous_url(self) -> str:
        return self.query.url(page=self.page - 1) if self.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self.query.url(page=self.page + 1) if self.page < self.pages else ""

    @cached_property
    def rows(self) -> list[VolumeRow]:
        chosen = self.query.chosen(self._all).select_related("pool__host").order_by(*self.query.order)
        volumes = list(chosen[(self.page - 1) * SIZE : self.page * SIZE])
        by_pool: dict[int, list[Volume]] = {}
        for volume in volumes:
            by_pool.setdefault(volume.pool_id, []).append(volume)
        pools = {volume.pool_id: volume.pool for volume in volumes}
        usage = users.Usage(list(pools.values()), self._user)
        used: dict[int, list[Used]] = {}
        for pk, theirs in by_pool.items():
            used |= usage.of(theirs, pools[pk])
        return [VolumeRow(volume, used[volume.pk]) for volume in volumes]

    @property
    def heads(self) -> list[Head]:
        names = (("name", _("Volume")), ("format", _("Format")), ("capacity", _("Size")), ("allocation", _("On disk")))
        return [_head(self.query, name, title, ("capacity", "allocation")) for name, title in names]
