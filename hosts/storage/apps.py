"""Pools and volumes of a host."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StorageConfig(AppConfig):
    name = "hosts.storage"
    label = "storage"

    def ready(self) -> None:
        from accounts.roles import Role
        from hosts import tabs
        from hosts.storage import access, listing
        from hosts.storage.pools.actions import define_again
        from jobs import kinds, subjects
        from live import audience
        from live.tabs import Tab

        audience.register("pool", access.visible_ids)
        audience.register("volume", access.visible_place_ids)
        subjects.register("pool", subjects.Look("storage:pool", "database"))
        subjects.register("volume", subjects.Look("storage:place", "device-floppy"))
        tabs.PARTS.add(Tab("storage", _("Storage"), "storage:of-host", 30, Role.VIEWER, badge=listing.count_of))
        looks = ("pool",)
        kinds.declare(
            kinds.Kind("hosts.storage.start_pool", "Start pool", "player-play", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.stop_pool", "Stop pool", "player-stop", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.refresh_pool", "Refresh pool", "refresh", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.set_pool_autostart", "Set autostart of pool", "power", stirs=looks),
            # Not quick: a store that does not answer takes minutes, and so does a file system on a large device.
            kinds.Kind("hosts.storage.pools.define", "Make pool", "plus", quick=False, changing=False, stirs=looks, again=define_again),
            kinds.Kind("hosts.storage.pools.build", "Build pool", "tool", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.pools.remove", "Remove pool", "trash", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.pools.redefine", "Change definition of pool", "file-code", stirs=looks),
            kinds.Kind("hosts.storage.pools.set_password", "Set password of pool", "key"),
            kinds.Kind("hosts.storage.pools.find", "Look for storage", "search", changing=False),
            # Not quick: a full volume of a terabyte is written out.
            kinds.Kind("hosts.storage.create_volume", "Create volume", "plus", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.delete_volume", "Delete volume", "trash", stirs=looks),
            kinds.Kind("hosts.storage.resize_volume", "Resize volume", "arrows-right-left", stirs=looks),
            kinds.Kind("hosts.storage.wipe_volume", "Wipe volume", "x", quick=False, stirs=looks),
            kinds.Kind("hosts.storage.clone_volume", "Clone volume", "copy", quick=False, cancellable=True, stirs=looks),
        )
