"""Invitations: made, found by their link, revoked."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.roles import Role
from accounts.setup import digest
from consoles.models import ConsoleShare
from jobs.submit import Refused
from live import facts
from machines import access as machines_access
from machines.models import Machine

WATCH, ACT = Role.VIEWER, Role.CONSOLE
LONGEST_MINUTES = 24 * 60
_MOST_OF_A_PERSON = 50


def open_of(machine: Machine) -> QuerySet[ConsoleShare]:
    """Those that have not ended. Whether their makers may still invite is asked when one is used."""
    return ConsoleShare.objects.filter(machine=machine, revoked_at=None, until__gt=timezone.now()).select_related("made_by", "invited")


def make(by: User, machine: Machine, *, minutes: int, view_only: bool, invited: User | None) -> tuple[ConsoleShare, str]:
    """The share and the token of its link, which cannot be had again. The caller has seen that `by` may that much."""
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise Refused(f"An invitation lasts from one minute to {LONGEST_MINUTES // 60} hours.")
    if ConsoleShare.objects.filter(made_by=by, revoked_at=None, until__gt=timezone.now()).count() >= _MOST_OF_A_PERSON:
        raise Refused(f"You have {_MOST_OF_A_PERSON} open invitations. Revoke one first.")
    token = secrets.token_urlsafe(24)
    until = timezone.now() + timedelta(minutes=minutes)
    share = ConsoleShare.objects.create(machine=machine, digest=digest(token), made_by=by, invited=invited, view_only=view_only, until=until)
    whom = invited.username if invited else "whoever has the link"
    audit.record("consoles.share", machine.name, actor=by, detail={"share": share.pk, "to": whom, "view only": view_only, "minutes": minutes})
    _changed(share)
    return share, token


def revoke(by: User, share: ConsoleShare) -> bool:
    """End it now, and with it the consoles opened by it (the bridge hears of it); False when it had ended already."""
    if not ConsoleShare.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.record("consoles.unshare", share.machine.name, actor=by, detail={"share": share.pk})
    _changed(share)
    return True


def by_token(user: User, token: str) -> ConsoleShare | None:
    """The share behind a link, if it lets this person in now."""
    share = ConsoleShare.objects.select_related("machine__host", "made_by").filter(digest=digest(token)).first() if 0 < len(token) <= 100 else None
    return share if share and lets_in(share, user.pk) else None


def lets_in(share: ConsoleShare, user_id: int) -> bool:
    """Not ended, for this person, and its maker may what it gives."""
    if share.revoked_at or share.until <= timezone.now() or share.invited_id not in (None, user_id):
        return False
    return share.made_by.is_active and machines_access.may(share.made_by, share.machine, WATCH if share.view_only else ACT)


def hear_machines(user: User, ids: set[int]) -> set[int]:
    """Machines of `ids` whose console this person may hear of by an invitation: to them by name, or one that they are using."""
    mine = Q(invited=user) | Q(invited=None, sessions__user=user, sessions__closed_at=None)
    shares = ConsoleShare.objects.filter(mine, machine_id__in=ids, revoked_at=None, until__gt=timezone.now()).select_related("machine", "made_by")
    return {share.machine_id for share in shares if lets_in(share, user.pk)}


def _changed(share: ConsoleShare) -> None:
    facts.publish([f"console:{share.machine_id}"], "shares", host_id=share.machine.host_id, machine_id=share.machine_id)
