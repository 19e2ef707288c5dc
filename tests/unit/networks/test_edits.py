"""Definitions of networks are edited, never rebuilt; and what of it the running network takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from virt.errors import Invalid, NotFound
from virt.xml import tree
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit
from virt.xml.networks import MODES, PARTS, mode_named
from virt.xml.read.network import read_network

ROOT = Path(__file__).parents[3]
# With much that no form asks for, and a comment.
STORED = """<network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">
  <name>lab</name>
  <uuid>6e3b1a2c-0000-4000-8000-000000000001</uuid>
  <!-- ours -->
  <metadata><app:x xmlns:app="http://example.org/">kept</app:x></metadata>
  <forward mode="nat" dev="eth0"><nat><address start="10.0.0.5" end="10.0.0.6"/><port start="1024" end="2048"/></nat><interface dev="eth0"/></forward>
  <bridge name="virbr7" zone="libvirt" stp="on" delay="2" macTableManager="libvirt"/>
  <mac address="52:54:00:aa:bb:cc"/>
  <domain name="lab.example"/>
  <dns>
    <forwarder addr="9.9.9.9"/>
    <txt name="note" value="a b"/>
    <host ip="192.168.100.5"><hostname>gw</hostname></host>
  </dns>
  <ip address="192.168.100.1" netmask="255.255.255.0" localPtr="yes">
    <tftp root="/srv/tftp"/>
    <dhcp>
      <range start="192.168.100.100" end="192.168.100.200"><lease expiry="5" unit="minutes"/></range>
      <host mac="52:54:00:00:00:01" name="db" ip="192.168.100.10"/>
      <bootp file="pxe.0"/>
    </dhcp>
  </ip>
  <ip family="ipv6" address="fd00:100::1" prefix="64"/>
  <route address="10.9.0.0" prefix="16" gateway="192.168.100.9"/>
  <dnsmasq:options><dnsmasq:option value="foo"/></dnsmasq:options>
</network>"""
UNKNOWN = ("metadata", "mac", "route", "forward/nat/address", "ip/tftp", "ip/dhcp/bootp", "ip/dhcp/range/lease")


def root(xml: str = STORED) -> tree.etree._Element:
    return tree.parse(xml, "network")


def test_without_an_edit_nothing_changes() -> None:
    assert tree.canonical(root(editing.applied(STORED, []))) == tree.canonical(root())
    mode = MODES["nat"]
    same = root()
    mode.write(same, mode.read(same))
    assert tree.canonical(same) == tree.canonical(root())


@pytest.mark.parametrize(
    "edit",
    [
        Edit("set", "nat", values={"domain": "other.example"}),
        Edit("set", "nat", values={"ranges4": "192.168.100.100 - 192.168.100.200\n192.168.100.20 - 192.168.100.30"}),
        Edit("set", "nat", values={"address6": "fd00:200::1/64", "ranges6": "fd00:200::10 - fd00:200::20"}),
        Edit("set", "nat", values={"mtu": "9000", "in_average": "1000", "apart": "yes", "forwarders": "1.1.1.1\ncorp.example 10.0.0.53"}),
        Edit("add", "fixed", values={"ip": "192.168.100.11", "mac": "52:54:00:00:00:02", "name": "web"}),
        Edit("change", "fixed", 0, {"ip": "192.168.100.12"}),
        Edit("remove", "txt", 0),
        Edit("add", "name", values={"ip": "192.168.100.6", "names": "a b.lab.example"}),
        Edit("add", "srv", values={"service": "ldap", "protocol": "tcp", "target": "db.lab.example", "port": "389"}),
        Edit("add", "portgroup", values={"name": "slow", "in_average": "100"}),
    ],
)
def test_an_edit_changes_one_thing_and_the_unknown_stays(edit: Edit) -> None:
    done = Edit(edit.verb, edit.what, edit.place, edit.values, PARTS[edit.what].read(PARTS[edit.what].nodes(root())[edit.place]) if edit.place >= 0 else {})
    after = root(editing.applied(STORED, [edit]))
    assert editing.is_done(after, done) and not editing.is_done(root(), done)
    for path in UNKNOWN:
        assert [tree.canonical(node) for node in after.iterfind(path)] == [tree.canonical(node) for node in root().iterfind(path)], path
    assert after.find("{http://libvirt.org/schemas/network/dnsmasq/1.0}options") is not None
    assert "<!-- ours -->" in tree.text_of(after)
    assert after.find("bridge").get("zone") == "libvirt"  # type: ignore[union-attr]


def test_what_an_address_had_beside_it_stays_with_a_new_one() -> None:
    """But for what belongs to the old one alone, of which a person is told."""
    moved = root(editing.applied(STORED.replace('<host mac="52:54:00:00:00:01" name="db" ip="192.168.100.10"/>', ""), [
        Edit("set", "nat", values={"address4": "192.168.50.1/24", "ranges4": "192.168.50.10 - 192.168.50.20"})
    ]))  # fmt: skip
    home = moved.find("ip")
    assert home is not None and (home.get("address"), home.get("prefix"), home.get("netmask"), home.get("localPtr")) == ("192.168.50.1", "24", None, "yes")
    assert home.find("tftp") is not None
    lost = editing.problems(root(), Edit("set", "nat", values={"address4": "192.168.50.1/24", "ranges4": "192.168.50.10 - 192.168.50.20"}))
    assert "192.168.100.10" in lost["address4"]
    gone = editing.problems(root(), Edit("set", "nat", values={"address4": "", "ranges4": ""}))
    assert "192.168.100.10" in gone["address4"]


def test_modes_with_a_bridge_of_libvirts_become_one_another() -> None:
    routed = root(editing.applied(STORED, [Edit("set", "route")]))
    assert routed.find("forward").get("mode") == "route" and routed.find("forward/nat") is None  # type: ignore[union-attr]
    opened = root(editing.applied(STORED, [Edit("set", "open")]))
    assert opened.find("forward").attrib == {"mode": "open"}  # type: ignore[union-attr]
    alone = root(editing.applied(STORED, [Edit("set", "isolated")]))
    assert alone.find("forward") is None and alone.find("ip/dhcp/host") is not None
    assert editing.problems(root(), Edit("set", "bridge", values={"host_bridge": "br0"})) == {
        "mode": "A network that is nat can't become Bridge. Make another one."
    }


@pytest.mark.parametrize("edit", [Edit("change", "fixed", 7), Edit("remove", "fixed", -1), Edit("remove", "portgroup", 0)])
def test_a_part_that_is_not_there(edit: Edit) -> None:
    with pytest.raises(NotFound):
        editing.applied(STORED, [edit])


@pytest.mark.parametrize(
    "edit", [Edit("set", "hostdev"), Edit("add", "route"), Edit("set", "nat", values={"nonsense": "1"}), Edit("add", "fixed", values={"x": "1"})]
)
def test_what_there_is_not(edit: Edit) -> None:
    with pytest.raises(Invalid):
        editing.applied(STORED, [edit])


# ── making ──

NEW = {
    "nat": {
        "address4": "192.168.50.1/24",
        "ranges4": "192.168.50.2 - 192.168.50.254",
        "address6": "fd00:50::1/64",
        "nat6": "yes",
        "device": "eth0",
        "domain": "x.example",
    },
    "route": {"address4": "192.168.50.1/24", "device": "eth0"},
    "open": {"address4": "192.168.50.1/24", "mtu": "9000"},
    "isolated": {"bridge": "lab0", "stp_off": "yes"},
    "bridge": {"host_bridge": "br0", "host_apart": "yes", "in_average": "100", "in_peak": "200"},
    "macvtap": {"devices": "eth0\neth1", "way": "vepa"},
    "openvswitch": {"host_bridge": "ovs0", "vlan": "10,20"},
}


@pytest.mark.parametrize("name", MODES)
def test_what_is_made_is_read_back(name: str) -> None:
    xml = editing.new("lab", "6e3b1a2c-0000-4000-8000-000000000001", MODES[name], NEW[name])
    assert {field: value for field, value in MODES[name].read(root(xml)).items() if value} == NEW[name]
    assert (read_network(xml).mode, read_network(xml).name) == (name, "lab")


@pytest.mark.parametrize(
    ("mode", "values", "field"),
    [
        ("nat", {}, "address4"),
        ("nat", {"address4": "192.168.50.1/24", "ranges4": "192.168.51.2 - 192.168.51.9"}, "ranges4"),
        ("nat", {"address4": "192.168.50.1/24", "ranges6": "fd00::2 - fd00::9"}, "address6"),
        ("nat", {"address6": "fd00::1/96", "ranges6": "fd00::2 - fd00::9"}, "address6"),
        ("nat", {"address4": "192.168.50.1/24", "in_peak": "5"}, "in_average"),
        ("nat", {"address4": "192.168.50.1/24", "in_average": "5", "in_peak": "4"}, "in_peak"),
        ("nat", {"address4": "192.168.50.1/24", "local_only": "yes"}, "domain"),
        ("nat", {"address4": "192.168.50.1/24", "forwarders": "not an address at all"}, "forwarders"),
        ("nat", {"address4": "192.168.50.1/24", "mtu": "12"}, "mtu"),
        ("isolated", {"bridge": "much-too-long-a-name"}, "bridge"),
        ("bridge", {}, "host_bridge"),
        ("macvtap", {"way": "bridge"}, "devices"),
        ("macvtap", {"devices": "eth0\n-x", "way": "bridge"}, "devices"),
        ("macvtap", {"devices": "eth0", "way": "sideways"}, "way"),
        ("openvswitch", {"host_bridge": "ovs0", "vlan": "5000"}, "vlan"),
    ],
)
def test_the_field_that_is_wrong_is_named(mode: str, values: dict[str, str], field: str) -> None:
    assert set(MODES[mode].problems(values)) == {field}
    with pytest.raises(Invalid):
        editing.new("lab", "u", mode_named(mode), values)


def test_the_forms_sheet_has_a_line_for_every_mode() -> None:
    sheet = (ROOT / "static/css/pages/networks.css").read_text()
    for name in MODES:
        assert f'[value="{name}"]:checked) [data-modes]:not([data-modes~="{name}"])' in sheet


def test_a_field_of_several_modes_stands_in_one_section() -> None:
    """The form holds the fields of all modes at once."""
    where: dict[str, set[str]] = {}
    for mode in MODES.values():
        for section in mode.sections:
            for field in section.fields:
                where.setdefault(field.name, set()).add(section.name)
    assert {name for name, sections in where.items() if len(sections) > 1} == set()


@pytest.mark.parametrize("described", [*MODES.values(), *PARTS.values()], ids=lambda each: each.name)
def test_no_field_hides_what_a_form_has_itself(described: Any) -> None:
    """In a browser form.id is the field of that name, where there is one."""
    assert not {each.name for each in described.fields} & {"id", "action", "method", "elements", "submit", "reset"}


# ── live ──

# As libvirt shows it while it runs: the addresses that it filled in, and the card's name twice.
LIVE = STORED.replace('<forward mode="nat" dev="eth0">', '<forward dev="eth0" mode="nat">')


def plan_of(*edits: Edit, live: str = LIVE) -> editing.Plan:
    return editing.plan(root(live), root(), root(editing.applied(STORED, list(edits))))


def commands(plan: editing.Plan) -> list[tuple[str, str, int]]:
    return [(update.command, update.section, update.parent) for update in plan.updates]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("add", "fixed", values={"ip": "192.168.100.11", "mac": "52:54:00:00:00:02"}), [("add", "ip-dhcp-host", 0)]),
        (Edit("change", "fixed", 0, {"ip": "192.168.100.12"}), [("modify", "ip-dhcp-host", 0)]),
        (Edit("change", "fixed", 0, {"mac": "52:54:00:00:00:09"}), [("delete", "ip-dhcp-host", 0), ("add", "ip-dhcp-host", 0)]),
        (Edit("remove", "fixed", 0), [("delete", "ip-dhcp-host", 0)]),
        (
            Edit("set", "nat", values={"ranges4": "192.168.100.100 - 192.168.100.150"}),
            [("delete", "ip-dhcp-range", 0), ("add", "ip-dhcp-range", 0)],
        ),
        (Edit("set", "nat", values={"ranges6": "fd00:100::10 - fd00:100::20"}), [("add", "ip-dhcp-range", 1)]),
        (Edit("change", "name", 0, {"names": "gate"}), [("delete", "dns-host", -1), ("add", "dns-host", -1)]),
        (Edit("add", "srv", values={"service": "ldap", "protocol": "tcp"}), [("add", "dns-srv", -1)]),
        (Edit("remove", "txt", 0), [("delete", "dns-txt", -1)]),
        (Edit("add", "portgroup", values={"name": "slow"}), [("add", "portgroup", -1)]),
    ],
)
def test_what_a_running_network_takes_at_once(edit: Edit, expected: list[tuple[str, str, int]]) -> None:
    plan = plan_of(edit)
    assert (commands(plan), plan.later) == (expected, ())


@pytest.mark.parametrize(
    ("edit", "later"),
    [
        (Edit("set", "nat", values={"domain": "other.example"}), ("Domain",)),
        (Edit("set", "nat", values={"device": "eth1"}), ("Only by",)),
        (Edit("set", "nat", values={"mtu": "9000", "in_average": "10"}), ("MTU", "Into it, on average")),
        (Edit("set", "route"), ("Mode",)),
    ],
)
def test_what_waits_for_the_next_start(edit: Edit, later: tuple[str, ...]) -> None:
    plan = plan_of(edit)
    assert (plan.updates, plan.later) == ((), later)
    assert editing.pending(root(LIVE), root(editing.applied(STORED, [edit]))) == list(later)


def test_what_is_given_out_of_a_new_address_waits_with_it() -> None:
    bare = STORED.replace('<host mac="52:54:00:00:00:01" name="db" ip="192.168.100.10"/>', "")
    edit = Edit("set", "nat", values={"address4": "192.168.50.1/24", "ranges4": "192.168.50.10 - 192.168.50.20"})
    plan = editing.plan(root(bare), root(bare), root(editing.applied(bare, [edit])))
    assert plan.updates == () and plan.later == ("Address of the host", "DHCP gives out")


def test_an_address_of_before_that_waits_does_not_get_in_the_way() -> None:
    """The running network has the <ip> elements in another order, and one more: places are counted there."""
    live = STORED.replace("<dns>", '<ip address="10.1.1.1" prefix="24"/><dns>')
    plan = plan_of(Edit("remove", "fixed", 0), live=live)
    assert commands(plan) == [("delete", "ip-dhcp-host", 1)]


def test_cards_of_macvtap_come_and_go_live() -> None:
    stored = editing.new("m", "u", MODES["macvtap"], {"devices": "eth0", "way": "bridge"})
    after = editing.applied(stored, [Edit("set", "macvtap", values={"devices": "eth1\neth0"})])
    plan = editing.plan(root(stored), root(stored), root(after))
    assert (commands(plan), plan.later) == ([("add", "forward-interface", -1)], ())
    assert MODES["macvtap"].read(root(after))["devices"] == "eth0\neth1"


def test_nothing_waits_of_what_libvirt_filled_in() -> None:
    filled = STORED.replace("<port start=", "<port  start=").replace('delay="2"', 'delay="2" ').replace("<dns>", "<dns>\n")
    assert editing.pending(root(filled), root()) == []
    assert editing.pending(root(LIVE.replace('<nat><address start="10.0.0.5" end="10.0.0.6"/>', "<nat>")), root()) == []
