"""How allauth works here: nobody signs up by themselves, guesses are counted by us, and nothing tells who exists."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts import attempts, audit
from accounts.models import User


class Adapter(DefaultAccountAdapter):
    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _lazy("The name or the password is not right."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Only to ourselves: this host, this port."""
        request = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Being signed in is seen without a message."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            attempts.count(request, credentials.get("username", ""))
        except attempts.TooMany as exc:
            if exc.first:  # an attacker must not be able to fill the log
                _record_refusal(credentials, "locked")
            raise ValidationError(_("Too many attempts. Try again in %(n)s min.") % {"n": exc.minutes}) from exc

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person, if they are active: a right password of a disabled one is answered like a wrong one."""
        user = super().authenticate(request, **credentials)
        if not isinstance(user, User) or not user.is_active:
            _record_refusal(credentials, "refused")
            return None
        attempts.give_back(request, credentials.get("username", ""))
        return user

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        attempts.remember_browser(request, response, user.username)
        audit.record("session.sign-in", user.username, actor=user)
        return response


def _record_refusal(credentials: dict[str, Any], result: str) -> None:
    """Only names that exist are written down: what was typed there may be a password."""
    name = str(credentials.get("username", "")).strip().lower()
    known = User.objects.filter(username=name).exists()
    audit.record("session.sign-in", name if known else "unknown name", result=result)
