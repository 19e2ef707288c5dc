"""People and their rights: for administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Max, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import audit, objects, people
from accounts.forms import GrantForm, NameForm, NewPasswordForm, PersonForm
from accounts.models import AuditEntry, Grant, User
from accounts.pieces import page
from accounts.requests import for_administrators, person_of
from accounts.roles import Role, Scope

_MOST_SEARCH = 100
_RECENT_ACTS = 12


@require_safe
@for_administrators
def listing(request: HttpRequest) -> HttpResponse:
    return page(request, "accounts/people.html", {"people": _people()}, {"people": "accounts/_people.html"})


@require_http_methods(["GET", "POST"])
@for_administrators
@sensitive_post_parameters("password", "again")
def add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user = people.add(data["username"], data["password"], full_name=data["full_name"], administrator=data["administrator"])
        except ValidationError as exc:
            form.add_error(None, exc)
        else:
            return redirect("people:person", user.pk)
    return render(request, "accounts/add.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@for_administrators
def person(request: HttpRequest, pk: int) -> HttpResponse:
    return _person_page(request, _get(pk))


@require_POST
@for_administrators
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    user, form = _get(pk), NameForm(request.POST)
    if not form.is_valid():
        return _person_page(request, user, name_form=form)
    people.rename(user, form.cleaned_data["full_name"])
    return redirect("people:person", pk)


@require_POST
@for_administrators
def grant(request: HttpRequest, pk: int) -> HttpResponse:
    user, form = _get(pk), GrantForm(request.POST)
    if not form.is_valid():
        return _person_page(request, user, grant_form=form)
    data = form.cleaned_data
    return _do(request, pk, lambda: people.grant(user, Role(data["role"]), Scope(data["scope"]), data["object_id"]))


@require_POST
@for_administrators
def withdraw(request: HttpRequest, pk: int, grant_pk: int) -> HttpResponse:
    given = get_object_or_404(Grant.objects.select_related("user"), pk=grant_pk, user_id=pk)
    return _do(request, pk, lambda: people.withdraw(given))


@require_POST
@for_administrators
def set_administrator(request: HttpRequest, pk: int) -> HttpResponse:
    user = _get(pk)
    return _do(request, pk, lambda: people.set_administrator(user, request.POST.get("on") == "1"))


@require_POST
@for_administrators
def set_active(request: HttpRequest, pk: int) -> HttpResponse:
    user = _get(pk)
    if request.POST.get("on") == "1":
        return _do(request, pk, lambda: people.enable(user))
    if user.pk == person_of(request).pk:
        messages.error(request, _("You can't disable yourself. Another administrator can."))
        return redirect("people:person", pk)
    return _do(request, pk, lambda: people.disable(user))


@require_POST
@for_administrators
@sensitive_post_parameters("password", "again")
def set_password(request: HttpRequest, pk: int) -> HttpResponse:
    user = _get(pk)
    form = NewPasswordForm(request.POST, user=user)
    if not form.is_valid():
        return _person_page(request, user, password_form=form)
    people.set_password(user, form.cleaned_data["password"])
    messages.info(request, _("%(name)s has a new password and is signed out everywhere.") % {"name": user.username})
    return redirect("people:person", pk)


@require_POST
@for_administrators
def revoke_token(request: HttpRequest, pk: int, token_pk: int) -> HttpResponse:
    token = get_object_or_404(_get(pk).tokens, pk=token_pk)
    audit.record("tokens.revoke", token.name, detail={"of": token.user.username, "prefix": token.prefix})
    token.delete()
    return redirect("people:person", pk)


# ── the steps ──


def _get(pk: int) -> User:
    return get_object_or_404(User, pk=pk)


def _do(request: HttpRequest, pk: int, act: Callable[[], object]) -> HttpResponse:
    """Do it; a refusal becomes a message."""
    try:
        act()
    except people.Refused as exc:
        messages.error(request, str(exc))
    return redirect("people:person", pk)


def _people() -> QuerySet[User]:
    grants = Prefetch("grants", Grant.objects.order_by("-role"))
    return User.objects.prefetch_related(grants).annotate(token_used_at=Max("tokens__last_used_at")).order_by("-is_active", "username")


def _person_page(
    request: HttpRequest,
    user: User,
    *,
    name_form: NameForm | None = None,
    grant_form: GrantForm | None = None,
    password_form: NewPasswordForm | None = None,
) -> HttpResponse:
    forms = (name_form, grant_form, password_form)
    context = {
        "person": user,
        "is_self": user.pk == person_of(request).pk,
        "name_form": name_form or NameForm(initial={"full_name": user.first_name}),
        "password_form": password_form or NewPasswordForm(user=user),
        "grants": _grants(user),
        "tokens": user.tokens.all(),
        "acts": AuditEntry.objects.filter(actor_id=user.pk)[:_RECENT_ACTS],
        **_to_grant(request, grant_form),
    }
    pieces = {"grant": "accounts/_grant.html", "person": "accounts/_person.html"}
    status = 400 if any(form is not None and form.errors for form in forms) else 200
    return page(request, "accounts/person.html", context, pieces, status=status)


def _grants(user: User) -> list[dict[str, Any]]:
    """Each grant with what it is about; objects that are gone are said to be."""
    given = list(user.grants.order_by("-role", "scope", "object_id"))
    names = {scope: objects.named(scope, [g.object_id for g in given if g.scope == scope]) for scope in (Scope.HOST, Scope.MACHINE)}
    return [{"grant": g, "about": names.get(Scope(g.scope), {}).get(g.object_id)} for g in given]


def _to_grant(request: HttpRequest, form: GrantForm | None) -> dict[str, Any]:
    """What the panel "give a role" shows: the scope, and what a search has found."""
    asked = request.POST if form else request.GET
    scope = asked.get("scope", "")
    scope = scope if scope in Scope.values else Scope.FLEET
    text = asked.get("q", "")[:_MOST_SEARCH].strip()
    return {
        "grant_form": form or GrantForm(),
        "scope": scope,
        "scopes": Scope.choices,
        "q": text,
        "found": [] if scope == Scope.FLEET else objects.search(scope, text),
    }
