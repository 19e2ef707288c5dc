"""How watchers share hosts, and what a failure to reach a host makes of it: decisions without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hosts import inventory, leases
from hosts.leases import Stand
from hosts.models import State
from virt.errors import (
    Busy,
    HostKeyChanged,
    HostKeyUnknown,
    HostSilent,
    HostUnreachable,
    Invalid,
    LoginRefused,
    PermissionRefused,
    Unsupported,
    VirtError,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOON, PAST = NOW + timedelta(seconds=8), NOW - timedelta(seconds=1)


def _stand(pk: int, owner: str = "", until: datetime | None = None, *, enabled: bool = True, state: str = State.ONLINE) -> Stand:
    return Stand(pk, 1, enabled, state, owner, until)


def test_a_watcher_alone_takes_everything_that_is_free() -> None:
    stands = [_stand(1), _stand(2, "me", SOON), _stand(3, "dead", PAST)]
    assert leases.plan(stands, "me", ["me"], NOW) == leases.Plan(take=(1, 3))


def test_a_lease_that_runs_is_left_to_its_owner_even_without_a_beat() -> None:
    assert leases.plan([_stand(1, "silent", SOON)], "me", ["me"], NOW).take == ()


def test_a_process_that_surely_ended_is_not_waited_for() -> None:
    assert leases.plan([_stand(1, "ended", SOON)], "me", ["me", "ended"], NOW, {"ended"}).take == (1,)


def test_a_second_watcher_gets_its_half() -> None:
    stands = [_stand(pk, "me", SOON) for pk in range(1, 11)]
    mine = leases.plan(stands, "me", ["me", "other"], NOW)
    assert (len(mine.take), len(mine.give)) == (0, 5)
    given = [_stand(stand.pk) if stand.pk in mine.give else stand for stand in stands]
    assert leases.plan(given, "other", ["me", "other"], NOW).take == mine.give
    assert leases.plan(given, "me", ["me", "other"], NOW) == leases.Plan(), "what was given is not taken back"


@pytest.mark.parametrize(("hosts", "watchers"), [(1, 2), (7, 3), (100, 3), (5, 5), (3, 8)])
def test_together_they_take_all_hosts_and_come_to_rest(hosts: int, watchers: int) -> None:
    names = [f"w{number}" for number in range(watchers)]
    stands = [_stand(pk) for pk in range(hosts)]
    for _ in range(2):
        for name in names:
            plan = leases.plan(stands, name, names, NOW)
            stands = [_stand(s.pk, name, SOON) if s.pk in plan.take else _stand(s.pk) if s.pk in plan.give else s for s in stands]
    assert all(stand.owner for stand in stands)
    assert all(leases.plan(stands, name, names, NOW) == leases.Plan() for name in names)


def test_what_is_not_to_be_followed_is_given_back_and_not_taken() -> None:
    stands = [_stand(1, "me", SOON, enabled=False), _stand(2, "me", SOON, state=State.ALARM), _stand(3, enabled=False), _stand(4, state=State.REFUSED)]
    assert leases.plan(stands, "me", ["me"], NOW) == leases.Plan(take=(4,), give=(1, 2))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (HostUnreachable("no route"), State.OFFLINE),
        (HostSilent("no answer"), State.OFFLINE),
        (Busy("later"), State.OFFLINE),
        (HostKeyChanged("another key"), State.ALARM),
        (HostKeyUnknown("no key"), State.REFUSED),
        (LoginRefused("no"), State.REFUSED),
        (PermissionRefused("no"), State.REFUSED),
        (Unsupported("no"), State.REFUSED),
        (Invalid("no"), State.REFUSED),
    ],
)
def test_a_failure_is_a_state_with_words(error: VirtError, state: State) -> None:
    standing = inventory.standing_of(error)
    assert standing.state == state
    assert standing.error
