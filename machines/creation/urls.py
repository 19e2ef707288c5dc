from __future__ import annotations

from django.urls import path

from machines.creation.views import deeds, new

app_name = "creation"
urlpatterns = [
    path("new/", new.new, name="new"),
    path("new/<int:pk>/", new.creation, name="creation"),
    path("deletion/", deeds.delete_many, name="delete-many"),
    path("<int:pk>/clone/", deeds.clone, name="clone"),
    path("<int:pk>/rename/", deeds.rename, name="rename"),
    path("<int:pk>/delete/", deeds.delete, name="delete"),
]
