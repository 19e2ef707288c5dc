from __future__ import annotations

from django.urls import path

from consoles.views import page, shares, tickets, viewer_file, wall

app_name = "consoles"

urlpatterns = [
    path("wall/", wall.wall, name="wall"),
    path("<int:pk>/", page.page, name="page"),
    path("<int:pk>/tickets/", tickets.tickets, name="tickets"),
    path("<int:pk>/state/", tickets.state, name="state"),
    path("<int:pk>/console.vv", viewer_file.viewer_file, name="viewer-file"),
    path("<int:pk>/shares/", shares.shares, name="shares"),
    path("shares/<int:pk>/revoke/", shares.revoke, name="revoke-share"),
    path("shared/<str:token>/", shares.shared, name="shared"),
]
