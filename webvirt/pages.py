"""Pages that show several apps at once: the dashboard and the search."""

from __future__ import annotations

from django.urls import path

from webvirt import views

app_name = "webvirt"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("search/", views.search, name="search"),
]
