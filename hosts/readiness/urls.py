from __future__ import annotations

from django.urls import path

from hosts.readiness import views

app_name = "readiness"
urlpatterns = [
    path("readiness/", views.fleet, name="fleet"),
    path("<int:pk>/readiness/", views.of_host, name="of-host"),
    path("<int:pk>/readiness/check/", views.check, name="check"),
]
