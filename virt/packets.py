"""How much one message of libvirt's streams holds; known without libvirt."""

from __future__ import annotations

PACKET_BYTES = 262_120  # VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX
