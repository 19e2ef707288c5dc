"""The wall: many screens at a glance, each taken only while somebody looks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from consoles import pages
from live import answers
from machines.views.asking import user_of


@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    chosen = pages.Wall.of(request.GET)
    context = {"wall": chosen, "machines": chosen.machines(user_of(request)), "sizes": pages.SIZES, "most": pages.MOST_ON_WALL}
    return answers.page(request, "consoles/wall.html", context, {"wall": "consoles/_wall.html"})
