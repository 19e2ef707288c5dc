"""Which watcher follows which host: a lease in the host's row, taken and renewed by compare-and-swap.

1. Each watcher leaves a beat; those whose beat is fresh share the hosts evenly.
2. A watcher takes hosts whose lease has run out, up to its share, and gives back what is above it.
3. It renews what it holds. One that dies stops renewing: its hosts are taken over when their leases have run out.
4. Whoever writes looks first whether the lease is still theirs (`held`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from hosts.models import Host, State, WatcherBeat

LEASE = timedelta(seconds=10)
RENEW_AFTER = timedelta(seconds=3)
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stand:
    """A host as the sharing sees it."""

    pk: int
    revision: int
    enabled: bool
    state: str
    owner: str
    until: datetime | None

    @property
    def is_followed(self) -> bool:
        """An alarm stops a host until a person has confirmed its new key."""
        return self.enabled and self.state != State.ALARM

    def is_free(self, now: datetime, dead: Collection[str]) -> bool:
        return not self.owner or self.owner in dead or self.until is None or self.until < now


@dataclass(frozen=True, slots=True)
class Plan:
    """Host ids to try to take, and to give back."""

    take: tuple[int, ...] = ()
    give: tuple[int, ...] = ()


def plan(stands: Sequence[Stand], me: str, living: Collection[str], now: datetime, dead: Collection[str] = ()) -> Plan:
    """What I should take and give so that all living watchers have an equal share. `dead`: owners known to have ended."""
    followed = [stand for stand in stands if stand.is_followed]
    share = -(-len(followed) // max(1, len({me, *living} - set(dead))))
    mine = [stand for stand in followed if stand.owner == me]
    give = [stand.pk for stand in stands if stand.owner == me and not stand.is_followed]
    if len(mine) > share:
        give += [stand.pk for stand in mine[share:]]
    free = [stand.pk for stand in followed if stand.owner != me and stand.is_free(now, dead)]
    return Plan(take=tuple(free[: max(0, share - len(mine))]), give=tuple(give))


def look() -> list[Stand]:
    """All hosts; a hundred take half a millisecond."""
    columns = ("pk", "revision", "enabled", "state", "lease_owner", "lease_until")
    return [Stand(*row) for row in Host.objects.order_by("pk").values_list(*columns)]


def take(me: str, wanted: Iterable[int], now: datetime, dead: Collection[str] = ()) -> list[int]:
    """Those of `wanted` that became mine: somebody else may have been faster."""
    free = Q(lease_owner__in=["", *dead]) | Q(lease_until=None) | Q(lease_until__lt=now)
    return [pk for pk in wanted if Host.objects.filter(free, pk=pk).update(lease_owner=me, lease_until=now + LEASE)]


def renew(me: str, now: datetime) -> None:
    """Prolong all of mine that nobody took meanwhile, and leave a beat."""
    Host.objects.filter(lease_owner=me).update(lease_until=now + LEASE)
    WatcherBeat.objects.update_or_create(name=me, defaults={"beat_at": now})


def give(me: str, pks: Collection[int]) -> None:
    Host.objects.filter(lease_owner=me, pk__in=pks).update(lease_owner="", lease_until=None)


def join(me: str, now: datetime) -> None:
    """The first beat; those of watchers that ended long ago are cleared away."""
    WatcherBeat.objects.filter(beat_at__lt=now - _FORGOTTEN).delete()
    renew(me, now)


def leave(me: str) -> None:
    """A clean end: others take over at once."""
    Host.objects.filter(lease_owner=me).update(lease_owner="", lease_until=None)
    WatcherBeat.objects.filter(name=me).delete()


def held(me: str, pks: Collection[int]) -> set[int]:
    """Those of the hosts that are mine and to be followed."""
    return set(Host.objects.filter(pk__in=pks, lease_owner=me, enabled=True).values_list("pk", flat=True))


def living(now: datetime) -> list[str]:
    """Watchers whose beat is fresh."""
    return list(WatcherBeat.objects.filter(beat_at__gte=now - LEASE).values_list("name", flat=True))
