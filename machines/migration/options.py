"""How a machine is to be moved, as people choose it and jobs keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.utils.translation import gettext as _

MOST_PARALLEL = 16
LONGEST_DOWNTIME_MS = 60_000
MOST_BANDWIDTH_MIB = 1_000_000


@dataclass(frozen=True)
class Options:
    """Defaults: live, all storage shared, over the hosts' usual way, kept on the target and removed from the source.

    live             the guest runs on while its memory is copied; else it stands still meanwhile. A machine that is off moves as it is
    storage          disk ("vda") → pool of the target to copy it into; disks not named are on storage that both hosts share
    post_copy        when the memory was gone through once, the guest goes over and the rest follows: always ends, no way back then
    auto_converge    slow the guest down until its memory can be followed
    parallel         connections for the memory, 0: one
    tls              encrypted by the hosts' QEMUs, which need certificates of their own
    tunnelled        through the hosts' libvirt connection instead of a port of QEMU's
    bandwidth_mib    at most so many MiB a second, 0: no limit
    max_downtime_ms  how long the guest may stand still at the end, 0: as the host has it
    persist          the target keeps the definition when the machine stops
    undefine         the source forgets the definition
    """

    live: bool = True
    storage: Mapping[str, str] = field(default_factory=dict)
    post_copy: bool = False
    auto_converge: bool = False
    parallel: int = 0
    tls: bool = False
    tunnelled: bool = False
    bandwidth_mib: int = 0
    max_downtime_ms: int = 0
    persist: bool = True
    undefine: bool = True

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """What `as_json` gave; what this version does not know is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"storage": dict(self.storage)}

    @property
    def problem(self) -> str:
        """Why these don't go together, "" when they do."""
        if self.tunnelled and (self.tls or self.parallel or self.post_copy or self.storage):
            return _("A tunnelled move takes one connection through libvirt: no TLS of QEMU's own, no parallel connections, no post-copy, no copied disks.")
        if self.post_copy and not self.live:
            return _("Post-copy is for a guest that runs on meanwhile.")
        if not 0 <= self.parallel <= MOST_PARALLEL:
            return _("Parallel connections: 0 to %(most)s.") % {"most": MOST_PARALLEL}
        if not 0 <= self.max_downtime_ms <= LONGEST_DOWNTIME_MS:
            return _("The downtime is at most %(most)s ms.") % {"most": LONGEST_DOWNTIME_MS}
        if not 0 <= self.bandwidth_mib <= MOST_BANDWIDTH_MIB:
            return _("The bandwidth is at most %(most)s MiB/s.") % {"most": MOST_BANDWIDTH_MIB}
        return ""
