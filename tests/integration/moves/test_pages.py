"""The pages of moves: what they show before anything is asked for, what they ask for, and whom they let."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import User
from accounts.roles import Role
from hosts.models import Host
from hosts.storage.models import Pool
from jobs.models import Job
from jobs.models import State as JobState
from machines.models import State as MachineState
from machines.moves import actions
from machines.moves.models import Reach, Round
from machines.moves.planning import Wish
from tests import inventory
from tests.integration.migration.conftest import GIB, a_machine
from tests.integration.moves.conftest import children, look
from tests.integration.moves.test_rounds import PCI

ASYNC = {"WV-Async": "1"}
WISH = {"stuck": "leave", "off": "leave"}


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# ── one machine ──


def test_every_host_is_judged_and_what_fits_comes_first(hosts: list[Host], root_client: Client) -> None:
    machine = a_machine(hosts[0], pool="local", shared=False)
    Host.objects.filter(pk=hosts[1].pk).update(networks=[])
    Reach.objects.create(source=hosts[0], target=hosts[2], works=True)
    page = text(root_client.get(f"/machines/{machine.pk}/move/"))
    assert page.index("<bdi>h3</bdi>") < page.index("<bdi>h2</bdi>")
    assert "Checks for h3" in page
    assert "20 GiB of a local disk will be copied" in page
    assert "h2 has no network default that is on" in page
    page = text(root_client.get(f"/machines/{machine.pk}/move/?to={hosts[1].pk}"))
    assert "Checks for h2" in page
    assert "1 blocker" in page
    assert 'name="do" value="try"' in page, "the way there was never tried"


def test_choices_are_looked_at_live_and_nothing_goes_while_something_blocks(hosts: list[Host], root_client: Client) -> None:
    machine = a_machine(hosts[0], pool="local", shared=False)
    address = f"/machines/{machine.pk}/move/"
    choice = {"form": "1", "to": hosts[1].pk, "live": "on"}
    piece = root_client.post(address, {**choice, "disk_vda": ""}, headers={"WV-Fragment": "move"})
    assert piece.content.startswith(b"<wv-create"), "the piece alone"
    assert "vda is a local disk of h1" in text(piece)
    refused = root_client.post(address, {**choice, "disk_vda": "", "do": "go"}, headers=ASYNC)
    assert (refused.status_code, "vda is a local disk of h1" in text(refused)) == (422, True)
    assert not Job.objects.exists()
    wrong = root_client.post(address, {**choice, "tunnelled": "on", "tls": "on", "do": "go"}, headers=ASYNC)
    assert (wrong.status_code, "tunnelled move takes one connection" in text(wrong)) == (422, True)

    sent = root_client.post(address, {**choice, "disk_vda": "nfs", "bandwidth_mib": "100", "auto_converge": "on", "do": "go"}, headers=ASYNC)
    job = Job.objects.get()
    assert (sent.status_code, sent.headers["WV-Location"]) == (204, f"/jobs/{job.pk}/")
    options = job.params["options"]
    assert (options["storage"], options["bandwidth_mib"], options["auto_converge"], options["live"]) == ({"vda": "nfs"}, 100, True, True)
    again = text(root_client.get(address))
    assert "Another job is at it" in again


def test_the_checks_ask_for_themselves_what_was_chosen(hosts: list[Host], root_client: Client) -> None:
    machine = a_machine(hosts[0], pool="local", shared=False)
    piece = text(root_client.post(f"/machines/{machine.pk}/move/", {"form": "1", "to": hosts[2].pk, "disk_vda": "nfs"}, headers={"WV-Fragment": "move"}))
    address = piece.partition('id="move-checks"')[2].partition('src="')[2].partition('"')[0].replace("&amp;", "&")
    Pool.objects.filter(host=hosts[2], name="nfs").update(available_bytes=GIB)
    checks = root_client.get(address, headers={"WV-Fragment": "move-checks"})
    assert checks.content.startswith(b"<wv-live")
    assert "The pool nfs has 1 GiB free, 20 GiB needed" in text(checks)


def test_the_way_is_tried_by_a_job(hosts: list[Host], root_client: Client) -> None:
    machine = a_machine(hosts[0])
    root_client.post(f"/machines/{machine.pk}/move/", {"form": "1", "to": hosts[1].pk, "do": "try"}, headers={"WV-Fragment": "move"})
    job = Job.objects.get()
    assert (job.kind, job.subject_id, job.params) == ("machines.moves.try_reach", hosts[0].pk, {"targets": [hosts[1].pk]})
    Reach.objects.create(source=hosts[0], target=hosts[1], works=False, words="No route to host.", tried_at=timezone.now())
    assert "h1 does not reach h2" in text(root_client.get(f"/machines/{machine.pk}/move/?to={hosts[1].pk}"))


def test_a_manager_sees_only_hosts_of_their_own(hosts: list[Host], sign_in: Callable[[User], Client]) -> None:
    bob = inventory.person("bob", role=Role.MANAGER, on=hosts[0])
    machine = a_machine(hosts[0])
    assert "No other host" in text(sign_in(bob).get(f"/machines/{machine.pk}/move/"))
    inventory.grant(bob, Role.MANAGER, hosts[1])
    page = text(sign_in(bob).get(f"/machines/{machine.pk}/move/?to={hosts[2].pk}"))
    assert "Checks for h2" in page
    assert "h3" not in page.partition('id="move"')[2].partition("</wv-create>")[0]


# ── maintenance ──


def test_the_plan_is_shown_first_and_follows_what_is_chosen(hosts: list[Host], root_client: Client) -> None:
    a_machine(hosts[0], "plain")
    held = a_machine(hosts[0], "held", devices=PCI)
    a_machine(hosts[0], "off", state=MachineState.OFF)
    address = f"/hosts/{hosts[0].pk}/maintenance/"
    page = text(root_client.get(address))
    assert "Begin maintenance" in page
    assert "A host device is attached: PCI 0000:41:00.2" in page
    assert page.index(">held<") < page.index(">plain<"), "who can't be moved first"
    assert not Host.objects.get(pk=hosts[0].pk).in_maintenance

    piece = text(root_client.post(address, {"stuck": "cold", "off": "move", "to": hosts[2].pk, "do": "check"}, headers={"WV-Fragment": "plan"}))
    assert "is shut down, moved and started there" in piece
    assert "3 move" in piece
    piece = text(root_client.post(address, {**WISH, f"m{held.pk}": "shut-down"}, headers={"WV-Fragment": "plan"}))
    assert "is shut down and stays" in piece
    bad = text(root_client.post(address, {**WISH, f"m{held.pk}": "to-999", "do": "go"}, headers={"WV-Fragment": "plan"}))
    assert "makes no sense" in bad
    assert not Round.objects.exists()


def test_the_ways_of_a_plan_are_tried_at_once(hosts: list[Host], root_client: Client) -> None:
    for name in "abc":
        a_machine(hosts[0], name)
    address = f"/hosts/{hosts[0].pk}/maintenance/"
    piece = text(root_client.post(address, {**WISH, "do": "try"}, headers={"WV-Fragment": "plan"}))
    assert "Whether h2, h3 can be reached from there was not tried yet." in piece
    job = Job.objects.get()
    assert (job.kind, job.subject_id, job.params) == ("machines.moves.try_reach", hosts[0].pk, {"targets": [hosts[1].pk, hosts[2].pk]})
    Reach.objects.create(source=hosts[0], target=hosts[1], works=True)
    Reach.objects.create(source=hosts[0], target=hosts[2], works=False, words="No route to host.")
    piece = text(root_client.post(address, WISH, headers={"WV-Fragment": "plan"}))
    assert "not tried yet" not in piece
    assert piece.count('<td class="c-to"><bdi>h2</bdi>') == 3, "nobody goes where the way is broken"


def test_begin_shows_itself_everywhere_and_ends(hosts: list[Host], root_client: Client, finish: Callable[..., None]) -> None:
    machine = a_machine(hosts[0], "plain")
    address = f"/hosts/{hosts[0].pk}/maintenance/"
    sent = root_client.post(address, {**WISH, "do": "go"}, headers=ASYNC)
    job = Job.objects.get()
    assert (sent.status_code, sent.headers["WV-Job"], sent.headers["WV-Location"]) == (204, str(job.pk), address)
    look(job)
    page = text(root_client.get(address))
    assert "In maintenance since" in page
    assert "1 machine to go" in page
    assert "Begin no more" in page
    assert "Begin maintenance" not in page
    assert 'aria-disabled="true"' in page, "it can't end in the middle"
    assert "is-maint" in text(root_client.get("/hosts/")), "in the list and in the tree"
    assert "is in maintenance" in text(root_client.get(f"/machines/{a_machine(hosts[1], 'other').pk}/move/?to={hosts[0].pk}"))

    finish(children(job)[0])
    assert look(job).state == JobState.DONE
    page = text(root_client.get(address, headers={"WV-Fragment": "maintenance"}))
    assert "No machine is here any more." in page
    question = text(root_client.get(f"{address}end/", headers={"WV-Fragment": "dialog"}))
    assert "comes back as it is" in question
    assert "plain" in question
    root_client.post(f"{address}end/", {"back": "1"}, headers=ASYNC)
    back = Job.objects.get(kind="machines.moves.bring_back")
    look(back)
    finish(children(back)[0])
    assert look(back).state == JobState.DONE
    machine.refresh_from_db()
    assert machine.host_id == hosts[0].pk
    assert "Back to h1" in text(root_client.get(address))
    assert "Maintenance began" in text(root_client.get(f"/hosts/{hosts[0].pk}/log/"))


def test_who_only_looks_sees_how_it_stands_and_no_plan(hosts: list[Host], ann: User, sign_in: Callable[[User], Client]) -> None:
    a_machine(hosts[0], "plain")
    eve = inventory.person("eve", role=Role.VIEWER, on=hosts[0])
    address = f"/hosts/{hosts[0].pk}/maintenance/"
    assert "This needs the role manager." in text(sign_in(eve).get(address))
    assert sign_in(eve).post(address, {**WISH, "do": "go"}).status_code == 403
    actions.begin(ann, hosts[0], {})
    page = text(sign_in(eve).get(address))
    assert "1 machine to go" in page
    assert "Begin no more" not in page


# ── a selection ──


def test_a_selection_is_planned_and_moved(hosts: list[Host], root_client: Client) -> None:
    machines = [a_machine(hosts[0], "a"), a_machine(hosts[1], "b")]
    ids = [machine.pk for machine in machines]
    first = root_client.post("/machines/moves/", {"ids": ids}, headers=ASYNC)
    address = first.headers["WV-Location"]
    page = text(root_client.get(address))
    assert "Move them" in page
    assert "2 move" in page
    piece = text(root_client.post("/machines/moves/", {"ids": ids, **WISH, "to": hosts[0].pk}, headers={"WV-Fragment": "plan"}))
    assert "1 moves" in piece
    assert "1 can’t" in piece
    sent = root_client.post("/machines/moves/", {"ids": ids, **WISH, "to": hosts[2].pk, "do": "go"}, headers=ASYNC)
    found = Round.objects.get()
    assert sent.headers["WV-Location"] == found.get_absolute_url()
    assert "Moves of 2 machines" in text(root_client.get(found.get_absolute_url()))
    by_query = root_client.post("/machines/moves/", {"all": "?q=a"}, headers=ASYNC)
    assert by_query.headers["WV-Location"] == "/machines/moves/?all=%3Fq%3Da"
    assert "<bdi>a</bdi>" in text(root_client.get(by_query.headers["WV-Location"]))


def test_parts_are_seen_with_the_rights_of_their_machines(hosts: list[Host], ann: User, sign_in: Callable[[User], Client]) -> None:
    mine, theirs = a_machine(hosts[0], "mine"), a_machine(hosts[1], "theirs")
    found = actions.move_many(ann, [mine, theirs], {machine.pk: Wish(target=hosts[2].pk) for machine in (mine, theirs)})
    eve = inventory.person("eve", role=Role.MANAGER, on=mine)
    page = text(sign_in(eve).get(found.get_absolute_url()))
    assert "mine" in page
    assert "theirs" not in page
    assert sign_in(eve).post(f"{found.get_absolute_url()}stop/").status_code == 403
    assert sign_in(inventory.person("bob")).get(found.get_absolute_url()).status_code == 404


@pytest.mark.parametrize("count", [300])
def test_a_plan_of_many_takes_few_queries(count: int, hosts: list[Host], root_client: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(count):
        a_machine(hosts[0], f"m{number:03d}", shared=False, pool="local", memory_bytes=GIB // 8)
    with django_assert_max_num_queries(60):
        assert root_client.get(f"/hosts/{hosts[0].pk}/maintenance/", headers={"WV-Fragment": "plan"}).status_code == 200


# ── the API ──


def test_maintenance_by_the_api(hosts: list[Host], ann: User, finish: Callable[..., None]) -> None:
    a_machine(hosts[0], "plain")
    held = a_machine(hosts[0], "held", devices=PCI)
    call = Client(headers={"Authorization": f"Bearer {tokens.create(ann, 'test')}"})
    address = f"/api/v1/hosts/{hosts[0].pk}/maintenance"
    plan = call.get(address).json()
    assert plan["since"] is None
    assert [(line["machine"], line["deed"]) for line in plan["plan"]] == [("held", "leave"), ("plain", "move")]
    assert "0000:41:00.2" in plan["plan"][0]["why"]
    begun = call.post(address, {"stuck": "shut-down"}, content_type="application/json")
    assert begun.status_code == 202
    job = Job.objects.get(pk=begun.json()["id"])
    look(job)
    for each in children(job):
        finish(each)
    assert look(job).result == {"done": 2}
    ended = call.delete(address)
    assert ended.status_code == 202
    back = Job.objects.get(pk=ended.json()["id"])
    look(back)
    assert {each.kind for each in children(back)} == {"machines.migration.move", "machines.start"}
    sent = call.post("/api/v1/moves", {"machine_ids": [held.pk], "to": hosts[1].pk}, content_type="application/json")
    assert sent.status_code == 409, "it is being started"
