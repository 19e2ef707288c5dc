"""Files on their way to and from real hosts: broken off by everything that can break, gone on with, compared byte by byte; refused, cancelled, nothing left."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import tus
from tests.browser import kit
from tests.lab.lab import Host, Lab
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

MIB = 2**20
POOL = "incoming"


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """Its processes are killed here."""
    stack = Stack.start({"WEBVIRT_FETCH_ALLOW": "127.0.0.1"})
    stack.add_hosts({host.name: host.uri for host in lab.hosts[:2]})
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def hosts(lab: Lab, stack: Stack) -> Iterator[tuple[Host, Host]]:
    """h1 and h2, each with a pool of its own below the shared directory; h1 also with one of 24 MiB."""
    one, two = lab["h1"], lab["h2"]
    for host in (one, two):
        _make_pool(host, POOL, f"/srv/shared/{POOL}-{host.name}")
    one.run("sh", "-c", "mkdir -p /srv/small && mount -t tmpfs -o size=24m none /srv/small")
    _make_pool(one, "small", "/srv/small")
    for host, pool in ((one, POOL), (two, POOL), (one, "small")):
        wait_until(f"{pool} of {host.name} is known", lambda: _pool(stack, host, pool), seconds=60)  # noqa: B023
    yield one, two
    for host in (one, two):
        host.virsh("pool-destroy", POOL)
        host.virsh("pool-undefine", POOL)
    one.virsh("pool-destroy", "small")
    one.virsh("pool-undefine", "small")
    one.run("umount", "/srv/small")


@pytest.mark.timeout(420)  # a dead worker is known to be dead after half a minute
def test_broken_by_everything_and_gone_on_with(lab: Lab, stack: Stack, hosts: tuple[Host, Host]) -> None:
    """The worker dies and, at the same moment, a host loses power and some of what it had acknowledged. Meanwhile a third upload
    outlives its browser's connection, the web process and Redis."""
    one, two = hosts
    first = _begin(stack, one, "worker.iso", tus.iso(24 * MIB, 1))
    second = _begin(stack, two, "power.iso", tus.iso(24 * MIB, 2))
    for each in (first, second):
        each.run(16 * MIB + 1234)
        wait_until("some is acknowledged", lambda: _row(stack, each)["written_bytes"] >= 16 * MIB, seconds=30, every=0.1)  # noqa: B023
    first.run(20 * MIB)
    stack.kill("bulk")
    two.power_cut()
    with _file(lab, two, "power.iso").open("r+b") as file:  # what was not on the disk yet when the power went
        file.truncate(12 * MIB)
        file.truncate(24 * MIB)
    two.start()
    _start_pool(two)

    third = _begin(stack, one, "browser.iso", tus.iso(24 * MIB, 3))
    third.run(9 * MIB)
    third.break_off(third.head().offset, third.data[9 * MIB : 11 * MIB], 8 * MIB)
    assert third.head().offset in (9 * MIB, 11 * MIB)
    stack.kill("web")
    third.run(18 * MIB)
    stack.kill("redis")
    assert third.finish()["state"] == "done"

    for each, host in ((third, one), (first, one), (second, two)):
        ended = each.finish(seconds=150)
        assert ended["state"] == "done", ended
        name = _name(stack, each)
        assert tus.same(_file(lab, host, name), each.data), f"{name} is not what was sent"
        assert ended["sha256"] == hashlib.sha256(each.data).hexdigest()
    assert any("lost some" in line for line in _log(stack, second))
    assert _file(lab, one, "browser.iso").stat().st_blocks * 512 < 24 * MIB  # the zeros in it take no room


def test_cancelled_refused_or_without_room_nothing_is_left(lab: Lab, stack: Stack, hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    data = tus.iso(20 * MIB, 4)
    cancelled = _begin(stack, one, "cancelled.iso", data)
    cancelled.run(8 * MIB)
    assert _file(lab, one, "cancelled.iso").exists()
    assert cancelled.cancel().status == 204

    given_up = _begin(stack, one, "paused.iso", data)
    given_up.run(8 * MIB)
    wait_until("it waits without a worker", lambda: stack.job(_row(stack, given_up)["job_id"])["wait_until"] is not None, seconds=30, every=0.2)
    assert given_up.cancel().status == 204

    # The pool has room when it begins, and somebody else takes it.
    full = _begin(stack, one, "full.iso", bytes(MIB) + os.urandom(15 * MIB), pool="small")
    full.run(8 * MIB)
    one.run("sh", "-c", "dd if=/dev/urandom of=/srv/small/other bs=1M count=14 status=none || true")
    ended = full.finish()
    assert ended["state"] == "failed" and "room" in ended["error"], ended

    backed = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 512, 11, 16, 2**30).ljust(512, b"\0") + b"/etc/shadow" + bytes(100_000)
    for name, content, checksum, words in (
        ("wrong.iso", tus.iso(MIB), "0" * 64, "checksum"),
        ("hostile.qcow2", backed, "", "backing file"),
        ("packed.gz", b"\x1f\x8b" + os.urandom(5000), "", "compressed"),
    ):
        refused = _begin(stack, one, name, content, checksum=checksum)
        ended = refused.finish()
        assert ended["state"] == "failed" and words in ended["error"], ended
    right = _begin(stack, one, "right.iso", tus.iso(MIB), checksum=hashlib.sha512(tus.iso(MIB)).hexdigest())
    assert right.finish()["state"] == "done"
    page = _begin(stack, one, "page.iso", b"<html>not found</html>" * 50).finish()  # whole, and not what its name says
    assert page["state"] == "done" and "no installation image" in page["warning"], page

    names = {"cancelled.iso", "paused.iso", "wrong.iso", "hostile.qcow2", "packed.gz"}
    wait_until("nothing of it is there", lambda: not names & {path.name for path in _file(lab, one, "x").parent.iterdir()}, seconds=30)
    assert "full.iso" not in one.run("ls", "/srv/small").split()
    one.run("rm", "-f", "/srv/small/other")
    assert not stack.rows("SELECT 1 FROM transfers_incoming WHERE ended_at IS NULL")


def test_downloads_whole_in_parts_and_broken_off(lab: Lab, stack: Stack, hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    data = os.urandom(48 * MIB + 77)
    _file(lab, one, "down.raw").write_bytes(data)
    one.virsh("pool-refresh", POOL)
    pool = _pool(stack, one)
    stack.web.get(f"/storage/pools/{pool}/")  # somebody looks: there is no event for a volume
    wait_until("it is known", lambda: stack.rows("SELECT 1 FROM storage_volume WHERE name = 'down.raw'"), seconds=60)
    path = f"/storage/pools/{pool}/volumes/down.raw/download/"
    whole = stack.web.get(path)
    assert whole.status == 200 and whole.body == data and whole.encoding == "identity"
    for asked, part in (("bytes=100-199", data[100:200]), (f"bytes={47 * MIB}-", data[47 * MIB :]), ("bytes=-50", data[-50:])):
        reply = stack.web.get(path, {"Range": asked, "If-Range": whole.headers["ETag"]})
        assert reply.status == 206 and reply.body == part
    assert stack.web.get(path, {"Range": "bytes=99999999-"}).status == 416
    with _file(lab, one, "down.raw").open("r+b") as file:
        file.write(b"changed")
    changed = stack.web.get(path, {"Range": "bytes=100-199", "If-Range": whole.headers["ETag"]})
    assert changed.status == 200 and len(changed.body) == len(data)  # another state of it: all of it

    link = _open_and_leave(stack, path)
    wait_until("the queue is gone", lambda: not _waiting_downloads(stack), seconds=30)
    assert link < len(data)


def test_a_file_is_fetched_and_an_address_inside_is_not(lab: Lab, stack: Stack, hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    data = tus.iso(12 * MIB, 5)
    with _mirror(data) as mirror:
        path = f"/storage/pools/{_pool(stack, one)}/fetch/"
        reply = stack.web.post(path, {"url": f"{mirror}/fetched.iso", "digest": hashlib.sha256(data).hexdigest()})
        assert reply.status == 204, reply.body
        job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
        assert job["state"] == "done", job
        assert tus.same(_file(lab, one, "fetched.iso"), data)
        for name, words in (("inside.iso", "open internet"), ("missing.iso", "404")):
            reply = stack.web.post(path, {"url": f"{mirror}/{name}"})
            job = stack.wait_job(int(reply.headers["WV-Job"]), seconds=60)
            assert job["state"] == "failed" and words in job["error"], job
    assert not {"inside.iso", "missing.iso"} & {file.name for file in _file(lab, one, "x").parent.iterdir()}


@pytest.mark.parametrize("language", ["python", "sh"])
def test_with_nothing_but_a_token_as_the_documentation_says(language: str, lab: Lab, stack: Stack, hosts: tuple[Host, Host], tmp_path: Path) -> None:
    one, _ = hosts
    if language == "sh" and not shutil.which("curl"):
        pytest.skip("there is no curl")
    file = tmp_path / f"by-{language}.iso"
    file.write_bytes(tus.iso(20 * MIB + 5, 8))
    example = re.search(rf"```{language}\n(.+?)```", (ROOT / "docs/uploading.md").read_text(), re.DOTALL)
    assert example
    said = {"PORTAL": stack.url, "TOKEN": stack.api.token, "POOL": str(_pool(stack, one)), "FILE": str(file)}
    program = [sys.executable, "-c", example[1], str(file)] if language == "python" else ["sh", "-c", example[1]]
    done = subprocess.run(program, env={"PATH": os.environ["PATH"], **said}, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until("it is whole", lambda: _uploaded(stack, file.name)["state"] == "done", seconds=30)
    assert tus.same(_file(lab, one, file.name), file.read_bytes())
    if language == "python":
        assert done.stdout.split() == ["done", hashlib.sha256(file.read_bytes()).hexdigest()]
    wait_until("it is known", lambda: stack.rows("SELECT 1 FROM storage_volume WHERE name = ?", file.name), seconds=60)
    request = urllib.request.Request(f"{stack.url}/api/v1/storage/pools/{_pool(stack, one)}/volumes/{file.name}/content")
    request.add_header("Authorization", f"Bearer {stack.api.token}")
    request.add_header("Range", f"bytes={20 * MIB}-")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 206 and answer.read() == file.read_bytes()[20 * MIB :]


def test_in_the_browser(lab: Lab, stack: Stack, hosts: tuple[Host, Host], new_tab: Callable[..., kit.Tab], tmp_path: Path) -> None:
    one, _ = hosts
    big, small = tmp_path / "big.iso", tmp_path / "small.iso"
    big.write_bytes(tus.iso(64 * MIB, 6))
    small.write_bytes(tus.iso(3 * MIB, 7))
    tab = new_tab()
    page = tab.open(f"/storage/pools/{_pool(stack, one)}/")
    page.get_by_role("link", name="Upload").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=f"Upload to {POOL}")).to_be_visible()
    with tab.without_reload():
        page.route("**/storage/uploads/*/", _slowly)
        dialog.locator("[data-drop] input").set_input_files([str(small), str(big)])
        expect(dialog.locator("li", has_text="small.iso").get_by_role("status")).to_contain_text("Done", timeout=30_000)
        row = dialog.locator("[data-rows] li", has_text="big.iso")
        row.get_by_role("button", name="Pause").click()
        expect(row.get_by_role("status")).to_contain_text("Paused")
        assert tab.violations() == []
        row.get_by_role("button", name="Go on").click()
        expect(row.get_by_role("status")).to_contain_text("/s", timeout=20_000)
        row.get_by_role("button", name="Pause").click()
    # the tab is closed in the middle; later the same file is chosen again
    page = tab.open(f"/storage/pools/{_pool(stack, one)}/uploads/")
    begun = page.locator("[data-begun]", has_text="big.iso")
    begun.locator("input").set_input_files(str(small))
    expect(begun.get_by_role("alert")).to_contain_text("another file")
    assert tab.violations() == []
    begun.locator("input").set_input_files(str(big))
    row = page.locator("[data-rows] li", has_text="big.iso")
    expect(row.get_by_role("status")).to_contain_text("Done", timeout=60_000)
    assert tus.same(_file(lab, one, "big.iso"), big.read_bytes())
    expect(row).to_contain_text(hashlib.sha256(big.read_bytes()).hexdigest())


# ── means ──


def _slowly(route: Any) -> None:
    time.sleep(0.15)
    route.continue_()


def _make_pool(host: Host, name: str, path: str) -> None:
    host.run("mkdir", "-p", path)
    host.virsh("pool-define-as", name, "dir", "--target", path)
    host.virsh("pool-start", name)


def _start_pool(host: Host) -> None:
    def runs() -> bool:
        if POOL not in host.virsh("pool-list", "--name").split():
            host.virsh("pool-start", POOL)
        return True

    wait_until("the pool runs again", runs, seconds=20, every=0.3)


def _pool(stack: Stack, host: Host, name: str = POOL) -> int:
    found = stack.rows(
        "SELECT p.id FROM storage_pool p JOIN hosts_host h ON h.id = p.host_id WHERE p.name = ? AND h.name = ? AND p.state = 'running'", name, host.name
    )
    assert found, f"{name} of {host.name} is not known"
    return int(found[0]["id"])


def _begin(stack: Stack, host: Host, name: str, data: bytes, pool: str = POOL, **metadata: str) -> tus.Upload:
    return tus.Upload.create(stack.web, _pool(stack, host, pool), name, data, filename=name, **metadata)


def _uploaded(stack: Stack, name: str) -> dict[str, Any]:
    found = stack.api.get("storage/uploads?ended=true")["items"]
    return next(dict(each) for each in found if each["name"] == name)


def _row(stack: Stack, upload: tus.Upload) -> dict[str, Any]:
    return stack.rows("SELECT * FROM transfers_incoming WHERE id = ?", upload.pk.replace("-", ""))[0]


def _name(stack: Stack, upload: tus.Upload) -> str:
    return str(stack.job(_row(stack, upload)["job_id"])["subject_name"])


def _log(stack: Stack, upload: tus.Upload) -> list[str]:
    return [row["text"] for row in stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", _row(stack, upload)["job_id"])]


def _file(lab: Lab, host: Host, name: str) -> Path:
    return lab.shared / f"{POOL}-{host.name}" / name


def _open_and_leave(stack: Stack, path: str) -> int:
    """Read a little and go; how much came."""
    import http.client

    link = http.client.HTTPConnection(stack.web.address, timeout=30)
    link.request("GET", path, headers={"Cookie": stack.web.cookie})
    answer = link.getresponse()
    got = len(answer.read(MIB))
    link.close()
    return got


def _waiting_downloads(stack: Stack) -> list[bytes]:
    import redis

    link = redis.Redis(unix_socket_path=f"{stack.directory}/run/redis.sock")
    try:
        return list(link.keys("wv:out:*"))
    finally:
        link.close()


@contextmanager
def _mirror(data: bytes) -> Iterator[str]:
    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/inside.iso":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
                self.end_headers()
            elif self.path == "/fetched.iso":
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
