"""Who the token's person is and what they may."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema

from accounts.models import User
from accounts.roles import Role

router = Router()


class GrantOut(Schema):
    role: str
    scope: str
    object_id: int


class Me(Schema):
    id: int
    name: str
    full_name: str
    administrator: bool
    grants: list[GrantOut]


@router.get("", response=Me, summary="Who I am and what I may")
def me(request: HttpRequest) -> Me:
    user = person(request)
    grants = [GrantOut(role=Role(grant.role).name.lower(), scope=grant.scope, object_id=grant.object_id) for grant in user.grants.all()]
    return Me(id=user.pk, name=user.username, full_name=user.get_full_name(), administrator=user.is_administrator, grants=grants)


def person(request: HttpRequest) -> User:
    """Whose token the request carries; nobody else gets here."""
    assert isinstance(request.user, User)
    return request.user
