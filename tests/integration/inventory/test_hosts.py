"""How a host stands, who may follow it, and who may write about it: always by compare-and-swap."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hosts import inventory, leases
from hosts.inventory import ONLINE, Standing
from hosts.models import Host, HostEvent, State, WatcherBeat
from tests import inventory as rows

pytestmark = pytest.mark.django_db

AWAY = Standing(State.OFFLINE, "The host does not answer.", "errno 113")


@pytest.fixture
def host() -> Host:
    return rows.host("kvm-1", state=State.CONNECTING)


def _log(host: Host) -> list[str]:
    return list(HostEvent.objects.filter(host=host).order_by("id").values_list("kind", flat=True))


def test_a_standing_is_written_and_logged_once(host: Host) -> None:
    assert inventory.stand(host.pk, host.revision, ONLINE, None)
    assert not inventory.stand(host.pk, host.revision, ONLINE, None)
    host.refresh_from_db()
    assert (host.state, _log(host)) == (State.ONLINE, ["connected"])


def test_one_that_goes_away_keeps_when_it_was_seen_last(host: Host) -> None:
    seen_at = timezone.now() - timedelta(seconds=6)
    inventory.stand(host.pk, host.revision, ONLINE, None)
    assert inventory.stand(host.pk, host.revision, AWAY, seen_at)
    host.refresh_from_db()
    assert (host.state, host.error, host.error_detail, host.last_seen_at) == (State.OFFLINE, AWAY.error, AWAY.detail, seen_at)
    since = host.state_since
    assert inventory.stand(host.pk, host.revision, Standing(State.OFFLINE, "No route."), None), "other words are shown"
    host.refresh_from_db()
    assert (host.error, host.state_since) == ("No route.", since)
    assert _log(host) == ["connected", "lost"]


@pytest.mark.parametrize("edit", [{"revision": 2}, {"enabled": False}])
def test_what_a_person_changed_meanwhile_is_not_written_over(host: Host, edit: dict[str, object]) -> None:
    revision = host.revision
    Host.objects.filter(pk=host.pk).update(state=State.DISABLED, **edit)
    assert not inventory.stand(host.pk, revision, ONLINE, None)
    host.refresh_from_db()
    assert host.state == State.DISABLED


def test_a_changed_key_is_an_alarm_that_stops_the_host() -> None:
    host = rows.host("kvm-2", kind="ssh", address="10.0.0.9", host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdOJxmYlKdQzvUXhk2Lf2cdsMTGOlvZsVDN8Ep5oyPa")
    assert inventory.stand(host.pk, host.revision, Standing(State.ALARM, "changed"), None)
    fresh = Host.objects.get(pk=host.pk)
    assert fresh.state == State.ALARM and fresh.revision > host.revision
    assert not next(stand for stand in leases.look() if stand.pk == host.pk).is_followed


def test_the_same_daemon_under_two_names_is_noted(host: Host) -> None:
    other = rows.host("kvm-9", host_uuid="5ab00000-0000-4000-8000-000000000001")
    Host.objects.filter(pk__in=[host.pk, other.pk]).update(kind="local")
    inventory.write(host.pk, {"host_uuid": "5ab00000-0000-4000-8000-000000000001"})
    assert _log(host) == ["duplicate"]


# ── leases ──


def test_only_one_of_two_that_grab_at_once_gets_a_host(host: Host) -> None:
    now = timezone.now()
    assert leases.take("a", [host.pk], now) == [host.pk]
    assert leases.take("b", [host.pk], now) == []
    assert leases.held("a", [host.pk]) == {host.pk}
    assert leases.held("b", [host.pk]) == set()


def test_a_lease_that_ran_out_can_be_taken_and_the_old_owner_notices(host: Host) -> None:
    now = timezone.now()
    leases.take("a", [host.pk], now)
    later = now + leases.LEASE + timedelta(seconds=1)
    assert leases.take("b", [host.pk], later) == [host.pk]
    leases.renew("a", later)
    assert leases.held("a", [host.pk]) == set()
    assert leases.look()[0].owner == "b"


def test_one_that_renews_keeps_its_hosts_and_counts_as_alive(host: Host) -> None:
    now = timezone.now()
    leases.join("a", now)
    leases.take("a", [host.pk], now)
    for _ in range(5):
        now += leases.RENEW_AFTER
        leases.renew("a", now)
        assert leases.take("b", [host.pk], now) == []
    assert leases.living(now) == ["a"]
    assert leases.living(now + leases.LEASE + timedelta(seconds=1)) == []


def test_a_clean_end_leaves_nothing_behind(host: Host) -> None:
    leases.join("a", timezone.now())
    leases.take("a", [host.pk], timezone.now())
    leases.leave("a")
    assert leases.look()[0].owner == ""
    assert not WatcherBeat.objects.exists()


def test_a_host_that_a_person_disabled_is_not_held_for_writing(host: Host) -> None:
    leases.take("a", [host.pk], timezone.now())
    Host.objects.filter(pk=host.pk).update(enabled=False)
    assert leases.held("a", [host.pk]) == set()
