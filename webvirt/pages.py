"""Pages that show several apps at once: the dashboard and the search."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "webvirt"
urlpatterns: list[URLPattern] = []
