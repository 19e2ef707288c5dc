"""What is changed on the hardware page happens in a guest that runs: seen by its agent, by libvirt, and on the page, without loading it again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import kit
from tests.browser.kit import Tab
from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Lab
from tests.stack import Stack
from tests.waiting import wait_until
from virt.xml.devices import KINDS

pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture(scope="module")
def guest(lab: Lab, tiny_guest: Image) -> Guest:
    _image(lab, "root.qcow2", "64M")
    guest = lab["h1"].define(Recipe("hot", image=tiny_guest, disk=Path("/srv/shared/root.qcow2"), memory_mib=192), start=True)
    guest.wait_for_agent()
    return guest


@pytest.fixture
def number(stack: Stack, guest: Guest) -> int:
    wait_until(f"{guest.name} is known", lambda: stack.machine(guest.name)["state"] == "running", seconds=30)
    return int(stack.machine(guest.name)["id"])


def test_plugged_changed_and_unplugged(stack: Stack, lab: Lab, guest: Guest, number: int) -> None:
    """A disk and a card come, one grows, one goes down, both go again: each time the guest says so."""
    _image(lab, "more.qcow2", "32M")
    job = _edit(stack, number, "add", "disk", source="/srv/shared/more.qcow2", serial="hot-1")
    assert job["state"] == "done", job["error"]
    assert json.loads(job["result"]) == {"at_once": ["Plugging in Disk vdb"], "at_next_boot": []}
    wait_until("the guest has the disk", lambda: _inside(guest, "cat /sys/block/vdb/size") == str(32 * 2048), seconds=20)
    assert _inside(guest, "cat /sys/block/vdb/serial") == "hot-1"

    answer = stack.api.request("PUT", f"machines/{number}/disk-size", {"target": "vdb", "size_bytes": 48 * 2**20})
    assert stack.wait_job(answer.body["id"])["state"] == "done"
    wait_until("the guest sees it larger", lambda: _inside(guest, "cat /sys/block/vdb/size") == str(48 * 2048), seconds=20)
    answer = stack.api.request("PUT", f"machines/{number}/disk-size", {"target": "vdb", "size_bytes": 8 * 2**20})
    assert "can only grow" in stack.wait_job(answer.body["id"])["error"]

    assert _edit(stack, number, "add", "nic", source="default", mac="52:54:00:0a:0b:0c")["state"] == "done"
    card = wait_until("the guest has the card", lambda: _inside(guest, "grep -l 52:54:00:0a:0b:0c /sys/class/net/*/address").split("/")[4], seconds=20)
    _inside(guest, f"ip link set {card} up")
    wait_until("its link is up", lambda: _inside(guest, f"cat /sys/class/net/{card}/carrier") == "1", seconds=20)
    assert _edit(stack, number, "change", "nic", "52:54:00:0a:0b:0c", down="yes")["state"] == "done"
    wait_until("its link is down", lambda: _inside(guest, f"cat /sys/class/net/{card}/carrier") == "0", seconds=20)
    job = _edit(stack, number, "change", "nic", "52:54:00:0a:0b:0c", down="")
    assert job["state"] == "done", job["error"]
    wait_until("its link is up again", lambda: _inside(guest, f"cat /sys/class/net/{card}/carrier") == "1", seconds=20)
    # A kernel without traffic control can't limit: then it is saved, and that is said.
    job = _edit(stack, number, "change", "nic", "52:54:00:0a:0b:0c", in_average="512")

    assert (job["state"] == "done") == ("average='512'" in guest.host.virsh("dumpxml", guest.uuid)), job
    assert "average='512'" in guest.host.virsh("dumpxml", guest.uuid, "--inactive")

    assert _edit(stack, number, "change", "disk", "vdb", total_iops_sec="300")["state"] == "done"
    assert "300" in guest.host.virsh("blkdeviotune", guest.uuid, "vdb", "--live")
    for kind, key, path in (("disk", "vdb", "/sys/block/vdb"), ("nic", "52:54:00:0a:0b:0c", f"/sys/class/net/{card}")):
        job = _edit(stack, number, "remove", kind, key)
        assert job["state"] == "done", job["error"]
        wait_until(f"{path} is gone", lambda path=path: _inside(guest, f"ls -d {path} || echo gone") == "gone", seconds=20)  # type: ignore[misc]
    assert _hardware(stack, number)["pending"] == []


def test_what_waits_is_marked_and_true_after_the_next_boot(stack: Stack, lab: Lab, guest: Guest, number: int, tab: Tab) -> None:
    """A change by form and diff; a CD drive that comes at next boot; both are there then, and the medium is changed while it runs."""
    page = tab.open(f"/machines/{number}/hardware/disk/vda/")
    with tab.without_reload():
        page.get_by_label("Cache").select_option("writeback")
        expect(page.locator("#proposal ins")).to_contain_text('cache="writeback"')
        expect(page.locator("#proposal")).to_contain_text("at next boot")
        page.get_by_role("button", name="Apply 1 change").click()
        expect(page.get_by_text("The machine runs with other values")).to_be_visible(timeout=20_000)
        expect(page.locator("#machine-head a", has_text="Hardware")).to_contain_text("1")
        expect(page.locator(".wv-f", has_text="Cache").get_by_text("Running:")).to_be_visible()
    assert "cache='" not in guest.host.virsh("dumpxml", guest.uuid)
    assert "cache='writeback'" in guest.host.virsh("dumpxml", guest.uuid, "--inactive")

    assert json.loads(_edit(stack, number, "add", "cdrom", bus="ide", target="hdc")["result"])["at_next_boot"] == ["CD drive hdc"]
    _edit(stack, number, "change", "cpu", vcpus="4", current="2")
    wait_until("all of it is pending", lambda: {"disk", "cdrom", "cpu"} == {each["kind"] for each in _hardware(stack, number)["pending"]}, seconds=20)
    guest.host.virsh("destroy", guest.uuid)
    guest.host.virsh("start", guest.uuid)
    wait_until("nothing is pending", lambda: stack.machine("hot")["vcpus"] == 2 and _hardware(stack, number)["pending"] == [], seconds=30)
    guest.wait_for_agent()
    assert _inside(guest, "grep -c ^processor /proc/cpuinfo") == "2"
    assert json.loads(_edit(stack, number, "change", "cpu", current="3")["result"])["at_once"] == ["Plugging in vCPUs: 3 in all"]
    wait_until("the guest has a third CPU", lambda: _inside(guest, "ls -d /sys/devices/system/cpu/cpu2") != "", seconds=20)
    assert json.loads(_edit(stack, number, "change", "memory", current=str(160 * 2**20))["result"])["at_once"] == ["Setting the memory that it has"]
    wait_until("the balloon took it", lambda: "actual 163840" in guest.host.virsh("dommemstat", guest.uuid), seconds=30)

    subprocess.run(["dd", "if=/dev/zero", f"of={lab.shared}/disc.iso", "bs=1M", "count=3"], check=True, capture_output=True)
    assert _edit(stack, number, "change", "cdrom", "hdc", source="/srv/shared/disc.iso")["state"] == "done"
    wait_until("the guest reads the disc", lambda: _inside(guest, "dd if=/dev/sr0 bs=1M 2>/dev/null | wc -c") == str(3 * 2**20), seconds=20)
    assert _edit(stack, number, "change", "cdrom", "hdc", source="")["state"] == "done"
    assert "disc.iso" not in guest.host.virsh("domblklist", guest.uuid)
    expect(page.get_by_text("The machine runs with other values")).to_be_hidden(timeout=20_000)


def test_partial_success_is_said(stack: Stack, guest: Guest, number: int) -> None:
    """The definition takes a second disk of the same volume's name that is not there; the running machine can't open it."""
    job = _edit(stack, number, "add", "disk", source="/srv/shared/not-there.qcow2")
    assert job["state"] == "failed"
    assert job["error"].startswith("It is saved, and takes effect at next boot. The running machine did not take it.")
    assert "not-there.qcow2" in job["detail"] + job["error"]
    wait_until("it is pending", lambda: [each["verb"] for each in _hardware(stack, number)["pending"]] == ["add"], seconds=20)
    assert _edit(stack, number, "remove", "disk", _hardware(stack, number)["pending"][0]["key"])["state"] == "done"
    wait_until("nothing is pending", lambda: _hardware(stack, number)["pending"] == [], seconds=20)


def test_a_change_from_outside_is_kept_compared_and_restored(stack: Stack, guest: Guest, number: int, tab: Tab) -> None:
    """A colleague's virsh makes our edit stale; the XML editor shows both, and an old version comes back."""
    page = tab.open(f"/machines/{number}/xml/")
    text = page.locator("#id_xml").input_value()
    page.locator("#id_xml").fill(text.replace("<on_crash>destroy</on_crash>", "<on_crash>restart</on_crash>"))
    page.locator("#id_xml").blur()
    expect(page.locator("#proposal ins")).to_contain_text("<on_crash>restart</on_crash>")
    # What comes within three seconds of a job's end counts as its doing.
    recent = "SELECT id FROM jobs_job WHERE finished_at > datetime('now', '-4 seconds')"
    wait_until("no job has just ended", lambda: not stack.rows(recent), seconds=20)
    guest.host.virsh("desc", guest.uuid, "--config", "--title", "From outside")
    wait_until("the new definition is known", lambda: stack.machine("hot") and _newest(stack, number)["actor"] == "outside WebVirt", seconds=20)
    tab.tolerate("409")
    page.get_by_role("button", name="Apply 1 change").click()
    expect(page.get_by_text("Somebody changed the definition meanwhile.")).to_be_visible()
    expect(page.get_by_role("region", name="Theirs")).to_contain_text("From outside")
    assert "restart</on_crash>" not in guest.host.virsh("dumpxml", guest.uuid, "--inactive")
    assert tab.violations() == []

    page.goto(f"/machines/{number}/xml/")
    page.locator("#xml-versions li").nth(1).get_by_text("Restore").click()
    page.get_by_role("button", name="Restore").click()
    wait_until("the title is gone", lambda: "From outside" not in guest.host.virsh("dumpxml", guest.uuid, "--inactive"), seconds=20)
    wait_until("who did it is known", lambda: _newest(stack, number)["actor"] == "administrator", seconds=20)


def test_the_guest_by_its_agent(stack: Stack, guest: Guest, number: int) -> None:
    """The password opens the guest's own lock, the key is in its file; secrets stand nowhere."""
    wait_until("a report is there", lambda: stack.rows("SELECT * FROM hardware_guestreport WHERE machine_id = ?", number), seconds=60)
    reply = stack.web.post(f"/machines/{number}/guest/password/", {"user": "root", "password": "s3cret-of-root"})
    assert reply.status == 204
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
    assert job["state"] == "done", job["error"]
    kept = _inside(guest, "grep ^root: /etc/shadow | cut -d: -f2")
    assert kept == _inside(guest, f"mkpasswd -m sha512 -S '{kept.split('$')[2]}' s3cret-of-root")
    reply = stack.web.post(f"/machines/{number}/guest/password/", {"user": "nobody-of-that-name", "password": "s3cret-of-root"})
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
    assert (job["state"], "s3cret" in job["error"] + job["detail"]) == ("failed", False), job["error"]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6q4oV6kJ6dRZ2c3yqV0cN0lGm7m8kq1m7d0c3l5Xyz somebody"
    reply = stack.web.post(f"/machines/{number}/guest/key/", {"user": "root", "key": key})
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
    assert job["state"] == "done", job["error"]
    assert "somebody" in _inside(guest, "cat /root/.ssh/authorized_keys")
    assert "s3cret-of-root" not in stack.log + json.dumps(stack.rows("SELECT * FROM jobs_job"), default=str)


def _edit(stack: Stack, number: int, verb: str, kind: str, key: str = "0", **values: str) -> dict[str, Any]:
    """Ask for one edit of what is there now; the job, ended."""

    def ask() -> int:
        wish = {"verb": verb, "kind": kind, "key": "" if verb == "add" else key, "values": values}
        answer = stack.api.request("PATCH", f"machines/{number}/hardware", {"based_on": _hardware(stack, number)["digest"], "edits": [wish]})
        assert answer.status == 202, answer  # 409 while the definition before is still on its way here
        return int(answer.body["id"])

    before = _hardware(stack, number)["digest"]
    job = stack.wait_job(wait_until("the edit is taken", ask, seconds=20, every=0.3), seconds=90)
    if "meanwhile" in job["error"]:
        return _edit(stack, number, verb, kind, key, **values)
    wait_until("the new definition is known", lambda: _hardware(stack, number)["digest"] != before, seconds=20)
    return job


def _hardware(stack: Stack, number: int) -> Any:
    return stack.api.get(f"machines/{number}/hardware")


def _newest(stack: Stack, number: int) -> Any:
    return stack.api.get(f"machines/{number}/definition")


def _inside(guest: Guest, command: str) -> str:
    """Run a command in the guest, by its agent; its output."""
    start = {"execute": "guest-exec", "arguments": {"path": "/bin/sh", "arg": ["-c", command], "capture-output": True}}
    pid = json.loads(guest.host.virsh("qemu-agent-command", guest.uuid, json.dumps(start)))["return"]["pid"]
    ask = json.dumps({"execute": "guest-exec-status", "arguments": {"pid": pid}})

    def ended() -> Any:
        status = json.loads(guest.host.virsh("qemu-agent-command", guest.uuid, ask))["return"]
        return status if status["exited"] else None

    import base64

    status = wait_until(command, ended, seconds=15)
    return base64.b64decode(status.get("out-data", "")).decode().strip()


def _image(lab: Lab, name: str, size: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(lab.shared / name), size], check=True)


def test_forms_in_a_browser(stack: Stack, number: int, tab: Tab, new_tab: Any) -> None:
    """Those that add nothing (test_forms.py has the others) are reachable for everybody; the boot order is moved by keyboard; a telephone shows all of it."""
    for name in (name for name, kind in KINDS.items() if not (kind.addable and kind.is_device)):
        page = tab.open(f"/machines/{number}/hardware/{name}/0/")
        expect(page.locator("#device-form")).to_be_visible()
        assert tab.violations() == [], name
    page = tab.open(f"/machines/{number}/hardware/add/nic/")
    expect(page.get_by_label("Way of macvtap")).to_be_hidden()
    page.get_by_label("Connected to").select_option("direct")
    expect(page.get_by_label("Way of macvtap")).to_be_visible()

    page = tab.open(f"/machines/{number}/hardware/boot/0/")
    order = page.locator("wv-order li")
    names = [str(order.nth(index).get_attribute("data-name")) for index in range(order.count())]
    card = next(name for name in names if name.startswith("interface"))
    line = page.locator(f'li[data-name="{card}"]')
    line.locator("input").focus()
    page.keyboard.press("Space")
    for _ in names:
        page.keyboard.press("Alt+ArrowUp")
    expect(order.first).to_have_attribute("data-name", card)
    expect(line.locator("input")).to_be_focused()
    expect(page.locator("#proposal ins").filter(has_text='<boot order="1"/>')).to_be_visible()
    with tab.without_reload():
        page.get_by_role("button", name="Apply 1 change").click()
        expect(page.locator("#proposal")).to_be_hidden()
        wait_until("it is saved", lambda: _first_of_boot_order(stack, number) == card, seconds=20)

    # A TPM that the host can't make: libvirt's words stand in the form, and what was chosen stays. A device that is taken leads to its page.
    page = tab.open(f"/machines/{number}/hardware/add/panic/")
    page.get_by_label("Model").select_option("s390")
    page.get_by_role("button", name="Show changes").click()
    page.get_by_role("button", name="Apply 1 change").click()
    expect(page.locator("#device [data-errors] .is-err")).to_contain_text("panic", ignore_case=True, timeout=30_000)
    expect(page.get_by_label("Model")).to_have_value("s390")
    page.get_by_label("Model").select_option("isa")
    page.get_by_role("button", name="Apply 1 change").click()
    page.wait_for_url(lambda url: "/hardware/panic/0/" in url or "/hardware/cpu/0/" in url)

    small = new_tab(viewport=kit.PHONE)
    for path in ("hardware/disk/vda/", "xml/"):
        page = small.open(f"/machines/{number}/{path}")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path
        assert small.violations() == [], path


def _first_of_boot_order(stack: Stack, number: int) -> str:
    devices = _hardware(stack, number)["devices"]
    return str(next(each for each in devices if each["kind"] == "boot")["values"]["order"]).split("\n")[0]
