"""The REST API: one router an app, bearer tokens, the same `access` and `actions` as the pages.

Every error is {"error": words for a person, "detail": …}: 401 no valid token, 403 a role is missing, 404 not there or not
to be seen, 409 refused now and why, 413 too large, 422 a field makes no sense.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer

from accounts import tokens
from accounts.api import router as accounts
from consoles.api import own_router as all_consoles
from consoles.api import router as consoles
from hosts.api import router as hosts
from hosts.devices.api import router as devices
from hosts.networks.api import of_host as networks_of_host
from hosts.networks.api import router as networks
from hosts.readiness.api import router as readiness
from hosts.storage.api import router as storage
from hosts.storage.transfers.api import router as transfers
from jobs.api import router as jobs
from jobs.submit import Refused
from machines.api import router as machines
from machines.creation.api import router as creation
from machines.hardware.api import router as hardware
from machines.migration.api import router as migration
from machines.moves.api import moves
from machines.moves.api import router as maintenance
from machines.snapshots.api import router as snapshots
from webvirt import api_docs


class Bearer(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Any:
        person = tokens.person_of(token) if len(token) <= 200 else None
        if person is not None:
            request.user = person
        return person


class SaneJson(Parser):
    """JSON can hold what no database and no page can: NUL, halves of characters."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        data: dict[str, Any] = super().parse_body(request)
        text = json.dumps(data, ensure_ascii=False)
        text.encode()  # UnicodeEncodeError for half a character
        if "\\u0000" in text:
            raise ValueError("NUL")
        return data


api = NinjaAPI(
    title="WebVirt",
    version="1",
    description="Hosts, machines and jobs of a fleet. What changes something answers 202 with the job that does it.",
    auth=Bearer(),
    parser=SaneJson(),
    docs=api_docs.Page(),
    docs_url="/docs",
)
api.add_router("/me", accounts, tags=["me"])
api.add_router("/hosts", readiness, tags=["readiness"])  # before the hosts: "/hosts/readiness" is no host
api.add_router("/hosts", hosts, tags=["hosts"])
api.add_router("/hosts", devices, tags=["devices"])
api.add_router("/hosts", networks_of_host, tags=["networks"])
api.add_router("/networks", networks, tags=["networks"])
api.add_router("/machines", creation, tags=["new machines"])
api.add_router("/machines", snapshots, tags=["snapshots"])  # before the machines: "/machines/snapshots" is no machine
api.add_router("/machines", machines, tags=["machines"])
api.add_router("/machines", hardware, tags=["hardware"])
api.add_router("/machines", migration, tags=["moving"])
api.add_router("/machines", consoles, tags=["consoles"])
api.add_router("/consoles", all_consoles, tags=["consoles"])
api.add_router("/hosts", maintenance, tags=["moves"])
api.add_router("/moves", moves, tags=["moves"])
api.add_router("/storage", storage, tags=["storage"])
api.add_router("/storage", transfers, tags=["files"])
api.add_router("/jobs", jobs, tags=["jobs"])


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, exc: Exception) -> HttpResponse:
    return _error(request, "Not found.", 404)


@api.exception_handler(PermissionDenied)
def _denied(request: HttpRequest, exc: Exception) -> HttpResponse:
    return _error(request, str(exc) or "Not allowed.", 403)


@api.exception_handler(Refused)
def _refused(request: HttpRequest, exc: Exception) -> HttpResponse:
    return _error(request, str(exc), 409, field=getattr(exc, "field", ""))


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, exc: Exception) -> HttpResponse:
    return _error(request, "The request is too large.", 413)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, exc: Any) -> HttpResponse:
    """Where and why, without repeating what was sent: it may hold a secret."""
    fields = [{"field": ".".join(str(part) for part in error["loc"][1:]), "error": error["msg"]} for error in exc.errors]
    return _error(request, "The request makes no sense.", 422, detail=fields)


@api.exception_handler(AuthenticationError)
def _unknown(request: HttpRequest, exc: Exception) -> HttpResponse:
    answer = _error(request, "No valid token. Send it as: Authorization: Bearer wv_…", 401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, exc: Any) -> HttpResponse:
    return _error(request, str(exc), exc.status_code)


def _error(request: HttpRequest, words: str, status: int, *, detail: Any = None, field: str = "") -> HttpResponse:
    body: dict[str, Any] = {"error": words}
    if detail is not None:
        body["detail"] = detail
    if field:
        body["field"] = field
    return api.create_response(request, body, status=status)
