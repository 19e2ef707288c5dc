from __future__ import annotations

from django.urls import path

from jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.jobs, name="list"),
    path("drawer/", views.drawer, name="drawer"),
    path("<int:pk>/", views.job, name="job"),
    path("<int:pk>/log/", views.log, name="log"),
    path("<int:pk>/cancel/", views.cancel, name="cancel"),
    path("<int:pk>/again/", views.again, name="again"),
]
