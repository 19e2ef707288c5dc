from __future__ import annotations

from django.apps import AppConfig


class ConsolesConfig(AppConfig):
    name = "consoles"

    def ready(self) -> None:
        from consoles import access
        from consoles import company as visits
        from live import audience
        from machines import company

        audience.register("console", access.heard_ids)
        company.register("consoles", company.Source(visits.now, visits.past))
