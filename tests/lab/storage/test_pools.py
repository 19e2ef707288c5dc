"""Pools of a real host, by the pages' own forms: what runs in a lab runs; of the rest, libvirt's own XML and its own refusal are seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import kit
from tests.lab.guests import Recipe
from tests.lab.lab import Host, Lab
from tests.pools import VALUES
from tests.stack import Stack
from tests.waiting import wait_until
from virt.xml import tree
from virt.xml.pools import KINDS

SECRETS = {"iscsi": "chap-s3cret-word", "rbd": "AQBhUg5gAAAAABAAMiYbz4WEUO4eGkuG7XgOMw=="}
# Their programs, kernel parts or servers are not there. What libvirt says to a start, in part; "" where it says nothing.
ELSEWHERE = {"netfs": "nfs", "logical": "lvm2", "iscsi": "iscsi", "zfs": ""}

# What libvirt says where a form of them is sent with “Start it now”. A ZFS pool that is not there it starts without a word; making one it can't.
FAILS = {"netfs": "nfs", "logical": "lvm2", "iscsi": "iscsi", "zfs": "zpool"}


@pytest.fixture(scope="module")
def host(lab: Lab, stack: Stack) -> Iterator[Host]:
    host = lab["h1"]
    yield host
    for name in host.virsh("pool-list", "--all", "--name").split():
        if name in host.virsh("pool-list", "--name").split():
            host.virsh("pool-destroy", name)
        host.virsh("pool-undefine", name)


def test_a_directory_from_the_form_to_its_end(host: Host, stack: Stack, online: None, new_tab: Callable[..., kit.Tab]) -> None:
    tab = new_tab()
    tab.tolerate("status of 422")
    page = tab.open(_of_host(stack))
    page.get_by_role("link", name="New pool").first.click()
    page.get_by_label("Name").fill("disks")
    for path, words in (("/etc", "belongs to the host"), ("/srv/../etc", "no “..” in it"), ("srv", "begins with"), ("/var/lib/libvirt", "own system")):
        page.get_by_label("Directory").fill(path)
        page.get_by_role("button", name="Make pool").click()
        page.locator("#id_dir_path ~ .wv-errs", has_text=words).wait_for()
        assert tab.violations() == []
    page.get_by_label("Directory").fill("/srv/shared/pools/disks")
    page.get_by_role("button", name="Make pool").click()
    page.get_by_role("row", name="disks").get_by_text("Running").wait_for(timeout=60_000)
    assert "/srv/shared/pools/disks" in host.virsh("pool-dumpxml", "disks")
    assert _row(stack, "disks")["autostart"] == 1

    reply = stack.web.post(_new(stack), {"kind": "dir", "name": "disks", "path": "/srv/shared/pools/disks"})
    assert reply.status == 422 and reply.body.count(b"wv-errs") == 2
    reply = stack.web.post(_new(stack), {"kind": "dir", "name": "inner", "path": "/srv/shared/pools/disks/inner"})
    assert reply.status == 422 and b"would show it as a volume" in reply.body and b'name="anyway"' in reply.body

    host.virsh("vol-create-as", "disks", "one.raw", "1M")
    pool = _page(stack, "disks")
    _ask(stack, f"{pool}power/", action="refresh")
    wait_until("the volume is seen", lambda: _row(stack, "disks")["volume_count"] == 1, seconds=60)
    assert b"delete them first" in stack.web.get(f"{pool}remove/").body
    assert stack.web.post(f"{pool}remove/", {"typed": "disks", "contents": "delete"}).status == 409
    assert stack.web.post(f"{pool}remove/", {"typed": "other"}).status == 422
    _edit_xml(host, stack, tab)

    tab.page.goto(pool)
    _ask(stack, f"{pool}remove/", typed="disks")
    tab.page.get_by_text("does not have this pool any more").wait_for(timeout=60_000)
    assert "disks" not in host.virsh("pool-list", "--all")
    assert "one.raw" in host.run("ls", "/srv/shared/pools/disks")


def _edit_xml(host: Host, stack: Stack, tab: kit.Tab) -> None:
    """Seen with its difference first, then held against libvirt's schema; it counts when the pool starts next."""
    page = tab.page
    page.goto(_page(stack, "disks"))
    page.get_by_role("button", name="More for disks").click()
    page.get_by_role("menuitem", name="XML").click()
    field = page.get_by_label("Definition", exact=True)
    field.wait_for()
    now = field.input_value()
    field.fill(now.replace("/srv/shared/pools/disks", "/etc"))
    page.get_by_role("button", name="Show changes").click()
    page.locator("#pool-xml .wv-errs", has_text="belongs to the host").wait_for()
    nonsense = {"xml": now.replace("<target>", "<nonsense/><target>"), "based_on": tree.digest(now), "confirmed": "1"}
    job = _ask(stack, f"{_page(stack, 'disks')}xml/", expect="failed", **nonsense)
    assert "Expecting an element target" in job["error"], job
    field.fill(now.replace("/srv/shared/pools/disks", "/srv/shared/pools/moved"))
    page.get_by_role("button", name="Show changes").click()
    page.locator("#pool-xml ins", has_text="moved").wait_for()
    assert tab.violations() == []
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("counts when it starts next").wait_for(timeout=60_000)
    assert "moved" in host.virsh("pool-dumpxml", "disks", "--inactive") and "moved" not in host.virsh("pool-dumpxml", "disks")
    stale = {"xml": now, "based_on": "older", "confirmed": "1"}
    assert stack.web.post(f"{_page(stack, 'disks')}xml/", stale).status == 409


def test_a_file_system_made_filled_and_made_over(host: Host, stack: Stack, online: None) -> None:
    with _device(host, "fs.img", 48) as device:
        fields = {"kind": "fs", "name": "mounted", "device": device, "format": "ext4", "start": "on"}
        assert b"Say which file system" in stack.web.post(_new(stack), {**fields, "format": "auto", "build": "new"}).body
        _ask(stack, _new(stack), **fields, build="new")
        wait_until("it is seen", lambda: _row(stack, "mounted")["state"] == "running", seconds=60)
        pool = _page(stack, "mounted")
        assert "/var/lib/libvirt/pools/mounted" in host.run("cat", "/proc/mounts")

        _ask(stack, f"{pool}create/", name="small.qcow2", size="1", unit="MiB", format="qcow2")
        host.define(Recipe("on-mounted", disk="/var/lib/libvirt/pools/mounted/small.qcow2"), start=True)  # type: ignore[arg-type]
        job = _ask(stack, f"{pool}power/", expect="failed", action="stop")
        assert "on-mounted" in job["error"], job
        host.virsh("destroy", "on-mounted")

        # Somebody else fills it between what was seen last and what is asked for.
        host.run("dd", "if=/dev/zero", "of=/var/lib/libvirt/pools/mounted/filler", "bs=1M", "count=30", "status=none")
        job = _ask(stack, f"{pool}create/", expect="failed", name="big.raw", size="20", unit="MiB", format="raw", full="on")
        assert "no room left" in job["error"], job
        assert "big.raw" not in host.run("ls", "/var/lib/libvirt/pools/mounted")

        _ask(stack, f"{pool}remove/", typed="mounted")
        wait_until("it is gone", lambda: not _rows(stack, "mounted"), seconds=60)
        assert "pools/mounted" not in host.run("cat", "/proc/mounts")

        job = _ask(stack, _new(stack), expect="failed", **fields, build="new")  # there is data now
        assert "No pool is left of it" in job["error"], job
        assert "mounted" not in host.virsh("pool-list", "--all")
        listed = stack.web.get(_of_host(stack)).body.decode()
        assert "Change and try again" in listed and f"device={device.replace('/', '%2F')}" in listed
        assert stack.web.post(_new(stack), {**fields, "build": "overwrite", "typed": "mounted"}).status == 422
        _ask(stack, _new(stack), **fields, build="overwrite", typed=device)
        wait_until("it is seen", lambda: _row(stack, "mounted")["state"] == "running", seconds=60)
        assert "filler" not in host.run("ls", "/var/lib/libvirt/pools/mounted")
        _ask(stack, f"{_page(stack, 'mounted')}remove/", typed="mounted")


def test_a_disk_with_its_partitions(host: Host, stack: Stack, online: None) -> None:
    with _device(host, "disk.img", 64) as device:
        _ask(stack, _new(stack), kind="disk", name="parts", device=device, format="gpt", build="new", start="on")
        wait_until("it is seen", lambda: _row(stack, "parts")["state"] == "running", seconds=60)
        pool = _page(stack, "parts")
        assert b'value="qcow2"' not in stack.web.get(f"{pool}create/").body
        _ask(stack, f"{pool}create/", name=f"{device.rpartition('/')[2]}p1", size="10", unit="MiB", format="raw")
        assert f"{device}p1" in host.virsh("vol-list", "parts")
        assert b"lost for good" in stack.web.get(f"{pool}remove/").body
        _ask(stack, f"{pool}remove/", typed="parts", contents="delete")
        assert "p1" not in host.run("sh", "-c", f"parted -sm {device} print 2>/dev/null || true")
        assert "parts" not in host.virsh("pool-list", "--all")


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_the_lab_can_not_run_is_defined_and_says_why_it_does_not_start(kind: str, host: Host, stack: Stack, online: None) -> None:
    values = {**VALUES[kind], **({"password": SECRETS[kind]} if kind in SECRETS else {})}
    _ask(stack, _new(stack), kind=kind, name=f"far-{kind}", **values)
    read = KINDS[kind].read(host.virsh("pool-dumpxml", f"far-{kind}", "--inactive"))
    assert {name: read[name] for name in VALUES[kind]} == VALUES[kind]
    wait_until("it is seen", lambda: _row(stack, f"far-{kind}"), seconds=60)
    pool = _page(stack, f"far-{kind}")
    if ELSEWHERE[kind]:
        job = _ask(stack, f"{pool}power/", expect="failed", action="start")
        assert ELSEWHERE[kind] in job["error"] and job["detail"], job
        failed = _ask(stack, _new(stack), expect="failed", kind=kind, name=f"tried-{kind}", start="on", **_another(kind, values))
        assert "No pool is left of it" in failed["error"]
        assert f"tried-{kind}" not in host.virsh("pool-list", "--all")
    if kind in SECRETS:
        _look_at_the_secret(host, stack, kind, pool)
    _ask(stack, f"{pool}remove/", typed=f"far-{kind}")
    assert f"far-{kind}" not in host.virsh("pool-list", "--all")
    assert host.virsh("secret-list") == ""


def test_a_pool_of_ceph_is_defined_with_its_key(host: Host, stack: Stack, online: None) -> None:
    """Not started: librados tries for half a minute."""
    _ask(stack, _new(stack), kind="rbd", name="far-rbd", **VALUES["rbd"], password=SECRETS["rbd"])
    read = KINDS["rbd"].read(host.virsh("pool-dumpxml", "far-rbd", "--inactive"))
    assert {name: read[name] for name in VALUES["rbd"]} == VALUES["rbd"]
    wait_until("it is seen", lambda: _row(stack, "far-rbd"), seconds=60)
    _look_at_the_secret(host, stack, "rbd", _page(stack, "far-rbd"))
    _ask(stack, f"{_page(stack, 'far-rbd')}remove/", typed="far-rbd")
    assert host.virsh("secret-list") == ""


# What is typed wrongly first, and what is said of it in that very field.
WRONG = {
    "fs": {"device": ("/srv/disk.img", "A device of the host"), "path": ("/etc", "belongs to the host")},
    "netfs": {"host": ("-o evil", "host"), "path": ("/srv/../etc", "no “..” in it")},
    "logical": {"source": ("a b", "volume group"), "devices": ("/dev/sdb\n/etc/passwd", "A device of the host")},
    "disk": {"device": ("/srv/disk.img", "A device of the host")},
    "iscsi": {"host": ("store:99999", "from 1 to 65535"), "device": ("a target", "target")},
    "rbd": {"host": ("mon1:0", "from 1 to 65535"), "source": ("a b", "pool"), "password": ("not base64", "in base64")},
    "zfs": {"source": ("ta nk", "pool"), "devices": ("/tank", "A device of the host")},
}


@pytest.mark.parametrize("kind", WRONG)
def test_the_form_of_each_kind_in_the_browser(kind: str, host: Host, stack: Stack, online: None, new_tab: Callable[..., kit.Tab]) -> None:
    """It asks for what its kind needs and for nothing else, says what is wrong in the field, and what is typed stays; in the end the pool runs, or libvirt's
    own words say why it does not."""
    tab = new_tab()
    tab.tolerate("status of 422")
    page = tab.open(_new(stack))
    described = KINDS[kind]
    page.locator(".wv-poolkinds").get_by_role("link", name=f"{described.title} {described.text}", exact=True).click()
    page.locator(f"input[name=kind][value={kind}]").wait_for(state="attached")
    usual = {"csrfmiddlewaretoken", "kind", "do", "name", "start", "autostart"} | ({"build", "typed"} if described.build == "format" else set())
    asked = page.evaluate("() => [...document.getElementById('pool-form').elements].map(each => each.name).filter(Boolean)")
    assert set(asked) == usual | {each.name for each in described.fields}

    name = f"form-{kind}"
    right = dict(VALUES[kind])
    for more in page.locator("#pool-form details:not([open]) summary").all():
        more.click()
    _type(page, kind, right | {field: value for field, (value, _) in WRONG[kind].items()})
    page.get_by_label("Name", exact=True).fill("a/b")
    with tab.without_reload():
        page.get_by_role("button", name="Make pool").click()
        for field, (value, words) in WRONG[kind].items():
            control = page.locator(f"#id_{kind}_{field}")
            expect(page.locator(f"#id_{kind}_{field} ~ .wv-errs")).to_contain_text(words)
            expect(control).to_have_class(re.compile("is-invalid"))
            expect(control).to_have_attribute("aria-invalid", "true")
            assert described.field(field).type == "secret" or control.input_value() == value
        expect(page.locator("#id_name ~ .wv-errs")).to_be_visible()
        assert tab.violations() == []

    with ExitStack() as ending:
        if kind in ("fs", "disk"):
            right |= {"device": ending.enter_context(_device(host, f"form-{kind}.img", 64)), "format": {"fs": "ext4", "disk": "gpt"}[kind]}
        if kind in ("fs", "disk", "zfs"):
            page.locator("input[name=build][value=new]").check()
        _type(page, kind, right | {"path": ""} if "path" in WRONG[kind] else right)
        if kind in SECRETS:
            page.locator(f"#id_{kind}_password").fill(SECRETS[kind])
        if kind == "rbd":  # librados tries for half a minute
            page.get_by_label("Start it now").uncheck()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Make pool").click()
        page.wait_for_url(f"**{_of_host(stack)}")
        if told := FAILS.get(kind):
            row = page.locator(".wv-coming li", has_text=name)
            row.get_by_role("link", name="Change and try again").wait_for(timeout=60_000)
            expect(row).to_contain_text(told)
            assert name not in host.virsh("pool-list", "--all", "--name").split()
            row.get_by_role("link", name="Change and try again").click()
            page.locator(f"input[name=kind][value={kind}]").wait_for(state="attached")
            shown = {field: page.locator(f"#id_{kind}_{field}").input_value() for field in VALUES[kind]}
            assert shown == VALUES[kind] and page.get_by_label("Name", exact=True).input_value() == name
        else:
            page.get_by_role("row", name=name).get_by_text("Off" if kind == "rbd" else "Running").wait_for(timeout=60_000)
            _ask(stack, f"{_page(stack, name)}remove/", typed=name)
        assert host.virsh("secret-list") == ""


def _type(page: Page, kind: str, values: dict[str, str]) -> None:
    for name, value in values.items():
        control = page.locator(f"#id_{kind}_{name}")
        if KINDS[kind].field(name).type == "choice":
            control.select_option(value)
        else:
            control.fill(value)


def test_sources_are_looked_for(host: Host, stack: Stack, online: None, new_tab: Callable[..., kit.Tab]) -> None:
    tab = new_tab()
    page = tab.open(f"{_new(stack)}?kind=netfs")
    page.get_by_label("Server").fill("127.0.0.1")
    with tab.without_reload():
        page.get_by_role("button", name="See what it offers").click()
        page.locator("#found", has_text="nothing that it shows to this host").wait_for(timeout=60_000)
        assert page.get_by_label("Server").input_value() == "127.0.0.1"
        page.get_by_role("link", name="LVM").click()
        page.get_by_role("button", name="See what the host has").click()
        page.locator("#found", has_text="install lvm2 there").wait_for(timeout=60_000)
    assert tab.violations() == []


def _look_at_the_secret(host: Host, stack: Stack, kind: str, pool: str) -> None:
    """libvirt has it and gives it to nobody; we have it nowhere."""
    assert host.virsh("secret-list").count("webvirt") == 1
    with host.connection() as connection, pytest.raises(Exception, match="private"):
        connection.listAllSecrets()[0].value()
    _ask(stack, f"{pool}password/", password=SECRETS[kind])
    tables = [row["name"] for row in stack.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    everything = json.dumps([stack.rows(f'SELECT * FROM "{name}"') for name in tables], default=str)
    assert SECRETS[kind] not in everything
    assert SECRETS[kind] not in stack.log


@contextmanager
def _device(host: Host, name: str, mib: int) -> Iterator[str]:
    """A block device of the host: a file behind a loop."""
    path = f"/srv/shared/{name}"
    host.run("truncate", "-s", f"{mib}M", path)
    device = host.run("losetup", "--find", "--show", "--partscan", path).strip()
    try:
        yield device
    finally:
        host.run("sh", "-c", f"umount {device} 2>/dev/null; losetup -d {device}; rm {path}")


def _another(kind: str, values: dict[str, str]) -> dict[str, str]:
    """Another source than the pool that is there has."""
    return {**values, **{"netfs": {"directory": "/other"}, "logical": {"source": "vg1", "devices": ""}, "iscsi": {"device": "iqn.2016-04.example:b"}}[kind]}


def _ask(stack: Stack, path: str, expect: str = "done", **fields: str) -> dict[str, Any]:
    """Send a form and wait until its job has ended as it should."""
    reply = stack.web.post(path, fields)
    assert reply.status == 204, f"{path} {fields}: {reply.status} {_said(reply.body.decode())}"
    job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=120)
    assert job["state"] == expect, f"{path}: {job['state']} {job['error']} {job['detail']}"
    return job


def _said(page: str) -> list[str]:
    """What is wrong, as a form shows it; all of the page where it shows nothing."""
    shown = re.findall(r'<ul class="wv-errs".*?</ul>|<div class="wv-note is-(?:err|warn)".*?</div>', page, re.DOTALL)
    return [re.sub(r"<[^>]*>", " ", each).strip() for each in shown] or [page]


def _of_host(stack: Stack) -> str:
    return f"/storage/hosts/{stack.host('h1')['id']}/"


def _new(stack: Stack) -> str:
    return f"{_of_host(stack)}new/"


def _rows(stack: Stack, name: str) -> list[dict[str, Any]]:
    return stack.rows("SELECT * FROM storage_pool WHERE name = ? AND gone_at IS NULL", name)


def _row(stack: Stack, name: str) -> dict[str, Any]:
    found = _rows(stack, name)
    assert found, f"{name} is not known"
    return found[0]


def _page(stack: Stack, name: str) -> str:
    return f"/storage/pools/{_row(stack, name)['id']}/"
