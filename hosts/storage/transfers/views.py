"""Pages of uploads, and what the browser's script speaks (tus). None of them reaches a host: bytes pass through Redis to and from a worker."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.models import User
from accounts.roles import Role
from hosts.storage import access as storage_access
from hosts.storage.actions import pool_refusal
from hosts.storage.transfers import access, actions, answering, outlet, ranges, tus
from hosts.storage.transfers.answering import AWAY
from hosts.storage.transfers.forms import FetchForm
from hosts.storage.transfers.limits import CHUNK_BYTES, largest_bytes
from hosts.storage.transfers.models import Incoming
from jobs.submit import Refused
from live import answers

_MOST_POOLS = 500

View = Callable[..., HttpResponse]


def _speaks_tus(view: View) -> View:
    """What is wrong is said as tus wants it."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, **keys: Any) -> HttpResponse:
        try:
            return view(request, **keys)
        except tus.Wrong as wrong:
            return tus.answer(wrong.status, str(wrong), **wrong.headers)
        except Refused as exc:
            return tus.answer(409, str(exc))
        except RedisError:
            return tus.answer(503, AWAY, Retry_After=2)

    return wrapped


# ── uploads ──


@require_GET
def everywhere(request: HttpRequest) -> HttpResponse:
    """To any pool: the dialog asks which."""
    user = _user(request)
    pools = list(access.pools(user)[:_MOST_POOLS])
    context = {"pools": pools, "pool": None, "unfinished": access.unfinished(user), "iso": True, **_limits()}
    return answers.page(request, "transfers/upload.html", context, {"dialog": "transfers/_upload.html"})


@require_http_methods(["GET", "POST", "OPTIONS"])
@_speaks_tus
def uploads(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the page or dialog. POST: tus' creation."""
    pool = storage_access.get(_user(request), pk, Role.MANAGER)
    if request.method == "OPTIONS":
        return tus.what_we_speak()
    if request.method == "GET":
        context = {"pool": pool, "pools": [pool], "unfinished": access.unfinished(_user(request), pool), "why_not": pool_refusal(pool, "bring"), **_limits()}
        return answers.page(request, "transfers/upload.html", context, {"dialog": "transfers/_upload.html"})
    return answering.begin(request, _user(request), pool, Incoming.get_absolute_url)


@require_http_methods(["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"])
@_speaks_tus
def upload(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET: how it stands, as JSON. HEAD, PATCH, DELETE: tus."""
    user = _user(request)
    incoming = access.get(user, pk)
    if request.method == "OPTIONS":
        return tus.what_we_speak()
    if request.method == "GET":
        return _state(incoming)
    return answering.go_on(request, user, incoming)


@require_http_methods(["GET", "POST"])
def fetch(request: HttpRequest, pk: int) -> HttpResponse:
    """From another web server."""
    pool = storage_access.get(_user(request), pk, Role.MANAGER)
    form = FetchForm(request.POST if request.method == "POST" else None, pool=pool)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            wanted = form.cleaned_data
            try:
                made = actions.fetch(_user(request), pool, wanted["name"], wanted["url"], wanted["digest"])
            except Refused as exc:
                form.add_error(None, str(exc))
                status = 409
            else:
                return answers.done(request, pool.get_absolute_url(), job_id=made.job_id)
    context = {"pool": pool, "form": form, "why_not": pool_refusal(pool, "bring"), "piece": "transfers/_fetch.html"}
    if form.is_bound and answers.is_async(request):
        return render(request, "transfers/_fetch.html", context, status=status)
    return answers.page(request, "storage/form.html", context, {"dialog": "transfers/_fetch.html"}, status=status)


# ── downloads ──


async def download(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The volume, or a part of it: a worker reads it for this request, and stops when it ends."""
    if request.method != "GET":
        return HttpResponse(status=405, headers={"Allow": "GET"})
    span = ranges.read(request.headers.get("Range") or "")
    condition = (request.headers.get("If-Range") or "") if span != (None, None) else ""
    try:
        token = await sync_to_async(_ask_for_download)(request, pk, name, span, condition[:100])
    except Refused as exc:
        return HttpResponse(str(exc), status=409, content_type="text/plain; charset=utf-8")
    except (RedisError, OperationalError):
        return HttpResponse(AWAY, status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "2"})
    return await outlet.respond(token, name)


def _ask_for_download(request: HttpRequest, pk: int, name: str, span: tuple[int | None, int | None], condition: str) -> str:
    user = cast(User, request.user)
    volume = storage_access.volume(user, pk, name, Role.MANAGER)
    return actions.download(user, volume, span, condition)


# ── steps ──


def _state(incoming: Incoming) -> HttpResponse:
    response = JsonResponse({**answering.state(incoming), "volume": incoming.place.get_absolute_url()})
    response.headers["Cache-Control"] = "no-store"
    return response


def _limits() -> dict[str, Any]:
    return {"chunk_bytes": CHUNK_BYTES, "largest_bytes": largest_bytes()}


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
