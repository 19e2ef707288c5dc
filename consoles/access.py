"""A look-up is an authorisation: who may watch a console, who may act on it, by a role or by an invitation."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from consoles import shares
from consoles.models import ConsoleShare
from consoles.shares import ACT as ACT
from consoles.shares import WATCH as WATCH
from machines import access as machines_access
from machines.models import Machine


@dataclass(frozen=True)
class Opening:
    """A console that the person may at least watch. `share`: by which invitation, None when their own role is enough."""

    machine: Machine
    may_act: bool
    role: int
    share: ConsoleShare | None = None

    @property
    def may_power(self) -> bool:
        return self.role >= Role.OPERATOR


def opening(user: User, pk: int, share_token: str = "") -> Opening:
    """Http404 for a machine that the person neither sees nor is invited to."""
    machine = machines_access.visible(user, gone=True).select_related("host").filter(pk=pk).first()
    role = user.rights.on_machine(machine.pk, machine.host_id) if machine else 0
    share = shares.by_token(user, share_token) if share_token else None
    if share and share.machine_id != pk:
        share = None
    if machine and role >= WATCH and (role >= ACT or not share or share.view_only):
        return Opening(machine, role >= ACT, role)
    if share:
        return Opening(share.machine, not share.view_only, role, share)
    raise Http404


def to_share(user: User, pk: int, *, view_only: bool) -> Machine:
    """A machine whose console the person may share that far; an invited person passes nothing on."""
    return machines_access.get(user, pk, WATCH if view_only else ACT)


def share_to_revoke(user: User, pk: int) -> ConsoleShare:
    """One's own, or on a machine that one manages. Http404 when the machine is not to be seen."""
    share = ConsoleShare.objects.select_related("machine__host").filter(pk=pk).first()
    if share is None or not (share.made_by_id == user.pk or machines_access.may(user, share.machine, WATCH)):
        raise Http404
    if share.made_by_id != user.pk and not machines_access.may(user, share.machine, Role.MANAGER):
        raise PermissionDenied(f"Another person's invitation is revoked by a manager of {share.machine.name}.")
    return share


def heard_ids(user: User, ids: set[int]) -> set[int]:
    """For the live topic of a console."""
    seen = machines_access.visible_ids(user, ids)
    return seen | shares.hear_machines(user, ids - seen)
