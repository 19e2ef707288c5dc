from __future__ import annotations

from django.urls import path

from hosts.storage import views
from hosts.storage.pools import views as pools

app_name = "storage"
urlpatterns = [
    path("", views.pools, name="pools"),
    path("isos/", views.isos, name="isos"),
    path("hosts/<int:pk>/", views.of_host, name="of-host"),
    path("hosts/<int:pk>/new/", pools.new, name="new-pool"),
    path("hosts/<int:pk>/found/<int:job>/", pools.found, name="found-sources"),
    path("new/", pools.choose_host, name="choose-host"),
    path("places/<int:pk>/", views.place, name="place"),
    path("pools/<int:pk>/", views.pool, name="pool"),
    path("pools/<int:pk>/xml/", pools.xml, name="pool-xml"),
    path("pools/<int:pk>/build/", pools.build, name="pool-build"),
    path("pools/<int:pk>/remove/", pools.remove, name="pool-remove"),
    path("pools/<int:pk>/password/", pools.password, name="pool-password"),
    path("pools/<int:pk>/power/", views.pool_power, name="pool-power"),
    path("pools/<int:pk>/autostart/", views.pool_autostart, name="pool-autostart"),
    path("pools/<int:pk>/create/", views.create, name="create"),
    path("pools/<int:pk>/delete/", views.delete_many, name="delete-many"),
    path("pools/<int:pk>/volumes/<str:name>/", views.volume, name="volume"),
    path("pools/<int:pk>/volumes/<str:name>/clone/", views.clone, name="clone"),
    path("pools/<int:pk>/volumes/<str:name>/resize/", views.resize, name="resize"),
    path("pools/<int:pk>/volumes/<str:name>/wipe/", views.wipe, name="wipe"),
    path("pools/<int:pk>/volumes/<str:name>/delete/", views.delete, name="delete"),
]
