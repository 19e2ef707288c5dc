"""What a host shows against what the row says: every difference once, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from machines import inventory
from machines.inventory import Change, Known
from virt.events import Event
from virt.guest import Address, Guest
from virt.machine import Glance, MachineSeen
from virt.state import State

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UUID = "11111111-2222-3333-4444-555555555555"


def _xml(name: str = "web", *, memory: int = 256, agent: str = "", inactive: bool = False) -> str:
    channel = f"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' {agent}/></channel>" if agent else ""
    plugged = "" if inactive else "<target dev='vnet1'/>"
    return (
        f"<domain type='kvm'><name>{name}</name><uuid>{UUID}</uuid><title>A title</title><memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        f"<disk type='file' device='disk'><source file='/d.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        f"<interface type='network'><mac address='52:54:00:AA:bb:01'/><source network='default'/>{plugged}</interface>"
        f"{channel}</devices></domain>"
    )


CONNECTED = "state='connected'"
ALONE = "state='disconnected'"


def _seen(state: State = State.OFF, *, xml: str = "", inactive: str = "", **more: object) -> MachineSeen:
    usual = MachineSeen(
        uuid=UUID, name="web", state=state, reason="", persistent=True, autostart=False, has_saved_image=False, live_xml=xml or _xml(), inactive_xml=inactive
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def _event(event: str, detail: str = "", *, seconds: float = 0) -> Event:
    return Event("domain", UUID, "web", event, detail, NOW + timedelta(seconds=seconds))


def _known(seen: MachineSeen | None = None) -> Known:
    change = inventory.compare(None, seen or _seen(), (), NOW)
    assert change
    return change.after


def _compare(known: Known | None, seen: MachineSeen, *events: Event) -> Change:
    change = inventory.compare(known, seen, events, NOW + timedelta(minutes=1))
    assert change
    return change


def _words(change: Change) -> list[str]:
    return [line.words for line in change.lines]


# ── first sight, nothing new ──


def test_a_machine_seen_for_the_first_time_is_a_whole_row() -> None:
    change = _compare(None, _seen(State.RUNNING, inactive=_xml(inactive=True)))
    assert change.appears and change.is_listed and change.what == "appeared"
    assert change.fields["name"] == "web"
    assert change.fields["memory_bytes"] == 256 * 2**20
    assert change.fields["disks"][0]["target"] == "vda"
    assert change.fields["nics"][0]["mac"] == "52:54:00:aa:bb:01"
    assert change.fields["search"] == "52:54:00:aa:bb:01"
    assert change.fields["started_at"] is None, "nobody saw it start"
    assert _words(change) == ["Seen for the first time"]
    assert [version.xml for version in change.versions] == [_xml(inactive=True)], "the stored definition, not the running one"


def test_one_that_is_as_before_is_no_change() -> None:
    assert inventory.compare(_known(), _seen(), (), NOW) is None


def test_unchanged_xml_is_not_even_parsed() -> None:
    known, again = _known(), _seen(autostart=True)
    change = _compare(known, again)
    assert set(change.fields) == {"autostart"}
    assert "definition" not in again.__dict__, "the parsed definition is cached on first use"


def test_a_machine_defined_a_moment_ago_says_so() -> None:
    assert _words(_compare(None, _seen(), _event("defined", "added"))) == ["Defined"]
    transient = _compare(None, _seen(State.RUNNING, persistent=False), _event("started", "booted"))
    assert _words(transient) == ["Created, transient", "Started"]


# ── states ──


def test_a_start_is_told_by_its_event_once() -> None:
    running = _seen(State.RUNNING, reason="booted", inactive=_xml())
    change = _compare(_known(), running, _event("resumed", "unpaused"), _event("started", "booted", seconds=1))
    assert _words(change) == ["Started"]
    assert change.fields["state"] == "running"
    assert change.fields["started_at"] == change.fields["state_since"] == NOW + timedelta(seconds=1)
    assert change.what == "state" and change.is_listed


def test_libvirt_calls_a_starting_machine_paused_but_we_do_not() -> None:
    starting = _seen(State.PAUSED, reason="starting", inactive=_xml())
    change = inventory.compare(_known(), starting, (), NOW)
    assert change is None or "state" not in change.fields
    first = _compare(None, starting)
    assert first.fields["state"] == "off"


def test_a_stop_clears_what_is_only_true_while_it_runs() -> None:
    known = replace(
        _known(_seen(State.RUNNING, xml=_xml(agent=CONNECTED), inactive=_xml())), agent="answers", addresses=(Address("10.0.0.5", 24, "", "agent"),)
    )
    change = _compare(known, _seen(State.OFF, reason="shut-down"), _event("shutting-down", "guest"), _event("stopped", "shut-down", seconds=2))
    assert _words(change) == ["Shut down"]
    expected: dict[str, object] = {
        "state": "off",
        "agent": "",
        "addresses": [],
        "cpu_percent": None,
        "memory_used_bytes": None,
        "disk_bps": None,
        "net_bps": None,
        "started_at": None,
    }
    assert expected.items() <= change.fields.items()
    assert change.fields["search"] == "52:54:00:aa:bb:01"


def test_a_stop_and_start_in_one_burst_leave_both_lines_and_a_new_uptime() -> None:
    running = _seen(State.RUNNING, inactive=_xml())
    change = _compare(_known(running), running, _event("stopped", "destroyed"), _event("started", "booted", seconds=3))
    assert _words(change) == ["Forced off", "Started"]
    assert change.fields == {"started_at": NOW + timedelta(seconds=3), "state_since": NOW + timedelta(seconds=3)}


def test_a_state_that_no_event_told_is_called_found() -> None:
    change = _compare(_known(), _seen(State.RUNNING, reason="booted", inactive=_xml()))
    assert [(line.words, line.caused) for line in change.lines] == [("Found running (booted)", False)]
    assert change.fields["started_at"] is None


def test_the_same_again_and_again_is_one_line() -> None:
    running = _seen(State.RUNNING, inactive=_xml())
    change = _compare(_known(running), running, *[_event("reboot") for _ in range(5)])
    assert _words(change) == ["Rebooted (5 times)"]
    assert not change.fields and not change.is_listed


def test_pausing_belongs_to_saving() -> None:
    known = _known(_seen(State.RUNNING, inactive=_xml()))
    change = _compare(known, _seen(reason="saved", has_saved_image=True), _event("paused", "by-request"), _event("stopped", "saved"))
    assert _words(change) == ["Saved and stopped"]
    assert change.fields["has_saved_image"] is True


def test_libvirt_s_own_pauses_are_no_news_even_when_they_come_one_by_one() -> None:
    running = _seen(State.RUNNING, inactive=_xml())
    saving = _compare(_known(running), _seen(State.PAUSED, reason="saving", inactive=_xml()), _event("paused", "by-request"))
    assert (saving.fields["state"], _words(saving)) == ("paused", [])
    restored = _compare(_known(), _seen(State.PAUSED, reason="migrating", inactive=_xml()), _event("started", "restored"))
    assert _words(restored) == ["Restored from its saved state"]
    assert _words(_compare(restored.after, running, _event("resumed", "from-snapshot"))) == []
    by_hand = _compare(_known(running), _seen(State.PAUSED, reason="by-request", inactive=_xml()), _event("paused", "by-request"))
    assert _words(by_hand) == ["Paused"]
    assert _words(_compare(by_hand.after, running, _event("resumed", "unpaused"))) == ["Resumed"]


def test_a_crash_was_caused_by_nobody() -> None:
    change = _compare(_known(_seen(State.RUNNING)), _seen(State.OFF, reason="crashed"), _event("stopped", "crashed"))
    assert [(line.kind, line.caused) for line in change.lines] == [("crashed", False)]


# ── definition ──


def test_a_rename_names_both() -> None:
    change = _compare(_known(), _seen(name="shop", xml=_xml("shop")), _event("undefined", "renamed"), _event("defined", "renamed"))
    assert _words(change) == ["Renamed: web → shop"]
    assert change.fields["name"] == "shop" and change.is_listed
    assert len(change.versions) == 1


def test_a_changed_definition_is_kept_and_said() -> None:
    change = _compare(_known(), _seen(xml=_xml(memory=512)), _event("defined", "updated"))
    assert _words(change) == ["Definition changed"]
    assert change.fields["memory_bytes"] == 512 * 2**20
    assert [version.xml for version in change.versions] == [_xml(memory=512)]
    assert not change.is_listed and change.what == "definition"


def test_what_only_the_running_machine_shows_is_no_new_definition() -> None:
    known = _known(_seen(inactive=""))
    change = _compare(known, _seen(State.RUNNING, xml=_xml(memory=999), inactive=_xml()), _event("started", "booted"))
    assert not change.versions
    assert _words(change) == ["Started"]


def test_autostart_and_persistence_are_lines_of_their_own() -> None:
    assert _words(_compare(_known(), _seen(autostart=True))) == ["Autostart switched on"]
    running = _seen(State.RUNNING, inactive=_xml(), autostart=True)
    transient = replace(running, persistent=False, inactive_xml="", autostart=False)
    change = _compare(_known(running), transient, _event("undefined", "removed"))
    assert _words(change) == ["Made transient: its definition was removed while it runs"]
    assert not change.versions


def test_an_unreadable_xml_leaves_the_rest_of_the_row_right() -> None:
    change = _compare(_known(), _seen(State.RUNNING, xml="<domain", inactive="<domain"), _event("started", "booted"))
    assert change.fields["state"] == "running"
    assert "disks" not in change.fields


def test_what_a_host_claims_fits_its_columns() -> None:
    change = _compare(None, _seen(name="n" * 400, xml=_xml(memory=2**63)))
    assert len(change.fields["name"]) == 255
    assert change.fields["memory_bytes"] == 2**63 - 1


# ── going and coming back ──


def test_a_machine_that_is_not_there_any_more_is_marked_once() -> None:
    change = inventory.vanished(UUID, _known(), [_event("undefined", "removed")], NOW + timedelta(minutes=1))
    assert change and change.what == "gone" and change.is_listed
    assert change.fields["gone_at"] == NOW, "when the event said so"
    assert _words(change) == ["Removed from the host"]
    assert inventory.vanished(UUID, change.after, [], NOW) is None


def test_a_transient_machine_ends_and_is_gone() -> None:
    known = _known(_seen(State.RUNNING, persistent=False))
    change = inventory.vanished(UUID, known, [_event("stopped", "destroyed")], NOW)
    assert change and _words(change) == ["Forced off", "Gone: it was transient"]
    assert change.fields["state"] == "off"


def test_one_that_comes_back_is_the_same_row() -> None:
    gone = inventory.vanished(UUID, _known(), [], NOW)
    assert gone
    change = _compare(gone.after, _seen())
    assert not change.appears and change.what == "appeared" and change.is_listed
    assert change.fields["gone_at"] is None
    assert _words(change) == ["Came back to the host"]


# ── guests ──


def test_an_agent_is_missing_until_it_opens_its_line() -> None:
    known = _known(_seen(State.RUNNING, xml=_xml(agent=ALONE), inactive=_xml()))
    assert (known.agent, known.asks_agent) == ("missing", False)
    change = _compare(known, _seen(State.RUNNING, xml=_xml(agent=CONNECTED), inactive=_xml()), _event("agent", "connected"))
    assert (change.after.agent, change.after.asks_agent) == ("", True)
    assert not change.lines


def test_what_an_agent_says_goes_before_leases() -> None:
    known = _known(_seen(State.RUNNING, xml=_xml(agent=CONNECTED), inactive=_xml()))
    lease = inventory.leased(UUID, known, [Address("10.0.0.5", 24, "52:54:00:aa:bb:01", "lease"), Address("10.0.0.9", 24, "", "lease")])
    assert lease and lease.fields["search"] == "52:54:00:aa:bb:01 10.0.0.5 10.0.0.9"
    told = (Address("10.0.0.5", 24, "52:54:00:aa:bb:01", "agent"),)
    change = inventory.asked(UUID, lease.after, told, Guest("debian", "Debian 12", "12", "6.1", "web.example", "UTC"))
    assert change and change.what == "guest" and not change.is_listed
    assert [(address["ip"], address["source"]) for address in change.fields["addresses"]] == [("10.0.0.5", "agent"), ("10.0.0.9", "lease")]
    assert (change.fields["agent"], change.fields["os_name"], change.fields["guest_hostname"]) == ("answers", "Debian 12", "web.example")
    assert inventory.asked(UUID, change.after, told, None) is None


def test_an_agent_that_falls_silent_keeps_what_it_said() -> None:
    known = replace(
        _known(_seen(State.RUNNING, xml=_xml(agent=CONNECTED), inactive=_xml())), agent="answers", addresses=(Address("10.0.0.5", 24, "", "agent"),)
    )
    change = inventory.asked(UUID, known, None, None)
    assert change and change.fields == {"agent": "silent"}


def test_an_answer_that_comes_after_the_stop_counts_no_more() -> None:
    assert inventory.asked(UUID, _known(_seen(State.OFF)), (Address("10.0.0.5", 24, "", "agent"),), None) is None


def test_a_guest_cannot_fill_the_database() -> None:
    known = _known(_seen(State.RUNNING, xml=_xml(agent=CONNECTED), inactive=_xml()))
    many = tuple(Address(f"10.0.{n // 250}.{n % 250}", 24, "", "agent") for n in range(5000))
    change = inventory.asked(UUID, known, many, Guest("", "x" * 900, "", "", "y" * 900, ""))
    assert change and len(change.fields["addresses"]) <= 32
    assert len(change.fields["os_name"]) <= 128 and len(change.fields["guest_hostname"]) <= 255


# ── glances, merging ──


def test_a_glance_notices_what_no_event_tells() -> None:
    glance = Glance(UUID, "web", State.OFF, persistent=True, autostart=False, has_saved_image=False)
    assert not inventory.differs(_known(), glance)
    for more in ({"autostart": True}, {"state": State.RUNNING}, {"name": "shop"}, {"has_saved_image": True}, {"persistent": False}):
        assert inventory.differs(_known(), replace(glance, **more)), more
    assert inventory.differs(None, glance)


def test_changes_that_wait_for_the_database_become_one() -> None:
    changes: Sequence[Change] = [
        _compare(None, _seen(), _event("defined", "added")),
        _compare(_known(), _seen(State.RUNNING, inactive=_xml()), _event("started", "booted")),
    ]
    merged = changes[0].then(changes[1])
    assert merged.appears and merged.fields["state"] == "running" and merged.after == changes[1].after
    assert _words(merged) == ["Defined", "Started"]
