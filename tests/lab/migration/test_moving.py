"""Machines moved between real hosts while they write: one machine afterwards, on one host, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

import libvirt
import pytest

from machines.models import HALF
from tests.lab.guests import Image
from tests.lab.lab import Lab
from tests.lab.migration.moving import LOCAL, OTHER, Moving, make_pools, notice_sooner, plug_cable, set_ways, when
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def moving(lab: Lab) -> Iterator[Stack]:
    stack = Stack.start()
    make_pools(lab)
    stack.add_hosts({host.name: host.uri for host in lab.hosts})
    wait_until("all hosts are online", lambda: all(stack.host(host.name)["state"] == "online" for host in lab.hosts), seconds=30)
    set_ways(stack)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def wanderer(moving: Stack, lab: Lab, swept: None, tiny_guest: Image) -> Moving:
    """A guest on shared storage that never stops changing its memory, for all that can be tried on one."""
    made = Moving.make(moving, lab["h1"], "wanderer", tiny_guest)
    made.keep_changing()
    return made


def test_a_running_machine_takes_its_row_along(wanderer: Moving, moving: Stack, lab: Lab) -> None:
    wanderer.write("one")
    wanderer.remember_in_memory("still here")
    there = wanderer.move("h2")
    assert (there.word, there.in_memory) == ("one", "still here")
    assert moving.machine("wanderer")["state"] == "running"
    assert there.history()[-1] == "Moved from h1 to h2", there.history()
    assert not {"Removed from the host", "Left by migration"} & set(there.history())
    # Back, by somebody else's hand.
    lab["h2"].run("virsh", "-q", "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", there.guest.uuid, "qemu+tcp://h1/system")
    wanderer.is_only_on("h1", wanderer.number)
    assert wanderer.word == "one"
    assert wanderer.history()[-1] == "Moved from h2 to h1", wanderer.history()


@pytest.mark.parametrize(
    "ways",
    [
        ({"post_copy": True}, {"tunnelled": True}),
        ({"parallel": 4, "auto_converge": True}, {"tls": True, "max_downtime_ms": 500, "bandwidth_mib": 500}),
        ({"live": False}, {"undefine": True, "persist": True}),
    ],
    ids=["post-copy-and-tunnelled", "parallel-and-tls", "standing-still"],
)
def test_there_and_back(ways: tuple[dict[str, object], dict[str, object]], wanderer: Moving) -> None:
    word, it = "-".join(ways[0]), wanderer.here
    it.remember_in_memory(word)
    it.write("before")
    there = it.move("h2", **ways[0])
    assert it.stack.machine("wanderer")["reason"] not in HALF
    assert (there.word, there.in_memory) == ("before", word)
    there.write("there")
    back = there.move("h1", **ways[1])
    assert (back.word, back.in_memory) == ("there", word)


def test_snapshots_go_along(wanderer: Moving, lab: Lab) -> None:
    it = wanderer.here
    it.write("then")
    it.take("inside", kind="internal")
    it.take("outside", kind="external", memory=False)
    it.write("now")
    before = it.parents
    there = it.move("h2")
    wait_until("they are shown", lambda: there.parents == before, seconds=30)
    assert there.current == "outside"
    assert it.names_on(lab["h1"]) == set()
    assert there.names_on(lab["h2"]) == {"inside", "outside"}
    there.delete("outside")
    assert there.word == "now"
    there.revert("inside")
    assert there.word == "then"
    there.delete("inside")
    there.move("h1")


def test_stopped_it_runs_on_and_the_target_is_clean(moving: Stack, lab: Lab, tiny_guest: Image) -> None:
    it = Moving.make(moving, lab["h1"], "stayer", tiny_guest, where=LOCAL)
    it.keep_changing()
    it.write("one")
    it.take("inside", kind="internal")
    it.delete("inside")
    job = it.ask_to_move("h2", storage={"vda": "local"}, bandwidth_mib=8)
    wait_until("memory goes over", lambda: moving.job(job)["phase"] == "Copying memory", seconds=60)
    figures = wait_until("it tells how far it is", lambda: moving.job(job)["figures"], seconds=20)
    assert '"memory_left"' in figures and '"dirty_bps"' in figures, figures
    answer = moving.api.request("PUT", f"machines/{it.number}/move/limits", {"bandwidth_mib": 6})
    assert answer.status == 202, answer
    moving.api.request("POST", f"jobs/{job}/cancel")
    ended = moving.wait_job(job, seconds=30)
    assert ended["state"] == "cancelled", ended
    it.is_only_on("h1", it.number)
    assert it.word == "one" and it.guest.state == "running"
    assert it.files_on(lab["h2"], LOCAL) == set()


def test_disks_of_its_own_are_copied(moving: Stack, lab: Lab, tiny_guest: Image) -> None:
    it = Moving.make(moving, lab["h1"], "owner", tiny_guest, where=LOCAL)
    it.write("one")
    it.fill(8)
    it.keep_writing()
    there = it.move("h2", storage={"vda": "local"})
    assert there.word == "one"
    digest = there.digest(8)
    # To a pool in another place, and on while it is off.
    third = there.move("h3", storage={"vda": "other"})
    assert (third.word, third.digest(8)) == ("one", digest)
    assert third.disk_path == f"{OTHER}/owner.qcow2"
    lab["h3"].virsh("autostart", it.guest.uuid)
    lab["h3"].virsh("destroy", it.guest.uuid)
    wait_until("it is off", lambda: moving.machine("owner")["state"] == "off", seconds=20)
    wait_until("it starts with its host", lambda: moving.machine("owner")["autostart"] == 1, seconds=40)
    back = third.move("h1", storage={"vda": "other"})
    assert moving.machine("owner")["state"] == "off"
    lab["h1"].virsh("start", it.guest.uuid)
    back.guest.wait_for_agent(seconds=90)
    assert (back.word, back.digest(8)) == ("one", digest)
    assert "Autostart:      enable" in lab["h1"].virsh("dominfo", it.guest.uuid)


def test_uefi_variables_of_one_that_is_off_go_along(moving: Stack, lab: Lab) -> None:
    it = Moving.make(moving, lab["h1"], "uefi", None, uefi=True)
    lab["h1"].virsh("destroy", it.guest.uuid)
    file = "/var/lib/libvirt/qemu/nvram/uefi_VARS.fd"
    before = lab["h1"].run("sha256sum", file).split()[0]
    wait_until("it is off", lambda: moving.machine("uefi")["state"] == "off", seconds=20)
    it.move("h2")
    assert lab["h2"].run("sha256sum", file).split()[0] == before


def test_what_can_t_be_is_said(moving: Stack, lab: Lab) -> None:
    """The folder is another one on each host, and nobody copies it; a pool that is not there; a host that nobody reaches."""
    it = Moving.make(moving, lab["h1"], "rooted", None, where=LOCAL)
    for wish, words in (({}, "shared storage"), ({"storage": {"vda": "nowhere"}}, "nowhere"), ({"storage": {"vdz": "local"}}, "vdz")):
        ended = moving.wait_job(it.ask_to_move("h2", **wish), seconds=40)
        assert ended["state"] == "failed" and words in ended["error"] + ended["detail"], ended
    set_ways(moving, hosts=("h9",), of="h3")
    ended = moving.wait_job(it.ask_to_move("h3", storage={"vda": "local"}), seconds=60)
    assert ended["state"] == "failed" and "h1 lost h3, or does not reach it" in ended["error"], ended
    set_ways(moving)
    it.is_only_on("h1", it.number)
    assert it.guest.state == "running"
    assert not it.files_on(lab["h2"], LOCAL) | it.files_on(lab["h3"], LOCAL)
    assert moving.rows("SELECT * FROM migration_move WHERE done_at IS NULL") == []


def test_a_link_that_breaks_after_the_guest_went_over(wanderer: Moving, moving: Stack, lab: Lab) -> None:
    """Half of its memory is on each host: that is said, neither half is touched, and the rest is sent when somebody asks for it."""
    it = wanderer.here
    source = it.guest.host
    target = lab["h2" if source.name == "h1" else "h1"]
    notice_sooner(source)
    wait_until("it is followed again", lambda: moving.host(source.name)["state"] == "online", seconds=20)
    it.guest.wait_for_agent()  # first: a question that its libvirtd lost would be waited for as long as patience lasts
    it.be_patient()
    it.remember_in_memory("whole")
    it.write("before")
    it.change_faster()
    went_over = (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_POSTCOPY)
    try:
        with when(target, it.guest.uuid, went_over[0], lambda: plug_cable(lab, source.name, "down"), detail=went_over[1]) as cut:
            job = it.ask_to_move(target.name, post_copy=True, bandwidth_mib=12)
            assert cut.wait(60), (moving.job(job), moving.log[-3000:])
        wait_until("it is said", lambda: moving.job(job)["phase"].startswith("The link broke"), seconds=60, every=0.2)
        moving.api.request("POST", f"jobs/{job}/cancel")
        ended = moving.wait_job(job, seconds=60)
        assert ended["state"] == "failed" and f"half of its memory is on {source.name}, half on {target.name}" in ended["error"], ended
        page = moving.web.get(f"/machines/{it.number}/").body.decode()
        assert "Its move broke after the guest had gone over" in page
        for action in ("resume", "reset", "shutdown"):
            assert moving.web.post(f"/machines/{it.number}/power/", {"action": action}).status == 409
        assert it.where(lab) == sorted((source.name, target.name))
    finally:
        plug_cable(lab, source.name, "up")
    answer = moving.web.post(f"/machines/{it.number}/move/", {"do": "resume"})
    resumed = moving.wait_job(int(answer.headers["WV-Job"]), seconds=60)
    assert resumed["state"] == "done", resumed
    it.is_only_on(target.name, it.number)
    there = it.on(target.name)
    there.guest.wait_for_agent()
    there.be_patient()
    there.change_slower()
    assert (there.word, there.in_memory) == ("before", "whole")
    assert moving.machine("wanderer")["reason"] not in HALF
    assert moving.rows("SELECT * FROM migration_move WHERE done_at IS NULL") == []
