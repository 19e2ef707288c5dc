from __future__ import annotations

from django.urls import path

from hosts.devices import views

app_name = "devices"
urlpatterns = [
    path("<int:pk>/devices/", views.of_host, name="of-host"),
]
