"""Addresses that can't be, found before a hypervisor is asked."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virt import addressing, names
from virt.addressing import Fixed, Neighbour
from virt.errors import Invalid

HOME = addressing.interface("192.168.100.1/24", 4)
HOME6 = addressing.interface("fd00:100::1/64", 6)
DEFAULT = Neighbour("default", "virbr0", (ip_network("192.168.122.0/24"), ip_network("fd00:122::/64")))


# ── the network's own address ──


@pytest.mark.parametrize(
    ("text", "version", "meant"),
    [
        ("192.168.100.1/24", 4, "192.168.100.1/24"),
        ("192.168.100.1/255.255.255.0", 4, "192.168.100.1/24"),
        (" 10.0.0.1 / 8 ", 4, "10.0.0.1/8"),
        ("172.16.0.9/29", 4, "172.16.0.9/29"),
        ("172.16.0.1/30", 4, "172.16.0.1/30"),
        ("FD00::1/64", 6, "fd00::1/64"),
        ("fd00::1/126", 6, "fd00::1/126"),
    ],
)
def test_addresses_that_are_fine(text: str, version: int, meant: str) -> None:
    assert str(addressing.interface(text, version)) == meant


@pytest.mark.parametrize(
    ("text", "version", "words"),
    [
        ("", 4, "with its prefix"),
        ("192.168.100.1", 4, "with its prefix"),
        ("192.168.100.1/", 4, "with its prefix"),
        ("192.168.100.1/33", 4, "no prefix"),
        ("192.168.100.1/-1", 4, "no prefix"),
        ("192.168.100.1/255.0.255.0", 4, "no prefix"),
        ("192.168.100.1/24/24", 4, "no prefix"),
        ("192.168.100.256/24", 4, "no IPv4 address"),
        ("192.168.100/24", 4, "no IPv4 address"),
        ("0x7f.1/24", 4, "no IPv4 address"),
        ("192.168.010.1/24", 4, "no IPv4 address"),
        ("<b>/24", 4, "no IPv4 address"),
        ("fd00::1/64", 4, "is an IPv6 address"),
        ("10.0.0.1/24", 6, "is an IPv4 address"),
        ("192.168.100.0/24", 4, "the address of the network itself"),
        ("192.168.100.255/24", 4, "broadcast"),
        ("192.168.100.1/31", 4, "no room"),
        ("192.168.100.1/32", 4, "no room"),
        ("10.0.0.1/7", 4, "too large"),
        ("127.0.0.1/24", 4, "loopback"),
        ("224.0.0.1/24", 4, "loopback, multicast"),
        ("240.0.0.1/24", 4, "reserved"),
        ("0.0.0.0/24", 4, "loopback"),
        ("169.254.1.1/24", 4, "link-local"),
        ("fe80::1/64", 6, "link-local"),
        ("fe80::1%eth0/64", 6, "%"),
        ("::1/64", 6, "loopback"),
        ("ff02::1/64", 6, "multicast"),
        ("fd00::/64", 6, "the address of the network itself"),
        ("fd00::1/127", 6, "no room"),
        ("fd00::1/8", 6, "too large"),
    ],
)
def test_addresses_that_are_not(text: str, version: int, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        addressing.interface(text, version)


@given(st.text(max_size=60), st.sampled_from((4, 6)))
def test_no_text_brings_it_down(text: str, version: int) -> None:
    for read in (addressing.interface, addressing.ranges):
        try:
            read(text, version)
        except Invalid as exc:
            assert str(exc)
    assert isinstance(addressing.host_name_problem(text), str) and isinstance(addressing.bridge_problem(text), str)
    assert addressing.fixed_problems(Fixed(text, text, text, text), [HOME, HOME6], [])


# ── other networks of the host ──


@pytest.mark.parametrize(
    ("network", "clashes"),
    [
        ("192.168.122.0/24", True),
        ("192.168.122.128/25", True),
        ("192.168.0.0/16", True),
        ("192.168.123.0/24", False),
        ("fd00:122::/64", True),
        ("fd00:122::/48", True),
        ("fd00:123::/64", False),
    ],
)
def test_networks_that_overlap(network: str, clashes: bool) -> None:
    words = addressing.overlap_problem(ip_network(network), [Neighbour("other", "", ()), DEFAULT])
    assert ("default" in words) == clashes


def test_a_free_network_is_offered() -> None:
    assert str(addressing.free_network([])) == "192.168.100.0/24"
    taken = [Neighbour("a", "", (ip_network("192.168.100.0/23"),)), DEFAULT]
    assert str(addressing.free_network(taken)) == "192.168.102.0/24"
    everything = [Neighbour("all", "", (ip_network("192.168.0.0/16"),))]
    assert str(addressing.free_network(everything)) == "10.213.0.0/24"


def test_bridges_of_two_networks() -> None:
    assert "default" in addressing.bridge_clash("virbr0", [DEFAULT])
    assert addressing.bridge_clash("virbr1", [DEFAULT]) == ""
    assert addressing.bridge_clash("", [Neighbour("x", "", ())]) == "The network x has this bridge."  # asked only where one is given


# ── what is given out ──


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("192.168.100.2 - 192.168.100.254", ""),
        ("192.168.100.2-192.168.100.9\n192.168.100.20 192.168.100.30", ""),
        ("192.168.100.9 - 192.168.100.9", ""),
        ("192.168.101.2 - 192.168.101.9", "not within"),
        ("192.168.100.200 - 192.168.101.9", "not within"),
        ("192.168.100.1 - 192.168.100.9", "the host itself"),
        ("192.168.100.0 - 192.168.100.0", "network itself"),
        ("192.168.100.250 - 192.168.100.255", "broadcast"),
        ("192.168.100.2 - 192.168.100.9\n192.168.100.9 - 192.168.100.12", "overlaps"),
        ("192.168.100.5 - 192.168.100.6\n192.168.100.2 - 192.168.100.9", "overlaps"),
    ],
)
def test_ranges_within_their_network(text: str, words: str) -> None:
    problem = addressing.range_problem(addressing.ranges(text, 4), HOME)
    assert words in problem and bool(problem) == bool(words)


@pytest.mark.parametrize(
    "text", ["192.168.100.9 - 192.168.100.2", "192.168.100.2", "a - b", "192.168.100.2 - fd00::1", "192.168.100.2 - 192.168.100.5 - 192.168.100.9"]
)
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(Invalid):
        addressing.ranges(text, 4)


def test_a_range_is_not_larger_than_libvirt_takes() -> None:
    home = addressing.interface("10.0.0.1/8", 4)
    assert "at most 65535" in addressing.range_problem(addressing.ranges("10.0.0.2 - 10.1.0.1", 4), home)
    assert addressing.range_problem([addressing.usual_range(home)], home) == ""


@given(st.integers(8, 30), st.integers(0, 2**32 - 1))
def test_the_range_that_is_offered_is_always_fine(prefix: int, number: int) -> None:
    try:
        home = addressing.interface(f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/{prefix}", 4)
    except Invalid:
        return
    assert addressing.range_problem([addressing.usual_range(home)], home) == ""


def test_ipv6_gives_out_only_of_a_64() -> None:
    assert addressing.needs_64(HOME6.network) == "" and addressing.needs_64(HOME.network) == ""
    assert "64" in addressing.needs_64(addressing.interface("fd00::1/96", 6).network)
    assert addressing.range_problem([addressing.usual_range(HOME6)], HOME6) == ""


# ── fixed addresses ──

DB = Fixed("52:54:00:00:00:01", "192.168.100.10", "db")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (Fixed("52:54:00:00:00:02", "192.168.100.11", "web"), set()),
        (Fixed("52:54:00:00:00:02", "192.168.100.11", ""), set()),
        (Fixed("", "192.168.100.11", "web"), set()),
        (Fixed("", "192.168.100.11", ""), {"mac"}),
        (Fixed("52:54:00:00:00:01", "192.168.100.11", "web"), {"mac"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.10", "web"), {"ip"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.11", "DB"), {"name"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.1", "web"), {"ip"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.0", "web"), {"ip"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.255", "web"), {"ip"}),
        (Fixed("52:54:00:00:00:02", "192.168.101.5", "web"), {"ip"}),
        (Fixed("53:54:00:00:00:02", "192.168.100.11", "web"), {"mac"}),
        (Fixed("52-54-00-00-00-02", "192.168.100.11", "web"), {"mac"}),
        (Fixed("00:00:00:00:00:00", "192.168.100.11", "web"), {"mac"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.11", "we b"), {"name"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.11", "-rf"), {"name"}),
        (Fixed("52:54:00:00:00:02", "192.168.100.11", "web", "0:1"), {"client"}),
        (Fixed("", "fd00:100::10", "web"), set()),
        (Fixed("", "fd00:100::10", "", "0:1:0:1:aa:bb"), set()),
        (Fixed("", "fd00:100::10", "", "so"), {"client"}),
        (Fixed("", "fd00:100::10", ""), {"mac"}),
        (Fixed("52:54:00:00:00:01", "fd00:100::10", "web"), {"mac"}),
        (Fixed("x", "nonsense", "a b"), {"mac", "ip", "name"}),
    ],
)
def test_fixed_addresses(wanted: Fixed, fields: set[str]) -> None:
    assert set(addressing.fixed_problems(wanted, [HOME, HOME6], [DB])) == fields


def test_without_addresses_none_can_be_fixed() -> None:
    assert "gives out no addresses" in addressing.fixed_problems(DB, [], [])["ip"]


# ── names ──


@pytest.mark.parametrize("name", ["default", "prod-208", "сеть", "a.b_c", "x" * 200])
def test_names_that_are_fine(name: str) -> None:
    assert names.network_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a b", "../x", "a/b", "a\\b", "-rf", ".hidden", "a\nb", "a\x00b", "<a>", 'a"b', "a'b", "a&b", "x" * 201, "\ud800"]
)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(Invalid):
        names.network_name(name)


@pytest.mark.parametrize("name", ["virbr0", "br-prod", "br0.208", "x" * 15])
def test_bridges_that_are_fine(name: str) -> None:
    assert addressing.bridge_problem(name) == ""


@pytest.mark.parametrize("name", ["", "x" * 16, "br 0", "br/0", "-br", ".", "..", "br0;id", "bröö", "br\n0"])
def test_bridges_that_are_not(name: str) -> None:
    assert addressing.bridge_problem(name)
