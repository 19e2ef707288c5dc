"""The REST API: one router an app, bearer tokens, the same `access` and `actions` as the pages."""

from __future__ import annotations

from ninja import NinjaAPI

api = NinjaAPI(title="WebVirt", version="1")
