"""A directory of the host: https://libvirt.org/storage.html#directory-pool"""

from __future__ import annotations

from virt.xml.pools.kind import PoolKind, path_field

KIND = PoolKind(
    name="dir",
    title="Directory",
    text="On the host's disk",
    icon="folder",
    fields=(path_field("Made where it is missing. One of its own, such as /srv/pool: every file in it becomes a volume.", required=True, title="Directory"),),
    build="folder",
    makes="the directory",
    delete="The directory itself, which must be empty",
    empty_first=True,
    formats=("qcow2", "raw"),
    cuts=False,
)
