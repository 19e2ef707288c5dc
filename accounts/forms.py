"""What people type about people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import Token, User
from accounts.people import folded
from accounts.roles import Role, Scope

_MOST_PASSWORD = 1024


def _new_password(label: Any, **kwargs: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, widget=widget, strip=False, max_length=_MOST_PASSWORD, **kwargs)


class _TwoPasswords(forms.Form):
    """A new password, typed twice, strong enough for `person`."""

    password = _new_password(_lazy("Password"), help_text=_lazy("At least 10 characters, not a common one, not only digits."))
    again = _new_password(_lazy("The same again"))

    def person(self) -> User:
        return User(username=self.cleaned_data.get("username", ""), first_name=self.cleaned_data.get("full_name", ""))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        password, again = data.get("password"), data.get("again")
        if password and again and password != again:
            self.add_error("again", _("The two are not the same."))
        elif password:
            try:
                password_validation.validate_password(password, self.person())
            except forms.ValidationError as exc:
                self.add_error("password", exc)
        return data


class _Name(forms.Form):
    username = forms.CharField(
        label=_lazy("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_lazy("Letters, digits and @ . + - _"),
    )

    def clean_username(self) -> str:
        name = folded(self.cleaned_data["username"])
        User._meta.get_field("username").run_validators(name)
        if User.objects.filter(username=name).exists():
            raise forms.ValidationError(_("This name is taken."))
        return name


class SetupForm(_TwoPasswords, _Name):
    field_order = ("username", "password", "again")


class PersonForm(_TwoPasswords, _Name):
    full_name = forms.CharField(label=_lazy("Full name"), max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    administrator = forms.BooleanField(label=_lazy("Administrator: may everything"), required=False)
    field_order = ("username", "full_name", "password", "again", "administrator")


class NameForm(forms.Form):
    full_name = forms.CharField(label=_lazy("Full name"), max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class NewPasswordForm(_TwoPasswords):
    """An administrator gives a person a new password."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user

    def person(self) -> User:
        return self._user


class OwnPasswordForm(NewPasswordForm):
    old = forms.CharField(
        label=_lazy("Present password"), strip=False, max_length=_MOST_PASSWORD, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    password = _new_password(_lazy("New password"), help_text=_lazy("At least 10 characters, not a common one, not only digits."))
    field_order = ("old", "password", "again")

    def clean_old(self) -> str:
        if not self._user.check_password(self.cleaned_data["old"]):
            raise forms.ValidationError(_("This is not your present password."))
        return str(self.cleaned_data["old"])


class GrantForm(forms.Form):
    scope = forms.ChoiceField(choices=Scope.choices)
    object_id = forms.IntegerField(min_value=0, max_value=2**53, required=False)
    role = forms.TypedChoiceField(label=_lazy("Role"), choices=Role.choices, coerce=int, initial=Role.VIEWER)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("scope") == Scope.FLEET:
            data["object_id"] = 0
        elif "scope" in data and not data.get("object_id"):
            self.add_error("object_id", _("Choose what the role is about."))
        return data


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_lazy("What it is for"), max_length=Token._meta.get_field("name").max_length, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    days = forms.TypedChoiceField(
        label=_lazy("Valid for"),
        choices=[(30, _lazy("30 days")), (90, _lazy("90 days")), (365, _lazy("A year")), (0, _lazy("No end"))],
        coerce=int,
        initial=90,
    )

    def expires_at(self) -> Any:
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None


class AuditFilter(forms.Form):
    """All optional; what is wrong is left out, so that an old link still shows something."""

    who = forms.CharField(max_length=150, required=False)
    action = forms.CharField(max_length=64, required=False)
    subject = forms.CharField(max_length=200, required=False)
    result = forms.CharField(max_length=16, required=False)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)
