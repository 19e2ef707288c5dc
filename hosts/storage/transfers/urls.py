from __future__ import annotations

from django.urls import path

from hosts.storage.transfers import views

app_name = "transfers"
urlpatterns = [
    path("uploads/", views.everywhere, name="everywhere"),
    path("uploads/<uuid:pk>/", views.upload, name="upload"),
    path("pools/<int:pk>/uploads/", views.uploads, name="uploads"),
    path("pools/<int:pk>/fetch/", views.fetch, name="fetch"),
    path("pools/<int:pk>/volumes/<str:name>/download/", views.download, name="download"),
]
