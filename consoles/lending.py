"""Passwords of displays that were lent for two minutes, in files for virt-viewer: taken back from who may not act on the machine any more.

Only one that ends by itself is lent: one that the machine's owner has set for good can't be taken back, and is for those alone who may change it.
"""

from __future__ import annotations

import logging
import time
from typing import cast

import redis
from celery import current_app

from accounts.models import User
from accounts.roles import Role
from consoles import shares
from consoles.access import Opening
from consoles.models import ConsoleShare
from live.metrics import store
from machines import access as machines_access
from machines.models import Machine

logger = logging.getLogger(__name__)

SECONDS = 120
LASTING = (
    "This display has a password that its owner has set for good. The file would hand it out, so it is for those alone who may change the machine; "
    "the console on this page needs no password."
)
_LENT = "wv:lent-passwords"


def may_have_lasting(role: int) -> bool:
    return role >= Role.MANAGER


def note(opening: Opening, user_id: int) -> bool:
    """Remember who has it, as long as it is good; False when that can't be."""
    try:
        pipe = store().pipeline()
        pipe.hset(_LENT, f"{opening.machine.pk}:{user_id}:{opening.share.pk if opening.share else 0}", str(time.time() + SECONDS))
        pipe.expire(_LENT, 2 * SECONDS)
        pipe.execute()
    except redis.RedisError as exc:
        logger.warning("no password is lent: %s", exc)
        return False
    return True


def recall() -> None:
    """Have a worker take back what should not be lent any more. Asked every second; costs one question to Redis while nothing is."""
    for name, until in cast(dict[bytes, bytes], store().hgetall(_LENT)).items():
        machine_id, user_id, share_id = (int(part) for part in name.split(b":"))
        is_over = float(until) < time.time()
        if not is_over and _may_act(machine_id, user_id, share_id):
            continue
        if store().hdel(_LENT, name) and not is_over:
            current_app.send_task("consoles.take_back", args=[machine_id], queue="quick", expires=float(SECONDS), time_limit=20, retry=False)


def _may_act(machine_id: int, user_id: int, share_id: int) -> bool:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    machine = Machine.objects.filter(pk=machine_id, gone_at=None).first()
    if user is None or machine is None:
        return False
    if machines_access.may(user, machine, shares.ACT):
        return True
    share = ConsoleShare.objects.select_related("machine", "made_by").filter(pk=share_id, machine=machine, view_only=False).first()
    return share is not None and shares.lets_in(share, user.pk)
