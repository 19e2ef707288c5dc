"""Signing in and out, the first administrator, and each person's own account."""

from __future__ import annotations

from typing import Any

from allauth.account.views import LoginView
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from redis.exceptions import RedisError

from accounts import attempts, audit, people, signals, tokens
from accounts.forms import OwnPasswordForm, SetupForm, TokenForm
from accounts.models import User
from accounts.requests import person_of


class SignIn(LoginView):
    """allauth's sign-in; guesses are counted in Redis, so without it nobody is let in, and told why."""

    template_name = "account/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except RedisError:
            return render(request, "account/not_now.html", status=503)
        return response


sign_in = SignIn.as_view()


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, User):
        audit.record("session.sign-out", request.user.username)
    logout(request)
    return redirect("account_login")


@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password", "again")
def setup(request: HttpRequest, secret: str) -> HttpResponse:
    """The one-time link makes the first administrator and signs them in."""
    if not people.link_is_good(secret):
        return render(request, "account/setup_over.html", status=410)
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name, password = form.cleaned_data["username"], form.cleaned_data["password"]
        try:
            user = people.add_first_administrator(secret, name, password)
        except people.Refused:
            return render(request, "account/setup_over.html", status=410)
        login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
        response = HttpResponseRedirect("/")
        attempts.remember_browser(request, response, user.username)
        return response
    return render(request, "account/setup.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """A person's own page: who they are here, password, API tokens."""
    return _own_page(request)


@require_POST
@sensitive_post_parameters("old", "password", "again")
def change_password(request: HttpRequest) -> HttpResponse:
    """Guesses of the present one are counted like those at sign-in. Other sessions of the person end."""
    user = person_of(request)
    form = OwnPasswordForm(request.POST, user=user)
    try:
        attempts.count(request, user.username)
    except attempts.TooMany as exc:
        messages.error(request, _("Too many attempts. Try again in %(n)s min.") % {"n": exc.minutes})
        return redirect("account")
    if not form.is_valid():
        if "old" in form.errors:
            audit.record("session.password", user.username, result="refused")
        else:
            attempts.give_back(request, user.username)
        return _own_page(request, password_form=form)
    attempts.give_back(request, user.username)
    with transaction.atomic():  # open pages hear of it when the new session is there
        signals.session_renewed.send(User, session_key=request.session.session_key)
        people.set_password(user, form.cleaned_data["password"])
        update_session_auth_hash(request, user)
        request.session.save()
    messages.info(request, _("Your password is changed. You are signed out everywhere else."))
    return redirect("account")


@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """The token stands in this one answer and nowhere else."""
    user = person_of(request)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _own_page(request, token_form=form)
    if user.tokens.count() >= tokens.MOST:
        messages.error(request, _("You have %(n)s tokens. Revoke those that nobody uses.") % {"n": tokens.MOST})
        return redirect("account")
    with transaction.atomic():
        text = tokens.create(user, form.cleaned_data["name"], form.expires_at())
        audit.record("tokens.create", form.cleaned_data["name"])
    return _own_page(request, fresh_token=text)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(person_of(request).tokens, pk=pk)
    with transaction.atomic():
        audit.record("tokens.revoke", token.name, detail={"prefix": token.prefix})
        token.delete()
    messages.info(request, _("The token %(name)s is revoked.") % {"name": token.name})
    return redirect("account")


def _own_page(
    request: HttpRequest, *, password_form: OwnPasswordForm | None = None, token_form: TokenForm | None = None, fresh_token: str = ""
) -> HttpResponse:
    user = person_of(request)
    context = {
        "password_form": password_form or OwnPasswordForm(user=user),
        "token_form": token_form or TokenForm(),
        "tokens": user.tokens.all(),
        "fresh_token": fresh_token,
        "grants": [(given.get_role_display(), people.in_words(given)) for given in user.grants.order_by("scope", "object_id")],
    }
    wrong = (password_form and password_form.errors) or (token_form and token_form.errors)
    response = render(request, "account/own.html", context, status=400 if wrong else 200)
    response.headers["Cache-Control"] = "no-store"
    return response
