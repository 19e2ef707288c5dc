"""Is the process alive, and can the whole serve? Each part with its age, for probes and for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from consoles.beats import bridge_age
from hosts.models import WatcherBeat
from jobs import beats

_WATCHER_FRESH = timedelta(seconds=20)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all parts work, else 503; `age_seconds` since each was last seen."""
    parts = look(PARTS)
    ready = all(part["ok"] for part in parts.values())
    response = JsonResponse({"status": "ready" if ready else "not ready", "parts": parts}, status=200 if ready else 503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # "not ready" is an answer: Django would log each probe of a start as an error
    return response


def look(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The state of those parts (of PARTS): `ok`, `age_seconds` where it was seen, `why` where it was not."""
    return {name: _checked(PARTS[name]) for name in names}


def _checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except Exception as exc:
        return {"ok": False, "why": type(exc).__name__}


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"ok": True, "age_seconds": 0}


def _redis() -> dict[str, Any]:
    cache.get("readyz")
    return {"ok": True, "age_seconds": 0}


def _watcher() -> dict[str, Any]:
    last = WatcherBeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if last is None:
        return {"ok": False, "why": "never seen"}
    age = timezone.now() - last
    return {"ok": age < _WATCHER_FRESH, "age_seconds": round(age.total_seconds(), 1)}


def _worker() -> dict[str, Any]:
    age = beats.worker_age()
    if age is None:
        return {"ok": False, "why": "never seen"}
    return {"ok": age < 30, "age_seconds": round(age, 1)}


def _consoles() -> dict[str, Any]:
    age = bridge_age()
    if age is None:
        return {"ok": False, "why": "never seen"}
    return {"ok": age < 30, "age_seconds": round(age, 1)}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"database": _database, "redis": _redis, "watcher": _watcher, "worker": _worker, "consoles": _consoles}
