"""Whether consoles that are open may stay so: asked every second for all of them at once, in a handful of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import Grant, Token, User
from accounts.rights import Rights
from consoles import shares
from consoles.bridge.closing import Closing, Code
from consoles.models import ConsoleShare
from machines.models import Machine


@dataclass(frozen=True)
class Claim:
    """What an open console lives by.

    login  the key of the web session, or the digest of the API token (`by_token`)
    """

    user_id: int
    login: str
    by_token: bool
    machine_id: int
    host_id: int
    view_only: bool
    share_id: int | None


def refused(claims: Iterable[Claim]) -> dict[Claim, Closing]:
    """Those that are good no more, and why."""
    asked = set(claims)
    if not asked:
        return {}
    facts = _Facts(asked)
    return {claim: closing for claim in asked if (closing := facts.problem(claim))}


class _Facts:
    """All that decides about a set of claims, read once."""

    def __init__(self, claims: set[Claim]) -> None:
        now = timezone.now()
        user_ids = {claim.user_id for claim in claims}
        self._users = User.objects.filter(is_active=True).in_bulk(user_ids)
        self._rights = _rights(self._users)
        self._machines = Machine.objects.select_related("host").in_bulk({claim.machine_id for claim in claims})
        self._sessions = Session.objects.filter(expire_date__gt=now).in_bulk({claim.login for claim in claims if not claim.by_token})
        tokens = {claim.login for claim in claims if claim.by_token}
        self._tokens = (
            dict(Token.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), digest__in=tokens).values_list("digest", "user_id")) if tokens else {}
        )
        share_ids = {claim.share_id for claim in claims if claim.share_id}
        self._shares = ConsoleShare.objects.select_related("machine", "made_by").in_bulk(share_ids) if share_ids else {}

    def problem(self, claim: Claim) -> Closing | None:
        user = self._users.get(claim.user_id)
        if user is None or not self._is_signed_in(user, claim):
            return Closing(Code.RIGHT_GONE, "You are signed out.")
        machine = self._machines.get(claim.machine_id)
        if machine is None or not self._may(user, machine, claim):
            return Closing(Code.RIGHT_GONE, "You may not see this console any more.")
        if machine.gone_at or machine.host_id != claim.host_id:
            return Closing(Code.STOPPED, "The machine has moved." if not machine.gone_at else "The machine is gone.")
        if not machine.is_stale and not machine.is_active:
            return Closing(Code.STOPPED, "The machine stopped.")
        return None

    def _is_signed_in(self, user: User, claim: Claim) -> bool:
        if claim.by_token:
            return self._tokens.get(claim.login) == user.pk
        session = self._sessions.get(claim.login)
        if session is None:
            return False
        kept = session.get_decoded()
        return kept.get(SESSION_KEY) == str(user.pk) and constant_time_compare(kept.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())

    def _may(self, user: User, machine: Machine, claim: Claim) -> bool:
        needed = shares.WATCH if claim.view_only else shares.ACT
        if self._rights[user.pk].on_machine(machine.pk, machine.host_id) >= needed:
            return True
        share = self._shares.get(claim.share_id) if claim.share_id else None
        return share is not None and share.machine_id == machine.pk and (claim.view_only or not share.view_only) and shares.lets_in(share, user.pk)


def _rights(users: dict[int, User]) -> dict[int, Rights]:
    """Of many people in one query."""
    grants: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for user_id, scope, object_id, role in Grant.objects.filter(user_id__in=users).values_list("user_id", "scope", "object_id", "role"):
        grants[user_id].append((scope, object_id, role))
    return {pk: Rights.made_of(user, grants[pk]) for pk, user in users.items()}
