"""Pages of rounds of moves: the plan first, then what becomes of it. None of them reaches a host."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.roles import Role
from hosts import access as host_access
from hosts.models import Host
from hosts.overview import Overview
from jobs.submit import Refused
from live import answers
from machines import access as machine_access
from machines.migration import actions as migration
from machines.models import Machine
from machines.moves import access, actions
from machines.moves.forms import PlanForm, SelectionForm
from machines.moves.models import Kind, Round
from machines.moves.page import MovePage
from machines.moves.shown import ShownPlan, ShownRound
from machines.views.asking import first_error, user_of
from machines.views.one import context_of

_DOES, _TRIES, _RESUMES = "go", "try", "resume"  # the buttons; anything else only looks at the plan again
_BEFORE = {"host-head": "hosts/_head.html", "plan": "moves/_plan.html", "maintenance": "moves/_maintenance.html"}
_MOST_LINES = 500


@require_http_methods(["GET", "POST"])
def maintenance(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the plan, or in the middle of it how far it is. POST: the plan with other wishes, or with `do=go` begin."""
    user = user_of(request)
    host = host_access.get(user, pk, Role.VIEWER if request.method == "GET" else Role.MANAGER)
    if not host_access.may(user, host, Role.MANAGER):
        return _show_maintenance(request, host, None)
    machines = list(Machine.objects.filter(host=host, gone_at=None).select_related("host").order_by("name"))
    targets = [each for each in access.targets(user) if each.pk != host.pk and not each.in_maintenance]
    form = PlanForm(machines, targets, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and request.POST.get("do") == _DOES:
        page = reverse("moves:maintenance", args=[pk])
        try:
            job = actions.begin(user, host, form.wishes)
        except Refused as exc:
            return answers.refused(request, str(exc), page)
        return answers.done(request, page, words=_("Maintenance of %(name)s begins.") % {"name": host.name}, job_id=job.pk if job else None, go=True)
    plan = ShownPlan(actions.plan_of_maintenance(user, host, form.wishes), form)
    if refused := _try_ways(request, plan):
        return answers.refused(request, refused, reverse("moves:maintenance", args=[pk]))
    return _show_maintenance(request, host, plan)


@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: what would come back. POST: end the maintenance, with `back=1` bring them back."""
    user = user_of(request)
    host = host_access.get(user, pk, Role.MANAGER)
    if request.method == "GET":
        coming = actions.homecoming(user, host)
        context = {"host": host, "o": Overview(host, user), "tab": "maintenance", "coming": coming}
        return answers.page(request, "moves/end.html", context, {"dialog": "moves/_end.html"})
    page = reverse("moves:maintenance", args=[pk])
    try:
        job = actions.end(user, host, back=request.POST.get("back") == "1")
    except Refused as exc:
        return answers.refused(request, str(exc), page)
    return answers.done(request, page, words=_("The maintenance of %(name)s is over.") % {"name": host.name}, job_id=job.pk if job else None)


@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One machine. POST: look at other choices, with `do=try` try the way there, with `do=go` move it if nothing is against it.

    With `do=resume` go on with a move that broke half-way.
    """
    user = user_of(request)
    machine = machine_access.get(user, pk, Role.MANAGER)
    page = MovePage(machine, user, request.GET if request.method == "GET" else request.POST)
    does = request.POST.get("do", "")
    try:
        if does == _DOES and page.can_go and page.chosen:
            job = migration.move(user, machine, migration.target_of(user, page.chosen.place.id), page.options)
            words = _("%(name)s is on its way to %(host)s.") % {"name": machine.name, "host": page.chosen.place.name}
            return answers.done(request, job.get_absolute_url(), words=words, job_id=job.pk, go=True)
        if does == _RESUMES:
            job = migration.resume(user, machine)
            words = _("The rest of the memory of %(name)s is sent.") % {"name": machine.name}
            return answers.done(request, job.get_absolute_url(), words=words, job_id=job.pk, go=True)
        if does == _TRIES and page.chosen:
            actions.try_reach(user, machine.host, [migration.target_of(user, page.chosen.place.id)])
    except Refused as exc:
        return answers.refused(request, str(exc), page.address)
    if does == _DOES and answers.is_async(request):
        words = page.refusal or (page.blockers[0].title if page.blockers else "") or first_error(page.form)
        return answers.refused(request, words, page.address, status=422)
    context = context_of(request, machine, "move") | {"page": page, "form": page.form}
    pieces = {"machine-head": "machines/_head.html", "move": "moves/_one.html", "move-checks": "moves/_checks.html"}
    return answers.page(request, "moves/one.html", context, pieces, status=422 if does == _DOES else 200)


@require_http_methods(["GET", "POST"])
def selection(request: HttpRequest) -> HttpResponse:
    """Machines of the list, named by `ids` or `all`. The list posts them here and is sent to the plan; POST with `do=go` begins."""
    user = user_of(request)
    sent = request.GET if request.method == "GET" else request.POST
    chosen = SelectionForm(sent)
    if not chosen.is_valid():
        return answers.refused(request, first_error(chosen), reverse("machines:list"), status=400)
    if request.method == "POST" and "stuck" not in request.POST:
        return answers.done(request, f"{reverse('moves:selection')}?{chosen.address}", go=True)
    wanted = chosen.query.machines(user) if chosen.query else machine_access.visible(user).filter(pk__in=chosen.ids)
    mine = machine_access.visible(user, Role.MANAGER).filter(pk__in=wanted.order_by().values("pk"))
    machines = list(mine.select_related("host").order_by("name", "pk")[: actions.MOST_AT_ONCE])
    targets = [each for each in access.targets(user) if not each.in_maintenance]
    form = PlanForm(machines, targets, sent, off="move")
    if request.method == "POST" and form.is_valid() and request.POST.get("do") == _DOES:
        try:
            found = actions.move_many(user, machines, form.wishes)
        except Refused as exc:
            return answers.refused(request, str(exc), reverse("machines:list"))
        return answers.done(request, found.get_absolute_url(), words=_("They are on their way."), job_id=found.job_id, go=True)
    plan = ShownPlan(actions.plan_for(user, machines, form.wishes), form)
    if refused := _try_ways(request, plan):
        return answers.refused(request, refused, reverse("machines:list"))
    context = {
        "shown": plan,
        "form": form,
        "hidden": chosen.fields_of(machines),
        "not_mine": wanted.count() - len(machines),
        "most": _MOST_LINES,
    }
    return answers.page(request, "moves/selection.html", context, {"plan": "moves/_plan.html"})


@require_GET
def one_round(request: HttpRequest, pk: int) -> HttpResponse:
    """How a round stands."""
    found = access.get(user_of(request), pk)
    context = {"round": found, "shown": ShownRound(found, user_of(request)), "most": _MOST_LINES}
    return answers.page(request, "moves/round.html", context, {"round": "moves/_round.html"})


@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """No more are begun; what runs goes on to its end."""
    user = user_of(request)
    found = access.get_managed(user, pk)
    page = reverse("moves:maintenance", args=[found.host_id]) if found.kind == Kind.MAINTENANCE else found.get_absolute_url()
    try:
        actions.stop(user, found)
    except Refused as exc:
        return answers.refused(request, str(exc), page)
    return answers.done(request, page, words=_("No more are begun."))


def _try_ways(request: HttpRequest, plan: ShownPlan) -> str:
    """With `do=try`: between all hosts of the plan that were not tried. Why not, or ""."""
    if request.method != "POST" or request.POST.get("do") != _TRIES:
        return ""
    hosts = Host.objects.in_bulk([*plan.untried, *set().union(*plan.untried.values(), set())])
    try:
        for source, targets in plan.untried.items():
            actions.try_reach(user_of(request), hosts[source], [hosts[pk] for pk in sorted(targets)])
    except Refused as exc:
        return str(exc)
    return ""


def _show_maintenance(request: HttpRequest, host: Host, plan: ShownPlan | None) -> HttpResponse:
    user = user_of(request)
    last = Round.objects.filter(host=host).select_related("job", "host").first()
    relevant = last is not None and (last.is_active or host.in_maintenance or last.kind == Kind.BACK)
    context: dict[str, Any] = {
        "host": host,
        "o": Overview(host, user),
        "tab": "maintenance",
        "plan": plan,
        "shown": plan,
        "form": plan.form if plan else None,
        "round": ShownRound(last, user) if last and relevant else None,
        "most": _MOST_LINES,
    }
    return answers.page(request, "moves/maintenance.html", context, _BEFORE)
