"""The tabs and menu entries of a host's page (live/tabs.py)."""

from __future__ import annotations

from live.tabs import Register

PARTS = Register()
