from __future__ import annotations

from django.urls import path

from machines.moves import views

app_name = "moves"
urlpatterns = [
    path("hosts/<int:pk>/maintenance/", views.maintenance, name="maintenance"),
    path("hosts/<int:pk>/maintenance/end/", views.end, name="end"),
    path("machines/<int:pk>/move/", views.one, name="one"),
    path("machines/moves/", views.selection, name="selection"),
    path("machines/moves/<int:pk>/", views.one_round, name="round"),
    path("machines/moves/<int:pk>/stop/", views.stop, name="stop"),
]
