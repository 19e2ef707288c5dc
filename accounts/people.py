"""What an administrator does with people: each act is checked, done, written to the audit log, and told to open pages."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from accounts import audit, objects, signals
from accounts.models import Grant, SetupLink, User
from accounts.roles import Role, Scope
from accounts.setup import digest


class Refused(Exception):
    """It was not done; the text says why, for the person who asked."""


@transaction.atomic
def add(username: str, password: str, *, full_name: str = "", administrator: bool = False) -> User:
    """A new person, without rights unless `administrator`. Raises ValidationError for a bad name or a weak password."""
    user = User(username=folded(username), first_name=full_name, is_superuser=administrator)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    audit.record("people.add", user.username, detail={"administrator": administrator})
    _announce(user)
    return user


@transaction.atomic
def add_first_administrator(secret: str, username: str, password: str) -> User:
    """Made by the one-time link; raises Refused when the link is not good any more."""
    used = SetupLink.objects.filter(digest=digest(secret), used_at=None).update(used_at=timezone.now())
    if not used or User.objects.filter(is_superuser=True).exists():
        raise Refused("This link was used already or is too old.")
    user = add(username, password, administrator=True)
    audit.record("session.set-up", user.username, actor=user)
    return user


def link_is_good(secret: str) -> bool:
    return SetupLink.objects.filter(digest=digest(secret), used_at=None).exists() and not User.objects.filter(is_superuser=True).exists()


@transaction.atomic
def rename(user: User, full_name: str) -> None:
    User.objects.filter(pk=user.pk).update(first_name=full_name)
    audit.record("people.rename", user.username, detail={"full name": full_name})
    _announce(user)


@transaction.atomic
def grant(user: User, role: Role, scope: Scope, object_id: int = 0) -> Grant:
    """Give `role` on the object, in place of a role that was given on it before."""
    if scope != Scope.FLEET and not objects.exists(scope, object_id):
        raise Refused("What the role is about is not there any more.")
    made, _ = Grant.objects.update_or_create(user=user, scope=scope, object_id=object_id, defaults={"role": role})
    audit.record("people.grant", user.username, detail={"role": role.label, "on": in_words(made)})
    _announce(user)
    return made


@transaction.atomic
def withdraw(given: Grant) -> None:
    user, words = given.user, in_words(given)
    given.delete()
    audit.record("people.withdraw", user.username, detail={"role": Role(given.role).label, "on": words})
    _announce(user)


@transaction.atomic
def set_administrator(user: User, on: bool) -> None:
    if not on:
        _keep_one_administrator(user)
    User.objects.filter(pk=user.pk).update(is_superuser=on)
    audit.record("people.administrator", user.username, detail={"on": on})
    _announce(user)


@transaction.atomic
def disable(user: User) -> None:
    """They are out at once: sessions end, tokens are dead, sockets close."""
    _keep_one_administrator(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    end_sessions(user)
    audit.record("people.disable", user.username)
    _announce(user)


@transaction.atomic
def enable(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=True)
    audit.record("people.enable", user.username)
    _announce(user)


@transaction.atomic
def set_password(user: User, password: str) -> None:
    """Sessions made with the old password end by themselves: their hash does not fit any more."""
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record("people.password", user.username)
    _announce(user)


def end_sessions(user: User) -> None:
    """Sessions have no index by person; they are few, and this is rare."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def in_words(given: Grant) -> str:
    """What a grant is about: "the whole fleet", "host kvm-1"."""
    if given.scope == Scope.FLEET:
        return "the whole fleet"
    found = objects.named(given.scope, [given.object_id]).get(given.object_id)
    return f"{given.scope} {found.name if found else given.object_id}"


def folded(username: str) -> str:
    """Names are kept in one case and one Unicode form, so that two people cannot look alike by them."""
    return User.normalize_username(username.strip()).lower()


def _keep_one_administrator(user: User) -> None:
    """Raises Refused if `user` is the last one. All of them are locked in one order: two can't resign at the same time."""
    administrators = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    ids = set(administrators.values_list("pk", flat=True))
    if ids == {user.pk}:
        raise Refused(f"{user.username} is the last administrator.")


def _announce(user: User) -> None:
    signals.rights_changed.send(User, user_id=user.pk)
    signals.people_changed.send(User)
