from __future__ import annotations

from django.urls import path

from machines.snapshots import views

app_name = "snapshots"
urlpatterns = [
    path("snapshots/", views.bulk, name="bulk"),
    path("<int:pk>/snapshots/", views.snapshots, name="list"),
    path("<int:pk>/snapshots/new/", views.create, name="create"),
    path("<int:pk>/snapshots/merge/", views.merge, name="merge"),
    path("<int:pk>/snapshots/<int:snapshot>/revert/", views.revert, name="revert"),
    path("<int:pk>/snapshots/<int:snapshot>/delete/", views.delete, name="delete"),
    path("<int:pk>/snapshots/<int:snapshot>/description/", views.describe, name="describe"),
    path("<int:pk>/snapshots/<int:snapshot>/picture/", views.picture, name="picture"),
]
