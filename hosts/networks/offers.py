"""What a form can suggest: free addresses, and names of the host's devices that somebody uses already."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.models import Host
from hosts.networks import users
from hosts.networks.checks import Neighbours
from hosts.networks.models import Network
from virt import addressing


@dataclass(frozen=True)
class Offers:
    """`bridges`, `devices`: names known from networks and from cards of machines."""

    bridges: list[str]
    devices: list[str]

    @classmethod
    def of(cls, host: Host) -> Offers:
        rows = Network.objects.filter(host=host, gone_at=None).only("mode", "bridge", "devices", "host_id", "name")
        bridges = {row.bridge for row in rows if row.mode in ("bridge", "openvswitch") and row.bridge}
        devices = {name for row in rows for name in row.devices}
        cards = list(users.cards([host.pk]))
        own = {row.bridge for row in rows if row.mode in users.OWN_BRIDGE}
        bridges |= {card.source for card in cards if card.kind == "bridge" and card.source} - own
        devices |= {card.source for card in cards if card.kind == "direct" and card.source}
        return cls(sorted(bridges), sorted(devices))

    def named(self, name: str) -> list[str]:
        return {"bridges": self.bridges, "devices": self.devices}.get(name, [])


def free_addresses(host: Host) -> dict[str, str]:
    """A network that no other of the host touches, as the form's fields."""
    home = next(addressing.free_network(Neighbours.of(host).networks).hosts())
    own = addressing.interface(f"{home}/24", 4)
    given = addressing.usual_range(own)
    return {"address4": str(own), "ranges4": f"{given.start} - {given.end}"}
