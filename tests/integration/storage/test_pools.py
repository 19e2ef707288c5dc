"""Pools made, changed and removed: the pages' rules, and the worker's steps on libvirt's test driver."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.roles import Role
from hosts.models import Host
from hosts.storage import inventory as storage_inventory
from hosts.storage.models import Pool, Volume
from hosts.storage.pools import actions, operations
from jobs import secrets
from jobs.models import Job, JobLine, State
from jobs.registry import Fate
from jobs.submit import Refused
from jobs.work import Work
from machines.models import Machine
from tests import inventory
from tests.integration.machines.conftest import ASYNC, client_of, text_of
from tests.pools import SECRET, VALUES
from virt import connection, events
from virt import pool as virt_pool
from virt import secret as virt_secret
from virt.connection import Connection
from virt.errors import Conflict, OperationFailed, WrongState
from virt.pool import PoolSeen
from virt.uri import Endpoint
from virt.volume import VolumeSeen
from virt.xml import tree
from virt.xml.pools import KINDS
from virt.xml.read.pool import definition_of

PASSWORD = "chap-s3cret-word"
NODE = "<node><cpu><mhz>2000</mhz><model>x86_64</model><active>8</active></cpu><memory>16777216</memory></node>"


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def host() -> Host:
    return inventory.host("h1")


@pytest.fixture
def manager(host: Host) -> Client:
    return client_of(inventory.person("m.keller", role=Role.MANAGER, on=host))


@pytest.fixture
def conn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A test host of its own, which workers reach."""
    events.Loop.start()
    (tmp_path / "host.xml").write_text(NODE)
    conn = connection.open(Endpoint("test", path=str(tmp_path / "host.xml")), keepalive=(5, 3))
    monkeypatch.setattr("hosts.storage.operations.connection_to", lambda host: conn)
    yield conn
    conn.close()


def new(at: Host, /, kind: str = "dir", **fields: str) -> tuple[str, dict[str, str]]:
    return reverse("storage:new-pool", args=[at.pk]), {"kind": kind, "name": "store", **VALUES[kind], **fields}


def a_pool(host: Host, name: str = "images", kind: str = "dir", **fields: Any) -> Pool:
    values = {**VALUES[kind], **fields.pop("values", {})}
    xml = definition_of(KINDS[kind].build_xml(name, f"u-{name}", values, secret=SECRET))
    usual = {"state": "running", "path": values.get("path", ""), "xml": xml, "capacity_bytes": 2**40, "available_bytes": 2**39}
    return Pool.objects.create(host=host, uuid=f"u-{name}", name=name, kind=kind, **{**usual, **fields})


def asked_of(response: Any) -> Job:
    assert response.status_code == 204, response.content.decode()[-2000:]
    return Job.objects.get(pk=response.headers["WV-Job"])


def failed(job: Job, words: str) -> None:
    Job.objects.filter(pk=job.pk).update(state=State.FAILED, error=words, finished_at=timezone.now())
    job.refresh_from_db()


# ── the form ──


@pytest.mark.parametrize("kind", KINDS)
def test_the_form_asks_only_what_its_kind_needs(kind: str, host: Host, manager: Client) -> None:
    text = text_of(manager.get(reverse("storage:new-pool", args=[host.pk]), {"kind": kind, "name": "<b>x", **VALUES[kind]}))
    shown = {name for name in ("path", "device", "format", "host", "directory", "source", "devices", "user", "password") if f'id="id_{kind}_{name}"' in text}
    assert shown == {each.name for each in KINDS[kind].fields if not each.rare}
    assert "&lt;b&gt;x" in text and "<b>x" not in text
    assert ('name="build"' in text) == (KINDS[kind].build == "format")
    assert ('value="find"' in text) == (KINDS[kind].search is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_becomes_a_job_without_its_secret(kind: str, host: Host, manager: Client) -> None:
    address, data = new(host, kind, start="on", **({"password": PASSWORD if kind == "iscsi" else "AQBhUg5gAAAAABAAMiYb"} if KINDS[kind].login else {}))
    job = asked_of(manager.post(address, data, headers=ASYNC))
    values = {name: value for name, value in job.params["values"].items() if value}
    assert values == VALUES[kind]
    assert (job.params["start"], job.params["autostart"], job.params["build"]) == (True, False, "")
    told = [job.params, *AuditEntry.objects.values(), *JobLine.objects.values()]
    assert data.get("password", "nothing") not in str(told)
    if KINDS[kind].login:
        assert secrets.take(job.params["secret"]) == data["password"]


@pytest.mark.parametrize(
    ("kind", "fields", "at"),
    [
        ("dir", {"name": "a/b"}, "name"),
        ("dir", {"name": "images"}, "name"),
        ("dir", {"path": "/etc"}, "dir_path"),
        ("dir", {"path": "/srv/../etc"}, "dir_path"),
        ("dir", {"path": "/srv/images"}, "dir_path"),
        ("dir", {"path": "/srv/images/deep"}, "dir_path"),
        ("dir", {"path": "/srv/p\nq"}, "dir_path"),
        ("fs", {"build": "new", "format": "auto"}, "fs_format"),
        ("fs", {"build": "overwrite", "typed": "/dev/sdc"}, "typed"),
        ("fs", {"device": "/dev/sdz"}, "fs_device"),
        ("logical", {"build": "new", "devices": ""}, "logical_devices"),
        ("iscsi", {}, "iscsi_password"),
        ("iscsi", {"user": "", "password": PASSWORD}, "iscsi_user"),
        ("rbd", {"password": "no base64!"}, "rbd_password"),
        ("netfs", {"host": "-o"}, "netfs_host"),
    ],
)
def test_what_is_wrong_stands_at_its_field(kind: str, fields: dict[str, str], at: str, host: Host, manager: Client) -> None:
    a_pool(host, values={"path": "/srv/images"})
    a_pool(host, "taken", "disk", values={"device": "/dev/sdz"})
    address, data = new(host, kind, **fields)
    response = manager.post(address, data, headers=ASYNC)
    text = text_of(response)
    assert response.status_code == 422
    element = re.search(rf'<(?:input|select|textarea)[^>]*id="id_{at}"[^>]*>', text)
    assert element and 'aria-invalid="true"' in element[0], element
    assert not Job.objects.exists()


def test_a_pool_in_another_one_needs_a_word(host: Host, manager: Client) -> None:
    a_pool(host, values={"path": "/srv/images"})
    address, data = new(host, path="/srv/images/deep")
    assert 'name="anyway"' in text_of(manager.post(address, data, headers=ASYNC))
    asked_of(manager.post(address, {**data, "anyway": "on"}, headers=ASYNC))
    same = manager.post(address, {**data, "path": "/srv/images", "anyway": "on"}, headers=ASYNC)
    assert same.status_code == 422 and "is there already" in text_of(same)


def test_each_dialog_is_a_page_too_with_one_heading_of_the_first_level(host: Host, manager: Client) -> None:
    pool = a_pool(host)
    Volume.objects.create(pool=pool, name="a.raw", path="/srv/pool/a.raw", format="raw", capacity_bytes=2**20)
    of_pool = [
        "storage:pool-xml",
        "storage:pool-build",
        "storage:pool-remove",
        "storage:pool-password",
        "storage:create",
        "transfers:uploads",
        "transfers:fetch",
    ]
    pages = [reverse(name, args=[pool.pk]) for name in of_pool]
    pages += [reverse(f"storage:{name}", args=[pool.pk, "a.raw"]) for name in ("clone", "resize", "wipe", "delete")]
    for page in (*pages, reverse("storage:choose-host"), reverse("transfers:everywhere")):
        text = text_of(manager.get(page))
        assert text.count("<h1") == 1, page
        piece = text_of(manager.get(page, headers={"WV-Fragment": "dialog"}))
        assert "<h2" in piece and "<h1" not in piece, page


def test_a_pool_removed_a_moment_ago_is_in_nobodys_way(host: Host, manager: Client) -> None:
    """Its row is there until the host is read again."""
    pool = a_pool(host)
    address, data = new(host, path="/srv/pool", name="images")
    assert manager.post(address, data, headers=ASYNC).status_code == 422
    job = asked_of(manager.post(reverse("storage:pool-remove", args=[pool.pk]), {"typed": "images"}, headers=ASYNC))
    assert manager.post(address, data, headers=ASYNC).status_code == 422  # it has not ended
    Job.objects.filter(pk=job.pk).update(state=State.DONE, finished_at=timezone.now())
    asked_of(manager.post(address, data, headers=ASYNC))


def test_what_failed_is_told_with_the_form_as_it_was(host: Host, manager: Client) -> None:
    address, data = new(host, "iscsi", password=PASSWORD)
    job = asked_of(manager.post(address, data, headers=ASYNC))
    listed = reverse("storage:of-host", args=[host.pk])
    assert "store" in text_of(manager.get(listed))
    failed(job, "<i>No route</i>")
    text = text_of(manager.get(listed))
    assert "&lt;i&gt;No route" in text and "Change and try again" in text and "iqn.2016-04.example" in text and PASSWORD not in text
    with pytest.raises(Refused, match="password is not kept"):
        actions.define_again(job.asked_by, job)  # type: ignore[arg-type]
    Pool.objects.create(host=host, uuid="later", name="store", kind="iscsi")
    assert "Change and try again" not in text_of(manager.get(listed))


def test_the_same_can_be_asked_for_again(host: Host, manager: Client) -> None:
    address, data = new(host, "netfs")
    job = asked_of(manager.post(address, data, headers=ASYNC))
    failed(job, "x")
    again = asked_of(manager.post(reverse("jobs:again", args=[job.pk]), headers=ASYNC))
    assert again.params["values"] == job.params["values"] and again.params["uuid"] != job.params["uuid"]


# ── searching ──


def test_a_search_fills_the_form(host: Host, manager: Client, conn: Connection) -> None:
    address, data = new(host, "netfs", host="nas.example", directory="", do="find")
    response = manager.post(address, data, headers=ASYNC)
    job = Job.objects.get(kind="hosts.storage.pools.find")
    assert response.status_code == 200 and f"job:{job.pk}" in text_of(response)
    result = operations.find(Work(job))
    assert result and {"host": "nas.example", "format": "nfs"}.items() <= result["found"][0].items()
    Job.objects.filter(pk=job.pk).update(result=result, state="done")
    piece = manager.get(reverse("storage:found-sources", args=[host.pk, job.pk]), {"name": "store"}, headers={"WV-Fragment": "found"})
    first = result["found"][0]["directory"]
    assert first.replace("/", "%2F") in text_of(piece) and "name=store" in text_of(piece)
    whole = manager.get(address, {"kind": "netfs", "name": "store", "directory": first, "found": job.pk})
    assert f'value="{first}"' in text_of(whole)
    without_scripts = manager.post(address, data)
    assert without_scripts.status_code == 302 and "found=" in without_scripts.headers["Location"]


def test_a_search_needs_its_field(host: Host, manager: Client) -> None:
    address, data = new(host, "netfs", host="", do="find")
    assert "Server: This is needed" in text_of(manager.post(address, data, headers=ASYNC))
    assert not Job.objects.exists()


def test_groups_of_the_host(host: Host, conn: Connection) -> None:
    found = virt_pool.sources(conn, "logical", {})
    assert found and all(set(each) <= {"source", "devices"} for each in found)


# ── the worker's steps ──


def work(host: Host, kind: str, params: dict[str, Any], pool: Pool | None = None) -> Work:
    subject = ("pool", pool.pk) if pool else ("host", host.pk)
    Job.objects.all().delete()
    return Work(Job.objects.create(kind=f"hosts.storage.pools.{kind}", subject_type=subject[0], subject_id=subject[1], host_id=host.pk, params=params))


def define(host: Host, **more: Any) -> Work:
    usual = {"name": "store", "kind": "dir", "uuid": "0f2a0000-0000-4000-8000-000000000009", "values": {"path": "/srv/pool"}, "build": "", "start": True}
    return work(host, "define", {**usual, "autostart": True, **more})


def test_a_pool_is_defined_built_and_started(host: Host, conn: Connection) -> None:
    asked = define(host)
    assert operations.define.settle(asked) == Fate.NOT_DONE
    operations.define(asked)
    (seen,) = virt_pool.list_all(conn)
    assert (seen.name, seen.uuid, seen.state, seen.autostart, seen.path) == ("store", asked.params["uuid"], "running", True, "/srv/pool")
    assert operations.define.settle(asked) == Fate.DONE
    with pytest.raises(Conflict, match=r"on the host already\. No pool is left of it"):
        operations.define(define(host, uuid="0f2a0000-0000-4000-8000-00000000000a"))
    assert len(virt_pool.list_all(conn)) == 1


@pytest.mark.parametrize("step", ["build", "start", "set_autostart"])
def test_what_fails_midway_leaves_no_pool(step: str, host: Host, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(virt_secret, "put", lambda connection, uuid, *args: kept.append(uuid))
    monkeypatch.setattr(virt_secret, "remove_ours", lambda connection, uuid, pool: kept.remove(uuid))

    def refuse(*args: Any, **options: Any) -> None:
        assert kept == [SECRET]
        raise OperationFailed("Mount: no such device.", "libvirt's words")

    monkeypatch.setattr(virt_pool, step, refuse)
    asked = define(host, secret=secrets.put(PASSWORD), secret_uuid=SECRET)
    asked.params |= {"kind": "netfs", "values": VALUES["netfs"]} if step == "build" else {"kind": "iscsi", "values": VALUES["iscsi"]}
    if step == "build":
        kept.append(SECRET)
    with pytest.raises(OperationFailed, match=r"Mount: no such device\. No pool is left of it\.") as caught:
        operations.define(asked)
    assert caught.value.detail == "libvirt's words"
    assert virt_pool.list_all(conn) == () and kept == []


def test_what_a_dead_worker_left_is_taken_away(host: Host, conn: Connection) -> None:
    asked = define(host)
    virt_pool.define(conn, KINDS["dir"].build_xml("store", asked.params["uuid"], asked.params["values"]))
    assert operations.define.settle(asked) == Fate.NOT_DONE
    assert operations.define.clean
    operations.define.clean(asked)
    assert virt_pool.list_all(conn) == ()


def test_a_pool_is_removed_and_another_one_left(host: Host, conn: Connection) -> None:
    operations.define(define(host))
    operations.define(define(host, name="other", uuid="0f2a0000-0000-4000-8000-00000000000b", values={"path": "/srv/other"}))
    pool = Pool.objects.create(host=host, uuid="0f2a0000-0000-4000-8000-000000000009", name="store", kind="dir")
    asked = work(host, "remove", {"contents": False}, pool)
    assert operations.remove.settle(asked) == Fate.NOT_DONE
    operations.remove(asked)
    assert [seen.name for seen in virt_pool.list_all(conn)] == ["other"]
    assert operations.remove.settle(asked) == Fate.DONE


def test_nothing_is_destroyed_of_which_nobody_can_tell_who_uses_it(host: Host, conn: Connection) -> None:
    operations.define(define(host, kind="logical", values={"source": "vg0"}, start=False))
    pool = Pool.objects.create(host=host, uuid="0f2a0000-0000-4000-8000-000000000009", name="store", kind="logical")
    with pytest.raises(WrongState, match="Start it first"):
        operations.remove(work(host, "remove", {"contents": True}, pool))
    assert len(virt_pool.list_all(conn)) == 1


def test_an_edit_of_what_changed_meanwhile_does_nothing(host: Host, conn: Connection) -> None:
    operations.define(define(host, start=False))
    (seen,) = virt_pool.list_all(conn)
    pool = Pool.objects.create(host=host, uuid=seen.uuid, name="store", kind="dir", xml=seen.xml)
    wanted = seen.xml.replace("/srv/pool", "/srv/moved")
    with pytest.raises(Conflict, match="meanwhile"):
        operations.redefine(work(host, "redefine", {"xml": wanted, "based_on": "older"}, pool))
    asked = work(host, "redefine", {"xml": wanted, "based_on": tree.digest(seen.xml)}, pool)
    operations.redefine(asked)
    assert virt_pool.list_all(conn)[0].path == "/srv/moved"
    assert operations.redefine.settle(asked) == Fate.DONE


# ── those that are there, as pages ──


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/srv/pool", "/etc"), "belongs to the host"),
        (("/srv/pool", "/srv/../etc"), "no “..” in it"),
        (("<name>images", "<name>other"), "can&#x27;t be changed here"),
        (("u-images", "another"), "can&#x27;t be changed here"),
        (('type="dir"', 'type="disk"'), "can&#x27;t be changed here"),
        (("</pool>", ""), "can&#x27;t be read"),
        (('<pool type="dir">', '<!DOCTYPE pool [<!ENTITY x SYSTEM "file:///etc/passwd">]><pool type="dir">'), "document type"),
        (("<target>", "<source><auth passwd='x'/></source><target>"), "password does not stand"),
        (("/srv/pool", "/srv/taken"), "is there already"),
    ],
)
def test_an_edit_as_xml_can_not_do_what_the_forms_refuse(change: tuple[str, str], words: str, host: Host, manager: Client) -> None:
    pool = a_pool(host)
    a_pool(host, "taken", values={"path": "/srv/taken"})
    data = {"xml": pool.xml.replace(*change, 1), "based_on": tree.digest(pool.xml), "confirmed": "1"}
    response = manager.post(reverse("storage:pool-xml", args=[pool.pk]), data, headers=ASYNC)
    assert response.status_code == 422 and words in text_of(response), text_of(response)
    assert not Job.objects.exists()


def test_an_edit_is_shown_before_it_is_asked_for(host: Host, manager: Client) -> None:
    pool = a_pool(host)
    address, based_on = reverse("storage:pool-xml", args=[pool.pk]), tree.digest(pool.xml)
    wanted = pool.xml.replace("/srv/pool", "/srv/moved")
    shown = text_of(manager.post(address, {"xml": wanted, "based_on": based_on}, headers=ASYNC))
    assert "<ins>    &lt;path&gt;/srv/moved" in shown and "<del>    &lt;path&gt;/srv/pool" in shown
    assert "Nothing would change" in text_of(manager.post(address, {"xml": pool.xml, "based_on": based_on}, headers=ASYNC))
    stale = manager.post(address, {"xml": wanted, "based_on": "older", "confirmed": "1"}, headers=ASYNC)
    assert stale.status_code == 409 and f'value="{based_on}"' in text_of(stale)
    assert not Job.objects.exists()
    assert asked_of(manager.post(address, {"xml": wanted, "based_on": based_on, "confirmed": "1"}, headers=ASYNC)).params["xml"] == wanted


def test_removal_says_what_is_lost(host: Host, manager: Client) -> None:
    group = a_pool(host, "vg", "logical", volume_count=1, promised_bytes=2**30)
    Volume.objects.create(pool=group, name="root", path="/dev/vg0/root", capacity_bytes=2**30)
    address = reverse("storage:pool-remove", args=[group.pk])
    assert "The volume group with every volume in it" in text_of(manager.get(address))
    assert manager.post(address, {"typed": "wrong"}, headers=ASYNC).status_code == 422
    Pool.objects.filter(pk=group.pk).update(state="off")
    assert "Start it first" in text_of(manager.get(address))
    assert manager.post(address, {"typed": "vg", "contents": "delete"}, headers=ASYNC).status_code == 409
    Pool.objects.filter(pk=group.pk).update(state="running")
    machine = Machine.objects.create(host=host, uuid="m", name="db-1", disks=[{"source": "/dev/vg0/root"}])
    assert "machine db-1" in text_of(manager.get(address))
    assert manager.post(address, {"typed": "vg", "contents": "delete"}, headers=ASYNC).status_code == 409
    machine.delete()
    assert asked_of(manager.post(address, {"typed": "vg", "contents": "delete"}, headers=ASYNC)).params == {"contents": True}


def test_volumes_are_made_as_the_kind_of_their_pool_allows(host: Host, manager: Client) -> None:
    group, target = a_pool(host, "vg", "logical"), a_pool(host, "lun", "iscsi")
    text = text_of(manager.get(reverse("storage:create", args=[group.pk])))
    assert 'value="raw"' in text and 'value="qcow2"' not in text and "Standing on" not in text
    data = {"name": "a", "size": "1", "unit": "GiB", "format": "raw"}
    asked_of(manager.post(reverse("storage:create", args=[group.pk]), data, headers=ASYNC))
    refused = manager.post(reverse("storage:create", args=[target.pk]), data, headers=ASYNC)
    assert refused.status_code in (409, 422)
    assert "New volume" not in text_of(manager.get(target.get_absolute_url()))


def test_a_shared_store_says_where_else_it_is(host: Host, manager: Client) -> None:
    other, far = inventory.host("near-2"), inventory.host("far-3")
    pool = a_pool(host, "nas", "netfs", source="nas.example:/export")
    inventory.grant(inventory.User.objects.get(username="m.keller"), Role.VIEWER, other)
    for each in (other, far):
        a_pool(each, "nas", "netfs", source="nas.example:/export")
    text = text_of(manager.get(pool.get_absolute_url()))
    assert "Also on" in text and "near-2" in text and "far-3" not in text


# ── ten thousand volumes ──


def test_ten_thousand_volumes_stay_usable(host: Host, manager: Client) -> None:
    """As many queries as for fifty, and a page as large."""
    figures = {}
    for count in (100, 10_000):
        Pool.objects.all().delete()
        paths = [f"/p/v-{number:05}.qcow2" for number in range(count)]
        volumes = tuple(VolumeSeen(path[3:], path, "file", path, "qcow2", 2**30, len(path), "", "", False) for path in paths)
        seen = PoolSeen("u", "big", "dir", "running", True, True, 2**45, 0, 2**44, "/p", "", "<pool/>", volumes)
        storage_inventory.store(host.pk, (seen,))
        address = Pool.objects.get().get_absolute_url()
        manager.get(address)
        with CaptureQueriesContext(database) as queries:
            began = time.monotonic()
            first = manager.get(address)
            seconds = time.monotonic() - began
            for question in ({"page": "2"}, {"sort": "-allocation"}, {"q": f"{count - 1:05}"}):
                manager.get(address, question, headers={"WV-Fragment": "volumes"})
        figures[count] = (len(queries), len(first.content) // 2_000, seconds)
    assert figures[100][0] == figures[10_000][0]
    assert abs(figures[100][1] - figures[10_000][1]) <= 1
    assert figures[10_000][2] < 2.0, figures
