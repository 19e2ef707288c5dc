from __future__ import annotations

from django.urls import path

from hosts.networks import views

app_name = "networks"
urlpatterns = [
    path("", views.networks, name="networks"),
    path("new/", views.choose_host, name="choose-host"),
    path("hosts/<int:pk>/", views.of_host, name="of-host"),
    path("hosts/<int:pk>/new/", views.create, name="create"),
    path("<int:pk>/", views.network, name="network"),
    path("<int:pk>/xml/", views.xml, name="xml"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("<int:pk>/power/", views.power, name="power"),
    path("<int:pk>/stop/", views.stop, name="stop"),
    path("<int:pk>/restart/", views.restart, name="restart"),
    path("<int:pk>/autostart/", views.autostart, name="autostart"),
    path("<int:pk>/delete/", views.delete, name="delete"),
    path("<int:pk>/parts/<str:part>/", views.add_part, name="add-part"),
    path("<int:pk>/parts/<str:part>/<int:place>/", views.edit_part, name="edit-part"),
    path("<int:pk>/parts/<str:part>/<int:place>/remove/", views.remove_part, name="remove-part"),
]
