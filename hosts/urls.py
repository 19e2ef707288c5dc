from __future__ import annotations

from django.urls import path

from hosts import views

app_name = "hosts"
urlpatterns = [
    path("", views.hosts, name="list"),
    path("rows/", views.rows, name="rows"),
    path("tree/", views.whole_tree, name="whole-tree"),
    path("add/", views.add, name="add"),
    path("<int:pk>/", views.host, name="host"),
    path("<int:pk>/tree/", views.tree, name="tree"),
    path("<int:pk>/log/", views.log, name="log"),
    path("<int:pk>/metrics/", views.metrics, name="metrics"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("<int:pk>/test/", views.test, name="test"),
    path("<int:pk>/key/", views.key, name="key"),
    path("<int:pk>/enable/", views.enable, name="enable"),
    path("<int:pk>/disable/", views.disable, name="disable"),
    path("<int:pk>/remove/", views.remove, name="remove"),
    path("<int:pk>/try-it/", views.try_it, name="try-it"),
]
