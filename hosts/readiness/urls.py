from __future__ import annotations

from django.urls import path

from hosts.readiness import views

app_name = "readiness"
urlpatterns = [
    path("", views.fleet, name="fleet"),
    path("hosts/<int:pk>/", views.of_host, name="of-host"),
    path("hosts/<int:pk>/check/", views.check, name="check"),
]
