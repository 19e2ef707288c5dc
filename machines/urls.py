from __future__ import annotations

from django.urls import path

from machines.views import deeds, fleet, one

app_name = "machines"
urlpatterns = [
    path("", fleet.machines, name="list"),
    path("rows/", fleet.rows, name="rows"),
    path("csv/", fleet.csv, name="csv"),
    path("power/", fleet.bulk_power, name="bulk-power"),
    path("power/<slug:batch>/", fleet.batch, name="batch"),
    path("<int:pk>/", one.machine, name="machine"),
    path("<int:pk>/history/", one.timeline, name="history"),
    path("<int:pk>/definitions/<int:version>/", one.definition, name="definition"),
    path("<int:pk>/metrics/", one.metrics, name="metrics"),
    path("<int:pk>/screen/", one.screen, name="screen"),
    path("<int:pk>/power/", deeds.power, name="power"),
    path("<int:pk>/autostart/", deeds.autostart, name="autostart"),
    path("<int:pk>/notes/", deeds.notes, name="notes"),
]
