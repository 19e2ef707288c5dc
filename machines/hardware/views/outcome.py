"""What became of an edit: asked by the form that it was made with, which keeps what was typed until then."""

from __future__ import annotations

from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from jobs import access as job_access
from jobs.models import Job, State
from machines import access as machine_access
from machines.hardware.definitions import Definitions
from machines.hardware.page import Hardware
from machines.models import Machine
from machines.views.asking import user_of
from virt.xml.devices import KINDS

_ON_ITS_WAY = timedelta(seconds=5)


@require_GET
def outcome(request: HttpRequest, pk: int, job: int) -> HttpResponse:
    """A note with what is to be said of it, "" for what went well.

    `WV-State` is the job's state; `WV-Saved`: whether the definition is another one now; `WV-Behind`: it is on its way here, ask again;
    `WV-Location`: the page of a device that is new.
    """
    user = user_of(request)
    machine = machine_access.get(user, pk)
    found = job_access.get(user, job)
    if (found.subject_type, found.subject_id) != ("machine", machine.pk):
        raise Http404
    definitions = Definitions(machine)
    saved = found.state == State.DONE or (not found.is_active and definitions.digest != found.params.get("based_on", definitions.digest))
    behind = (
        found.state == State.DONE
        and definitions.digest == found.params.get("based_on")
        and timezone.now() - (found.finished_at or timezone.now()) < _ON_ITS_WAY
    )
    response = render(request, "hardware/_outcome.html", {"job": found, "saved": saved})
    for name, value in (("WV-State", found.state), ("WV-Saved", "1" if saved else ""), ("WV-Behind", "1" if behind else ""), ("Cache-Control", "no-store")):
        response.headers[name] = value
    if saved and (page := _page_of_new(machine, definitions, found)):
        response.headers["WV-Location"] = page
    return response


def _page_of_new(machine: Machine, definitions: Definitions, job: Job) -> str:
    """The page of the device that a job added, the list where the new definition has not arrived; "" for any other job."""
    added = [edit for edit in job.params.get("edits", []) if edit.get("verb") == "add" and edit.get("kind") in KINDS]
    if not added:
        return ""
    page, kind = Hardware(machine, definitions), KINDS[added[0]["kind"]]
    key = str(added[0].get("values", {}).get(kind.key, "")) if kind.key else ""
    if not key and definitions.stored is not None:
        key = str(len(kind.nodes(definitions.stored)) - 1)
    return page.url(kind, key) if key and page.node(kind, key) is not None else page.url(KINDS["cpu"], "0")
