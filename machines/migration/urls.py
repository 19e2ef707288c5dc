from __future__ import annotations

from django.urls import path

from machines.migration import views

app_name = "migration"
urlpatterns = [path("<int:pk>/migration-address/", views.address, name="address")]
