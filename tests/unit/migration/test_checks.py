"""What would hinder a migration: each rule on a machine and two hosts between which nothing else is in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.migration.checks.facts import Case, Drive, Guest, Level, Link, Place, Reach, Shelf, Store, Way
from machines.migration.checks.rules import blockers, judge
from machines.migration.figures import words

GIB = 2**30
POOL = Shelf("default", "dir", "/images", "", True, 100 * GIB)
MODELS = {"kvm": frozenset({"EPYC", "EPYC-Rome"}), "qemu": frozenset({"qemu64"})}
SOURCE = Place(
    1, "h1", "u1", arch="x86_64", kvm=True, cpu="EPYC-Rome", memory_bytes=64 * GIB, free_bytes=32 * GIB, libvirt_version="9.0.0", qemu_version="7.2.22",
    boards=frozenset({"q35", "pc-q35-7.2"}), cpu_models=MODELS, host_model="EPYC-Rome", pools=(POOL,), networks=frozenset({"default"}),
    bridges=frozenset({"br0"}), machines={"web": "m1"},
)  # fmt: skip
TARGET = replace(SOURCE, id=2, name="h2", host_uuid="u2", machines={})
VDA = Drive("vda", "disk", "file", "/images/web.qcow2", "default", 20 * GIB)
ISO = Drive("sda", "cdrom", "file", "/isos/debian.iso", readonly=True)
GUEST = Guest(
    1, "web", "m1", 1, True, 4 * GIB, 2, virt_type="kvm", arch="x86_64", board="pc-q35-7.2", cpu_mode="custom", cpu_model="EPYC",
    drives=(VDA,), links=(Link("network", "default"),),
)  # fmt: skip
WELL = Case(GUEST, SOURCE, TARGET, reach=Reach(True), stores={"vda": Store.SHARED})


def guest(**changes: Any) -> Case:
    return replace(WELL, guest=replace(GUEST, **changes))


def target(**changes: Any) -> Case:
    return replace(WELL, target=replace(TARGET, **changes))


def source(**changes: Any) -> Case:
    return replace(WELL, source=replace(SOURCE, **changes))


def test_where_nothing_is_in_the_way_all_is_fine() -> None:
    assert {finding.level for finding in judge(WELL)} == {Level.FINE}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (target(online=False), "h2 does not answer"),
        (source(online=False), "h1 does not answer"),
        (target(maintenance=True), "in maintenance"),
        (target(id=1), "where it is already"),
        (target(host_uuid="u1"), "where it is already"),
        (target(driver="test"), "nothing moves"),
        (replace(WELL, reach=Reach(False, "No route to host.")), "does not reach"),
        (guest(busy="Take snapshot, asked by ann."), "Another job"),
        (guest(running=False, saved=True), "memory is saved"),
        (target(machines={"other": "m1"}), "same UUID"),
        (target(machines={"web": "m9"}), "another machine named web"),
        (target(kvm=False), "no KVM"),
        (target(arch="aarch64"), "aarch64"),
        (target(boards=frozenset({"q35", "pc-q35-6.0"})), "machine type pc-q35-7.2"),
        (replace(guest(cpu_mode="host-passthrough", cpu_model=""), target=replace(TARGET, cpu="Skylake")), "another CPU"),
        (replace(guest(cpu_mode="host-model", cpu_model=""), target=replace(TARGET, cpu_models={"kvm": frozenset({"EPYC"})})), "can't give the CPU"),
        (guest(cpu_model="Cascadelake"), "can't give the CPU Cascadelake"),
        (target(memory_bytes=2 * GIB), "the machine needs 4 GiB"),
        (replace(guest(snapshots=2, inside=1), way=Way({"vda": "default"})), "2 snapshots"),
        (target(networks=frozenset()), "no network default"),
        (replace(guest(drives=(replace(VDA, pool=""),)), way=Way({"vda": "default"})), "can't be copied"),
        (replace(guest(drives=(replace(VDA, backed=True),), running=False), way=Way({"vda": "default"})), "rests on another file"),
        (
            replace(
                guest(drives=(replace(VDA, format="qcow2"),)), way=Way({"vda": "vg"}), target=replace(TARGET, pools=(replace(POOL, name="vg", kind="logical"),))
            ),
            "raw volumes alone",
        ),
        (guest(host_devices=("PCI 0000:41:00.2",)), "0000:41:00.2"),
        (guest(file_systems=(("virtiofs", "/srv/share"),)), "/srv/share"),
        (guest(shared_memory=True), "shares memory"),
        (guest(tpm="passthrough"), "TPM chip"),
        (guest(running=False, tpm="emulator"), "TPM stays behind"),
        (replace(WELL, stores={"vda": Store.LOCAL}), "vda is a local disk of h1"),
        (replace(WELL, stores={}), "Where vda lies is not known"),
        (replace(WELL, way=Way({"vda": "fast"})), "no pool fast"),
        (replace(target(pools=(replace(POOL, active=False),)), way=Way({"vda": "default"})), "is off"),
        (replace(target(pools=(replace(POOL, free_bytes=GIB),)), way=Way({"vda": "default"})), "1 GiB free, 20 GiB needed"),
        (replace(guest(drives=(replace(VDA, kind="nvme"),)), way=Way({"vda": "default"})), "can't be copied"),
        (replace(guest(drives=(replace(VDA, cache="writeback"),)), source=replace(SOURCE, qemu_version="3.1.0")), "cache of vda"),
        (replace(guest(drives=(ISO,)), stores={"sda": Store.LOCAL}), "debian.iso is in the drive sda"),
    ],
)
def test_what_blocks_says_what_and_mostly_how_to_mend_it(case: Case, words: str) -> None:
    found = blockers(case)
    assert [words in finding.title for finding in found].count(True) == 1, found


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (replace(WELL, reach=Reach()), "not tried yet"),
        (target(boards=None), "not known yet"),
        (target(cpu_models=None), "not known yet"),
        (target(networks=None), "is not known"),
        (target(qemu_version="7.1.0", libvirt_version="8.0.0"), "QEMU 7.1.0 instead of 7.2.22, libvirt 8.0.0 instead of 9.0.0"),
        (target(free_bytes=GIB), "Only 1 GiB of memory free"),
        (replace(WELL, stores={"vda": Store.LOCAL}, way=Way({"vda": "default"})), "20 GiB of a local disk will be copied"),
        (replace(guest(drives=(ISO,)), stores={}), "debian.iso is not known"),
        (guest(kernel="/boot/vmlinuz"), "/boot/vmlinuz"),
        (guest(links=(Link("bridge", "br7"),)), "bridge br7 is not known"),
        (guest(running=False, host_devices=("USB 0781:5567",)), "0781:5567"),
        (guest(known=False, virt_type="", board="", cpu_model="", links=()), "definition is not known"),
    ],
)
def test_what_one_should_know_blocks_nothing(case: Case, words: str) -> None:
    assert not blockers(case)
    assert any(words in finding.title for finding in judge(case) if finding.warns)


def test_an_emulated_cpu_is_the_same_everywhere() -> None:
    emulated = guest(virt_type="qemu", cpu_mode="maximum", cpu_model="")
    assert not blockers(replace(emulated, target=replace(TARGET, cpu="Skylake", kvm=False)))


def test_a_machine_that_is_off_takes_whatever_cpu_its_host_has() -> None:
    off = guest(running=False, cpu_mode="host-passthrough", cpu_model="")
    assert not blockers(replace(off, target=replace(TARGET, cpu="Skylake")))


def test_what_blocks_comes_first() -> None:
    levels = [finding.level for finding in judge(replace(target(networks=frozenset()), reach=Reach()))]
    assert levels == sorted(levels, key=[Level.BLOCKS, Level.WARNS, Level.FINE].index)


TEXTS = st.sampled_from(["", "kvm", "qemu", "x86_64", "host-passthrough", "host-model", "custom", "EPYC", "pc-q35-7.2", "emulator"])


@settings(deadline=None)
@given(
    st.builds(Guest, st.just(1), st.just("web"), st.just("m1"), st.just(1), st.booleans(), st.integers(0, 2**42), st.integers(1, 8), st.booleans(),
              TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.lists(st.builds(Drive, TEXTS, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple),
              st.lists(st.builds(Link, st.sampled_from(["network", "bridge", "user", "direct"]), TEXTS), max_size=3).map(tuple)),
    st.booleans(), st.dictionaries(TEXTS, TEXTS, max_size=2), st.dictionaries(TEXTS, st.sampled_from(list(Store)), max_size=2),
)  # fmt: skip
def test_whatever_is_known_there_is_an_answer(guest: Guest, online: bool, copies: dict[str, str], stores: dict[str, Store]) -> None:
    for place in (replace(TARGET, online=online), Place(2, "h2", online=online)):
        found = judge(Case(guest, SOURCE, place, Way(copies), stores=stores))
        assert all(finding.title and not finding.title.endswith(".") for finding in found)
        assert online or any(finding.blocks for finding in found)


def test_what_libvirt_counts_is_told_in_words() -> None:
    told = dict(words({"memory_left": GIB, "memory_total": 4 * GIB, "disk_left": 0, "disk_total": 0, "dirty_bps": 2**20, "iteration": 3, "downtime_ms": 120}))
    assert told == {"Memory left": "1 GiB of 4 GiB", "Memory changes": "1 MiB/s", "Round": "3", "Expected pause": "120 ms"}
    assert words({}) == []
