from __future__ import annotations

from django.urls import path, register_converter

from machines.hardware.views import definition, devices, ours, outcome


class DeviceKey:
    """What names a device among its kind: vda, 52:54:00:12:34:56, 0."""

    regex = r"[A-Za-z0-9:._-]{1,64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(DeviceKey, "device_key")

app_name = "hardware"
urlpatterns = [
    path("<int:pk>/hardware/", devices.hardware, name="hardware"),
    path("<int:pk>/hardware/compare/", devices.compare, name="compare"),
    path("<int:pk>/hardware/outcome/<int:job>/", outcome.outcome, name="outcome"),
    path("<int:pk>/hardware/add/<slug:kind>/", devices.add, name="add"),
    path("<int:pk>/hardware/disk/<device_key:key>/grow/", devices.grow, name="grow"),
    path("<int:pk>/hardware/<slug:kind>/<device_key:key>/", devices.device, name="device"),
    path("<int:pk>/hardware/<slug:kind>/<device_key:key>/remove/", devices.remove, name="remove"),
    path("<int:pk>/xml/", definition.xml, name="xml"),
    path("<int:pk>/xml/<int:version>/restore/", definition.restore, name="restore"),
    path("<int:pk>/xml/between/", definition.between, name="between"),
    path("<int:pk>/tags/", ours.tags, name="tags"),
    path("<int:pk>/guest/password/", ours.password, name="password"),
    path("<int:pk>/guest/key/", ours.ssh_key, name="ssh-key"),
]
