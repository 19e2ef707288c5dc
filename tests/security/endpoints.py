"""Every address of the portal with what it needs, each app's in a file of tests/security/apps. One that is missing fails tests/security/test_rights.py."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.security.rows import ANYBODY as ANYBODY
from tests.security.rows import SIGNED_IN as SIGNED_IN
from tests.security.rows import Row as Row
from webvirt.api import api

_APPS = [import_module(f"tests.security.apps.{path.stem}") for path in sorted((Path(__file__).parent / "apps").glob("*.py"))]

PAGES: dict[str, Row] = {name: row for app in _APPS for name, row in app.PAGES.items()}
CALLS: dict[str, Row] = {name: row for app in _APPS for name, row in app.CALLS.items()}
# Whose rights are not those on a host or machine: each has a test of its own below the matrix.
ASKED_ELSEWHERE: set[str] = {name for app in _APPS for name in getattr(app, "ASKED_ELSEWHERE", ())}


@functools.cache
def addresses() -> dict[str, str]:
    """{name: route} of every address that the product answers, the API's calls left out."""
    routes = {call.partition(" ")[2].replace("{", "<").replace("}", ">") for call in calls()}
    found = _walk(get_resolver().url_patterns)
    return {name: route for name, route in found if not (name.startswith("api-1:") and route.removeprefix("api/v1") in routes)}


@functools.cache
def calls() -> set[str]:
    """ "GET /hosts/{host_id}" of every call of the API."""
    paths = api.get_openapi_schema()["paths"]
    return {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, methods in paths.items() for method in methods}


def _walk(patterns: list[Any], prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route, f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern):
            yield namespace + (pattern.name or f"nameless {route}"), route
