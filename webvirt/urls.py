"""The URL table; each app's name is its prefix."""

from __future__ import annotations

from django.urls import include, path

from webvirt import health
from webvirt.api import api

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", api.urls),
    path("account/", include("accounts.urls")),
    path("people/", include("accounts.people_urls")),
    path("jobs/", include("jobs.urls")),
    path("hosts/", include("hosts.urls")),
    path("hosts/", include("machines.migration.urls")),
    path("machines/", include("machines.creation.urls")),
    path("machines/", include("machines.urls")),
    path("consoles/", include("consoles.urls")),
    path("machines/", include("machines.hardware.urls")),
    path("storage/", include("hosts.storage.transfers.urls")),
    path("storage/", include("hosts.storage.urls")),
    path("hosts/", include("hosts.readiness.urls")),
    path("hosts/", include("hosts.devices.urls")),
    path("networks/", include("hosts.networks.urls")),
    path("machines/", include("machines.snapshots.urls")),
    path("", include("machines.moves.urls")),
    path("", include("webvirt.pages")),
]

handler400 = "webvirt.errors.bad_request"
handler403 = "webvirt.errors.denied"
handler404 = "webvirt.errors.not_found"
handler500 = "webvirt.errors.failed"
