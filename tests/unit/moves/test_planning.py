"""What goes where: whatever the fleet looks like, nobody is put where it can't be, and who stays is told why."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from machines.migration.checks.facts import Case, Drive, Guest, Place, Reach, Shelf, Store, Way
from machines.migration.checks.rules import blockers
from machines.moves.planning import Deed, Plan, Wish, plan

GIB = 2**30
HOME = Place(1, "h1", "u1", cpu="EPYC", kvm=True, memory_bytes=64 * GIB, free_bytes=0, networks=frozenset({"default"}))
PCI = ("PCI 0000:41:00.2",)


def place(number: int, free_gib: int = 32, **more: object) -> Place:
    pool = Shelf("default", "dir", "/images", "", True, 100 * GIB)
    usual = replace(HOME, id=number, name=f"h{number}", host_uuid=f"u{number}", free_bytes=free_gib * GIB, pools=(pool,))
    return replace(usual, **more)  # type: ignore[arg-type]


def guest(number: int, memory_gib: int = 4, **more: object) -> Guest:
    usual = Guest(number, f"m{number:03d}", f"uuid-{number}", 1, True, memory_gib * GIB, 1, virt_type="kvm")
    return replace(usual, **more)  # type: ignore[arg-type]


def facts(guest: Guest, place: Place) -> Case:
    """All disks are local and go to the pool of their name."""
    stores = {drive.target: Store.LOCAL for drive in guest.drives}
    return Case(guest, HOME, place, Way({drive.target: "default" for drive in guest.drives}), Reach(True), stores)


def where(made: Plan) -> dict[str, str]:
    return {line.guest.name: line.target.name if line.target else line.deed.value for line in made.lines}


def test_equal_machines_are_spread_evenly_over_equal_hosts() -> None:
    made = plan([guest(number) for number in range(9)], [place(2), place(3), place(4)], facts)
    placed = list(where(made).values())
    assert {name: placed.count(name) for name in placed} == {"h2": 3, "h3": 3, "h4": 3}


def test_the_emptier_host_takes_more_and_the_largest_is_placed_first() -> None:
    made = plan([guest(1, 2), guest(2, 2), guest(3, 20)], [place(2, 22), place(3, 8)], facts)
    assert where(made) == {"m001": "h3", "m002": "h3", "m003": "h2"}


def test_who_fits_nowhere_stays_and_is_told_the_nearest_reason() -> None:
    made = plan([guest(1, 16)], [place(2, 8), place(3, 8, online=False)], facts)
    assert where(made) == {"m001": "leave"}
    assert made.stuck[0].why == "h2: Only 8 GiB of memory free there, 16 GiB needed"
    assert plan([guest(1)], [], facts).stuck[0].why == "There is no other host on which you may put it."


def test_what_is_done_with_those_that_can_not_be_moved_while_they_run() -> None:
    held = guest(1, host_devices=PCI)
    wishes = {deed: plan([held], [place(2)], facts, {1: Wish(stuck=deed)}).lines[0] for deed in (Deed.LEAVE, Deed.SHUT_DOWN, Deed.COLD)}
    assert {deed: line.deed for deed, line in wishes.items()} == {deed: deed for deed in wishes}
    assert wishes[Deed.COLD].target is not None
    assert "0000:41:00.2" in wishes[Deed.SHUT_DOWN].why
    assert not wishes[Deed.COLD].is_stuck
    nowhere = plan([held], [place(2, online=False)], facts, {1: Wish(stuck=Deed.COLD)}).lines[0]
    assert (nowhere.deed, nowhere.target) == (Deed.LEAVE, None)


def test_a_person_may_choose_host_and_deed_for_each() -> None:
    wishes = {1: Wish(target=3), 2: Wish(Deed.LEAVE), 3: Wish(Deed.SHUT_DOWN), 4: Wish(Deed.COLD), 5: Wish(Deed.SHUT_DOWN)}
    made = plan([guest(1), guest(2), guest(3), guest(4), guest(5, running=False)], [place(2), place(3, 8)], facts, wishes)
    assert where(made) == {"m001": "h3", "m002": "leave", "m003": "shut-down", "m004": "h2", "m005": "leave"}
    assert not made.stuck


def test_machines_that_are_off_take_no_memory_and_their_disks_take_room() -> None:
    disk = Drive("vda", "disk", "file", "/images/a", "default", 60 * GIB)
    made = plan([guest(1, 60, running=False, drives=(disk,)), guest(2, 60, running=False, drives=(disk,))], [place(2, 1)], facts)
    assert sorted(where(made).values()) == ["h2", "leave"], "the pool has room for one"
    assert made.copied_bytes == 60 * GIB
    assert made.after[2].free_bytes == GIB


GUESTS = st.lists(
    st.builds(
        lambda number, gib, running, held, disk: guest(
            number, gib, running=running, host_devices=PCI if held else (),
            drives=(Drive("vda", "disk", "file", "/images/a", "default", disk * GIB),) if disk else (),
        ),
        st.integers(1, 400), st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 60),
    ),
    max_size=14, unique_by=lambda guest: guest.id,
)  # fmt: skip
PLACES = st.lists(
    st.builds(lambda number, free, online, kept: place(number, free, online=online, maintenance=kept), st.integers(2, 40), st.integers(0, 64), st.booleans(),
              st.booleans()),
    max_size=6, unique_by=lambda place: place.id,
)  # fmt: skip
STUCK = st.sampled_from([Deed.LEAVE, Deed.SHUT_DOWN, Deed.COLD])


@settings(deadline=None)  # judging is quick, making such a fleet is not
@given(GUESTS, PLACES, st.dictionaries(st.integers(1, 400), st.builds(Wish, st.sampled_from(list(Deed)), st.none() | st.integers(1, 40), STUCK)), STUCK)
def test_whatever_the_fleet_looks_like(guests: list[Guest], places: list[Place], wishes: dict[int, Wish], stuck: Deed) -> None:
    wishes = {guest.id: Wish(stuck=stuck) for guest in guests} | wishes
    made = plan(guests, places, facts, wishes)
    before = {place.id: place for place in places}
    assert [line.guest.id for line in made.lines] == [guest.id for guest in sorted(guests, key=lambda each: (each.name, each.id))], "everybody has a line"
    for line in made.lines:
        if line.moves:
            assert line.target is not None
            assert line.target.id != line.guest.host_id
            moved = replace(line.guest, running=line.guest.running and line.deed != Deed.COLD)
            assert not blockers(facts(moved, before[line.target.id])), "nothing hindered it even before others were placed"
            wanted = wishes[line.guest.id].target
            assert wanted in (None, line.target.id)
        else:
            assert line.target is None
            assert line.why or wishes[line.guest.id].deed in (Deed.LEAVE, Deed.SHUT_DOWN)
        assert line.deed != Deed.SHUT_DOWN or line.guest.running
    for pk, place_after in made.after.items():
        arrived = [line for line in made.moving if line.target is not None and line.target.id == pk]
        memory = sum(line.guest.memory_bytes for line in arrived if line.guest.running)
        copied = sum(drive.size_bytes for line in arrived for drive in line.guest.disks)
        assert before[pk].free_bytes - memory == place_after.free_bytes >= 0 or not memory
        assert place_after.pools[0].free_bytes == before[pk].pools[0].free_bytes - copied >= 0
